"""What `daybook up` says, and what its programs say through it: to people by name, to machines as JSON, a line each."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

UP = "up"
"""The role under which `daybook up` speaks itself, beside those it runs."""


class Voice(ABC):
    """Says one line at a time by way of `write`."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write

    @abstractmethod
    def say(self, line: str) -> None:
        """What we say ourselves."""

    @abstractmethod
    def greet(self, told: Mapping[str, str]) -> None:
        """What there is to be known once everything is there, by name."""

    @abstractmethod
    def relay(self, role: str, line: str) -> None:
        """What the program of a role said."""


class ForPeople(Voice):
    """Lines as they are, those of programs under their name."""

    def say(self, line: str) -> None:
        self.write(line)

    def greet(self, told: Mapping[str, str]) -> None:
        for line in ("", *(f"{name:<10}{what}" for name, what in told.items()), "Ctrl-C stops everything.", ""):
            self.write(line)

    def relay(self, role: str, line: str) -> None:
        self.write(f"{role:>7} | {line}")


class ForMachines(Voice):
    """One JSON object a line, as processes log (daybook/logs.py), with the `role` whose it is."""

    def say(self, line: str) -> None:
        self._tell(UP, _said("info", line))

    def greet(self, told: Mapping[str, str]) -> None:
        self._tell(UP, {**_said("info", "ready"), **{name.lower(): what for name, what in told.items()}})

    def relay(self, role: str, line: str) -> None:
        """A line that is no object was said past the log, which is seldom good news."""
        try:
            said = orjson.loads(line)
        except orjson.JSONDecodeError:
            said = None
        self._tell(role, said if isinstance(said, dict) else _said("warning", line))

    def _tell(self, role: str, said: Mapping[str, Any]) -> None:
        self.write(orjson.dumps({**said, "role": role}).decode())


def _said(level: str, event: str) -> dict[str, Any]:
    return {"timestamp": datetime.now(UTC), "level": level, "logger": __name__, "event": event}
