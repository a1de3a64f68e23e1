"""The pages people read, and the commands that stand on them."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path("docs")
HOST = "http://localhost:8000"
"""Where pages say that the API answers."""

METRICS_PORT = "9470"
"""Where they have metrics told."""

_BLOCK = re.compile(r"^([ ]*)```(\w*)[^\n]*\n(.*?)^\1```[ ]*$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Page:
    """One of them."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def text(self) -> str:
        return self.path.read_text()

    def blocks(self, language: str) -> list[str]:
        """What stands in the fenced blocks of a language, in order."""
        return [textwrap.dedent(body) for _, said, body in _BLOCK.findall(self.text) if said == language]

    def languages(self) -> set[str]:
        return {said for _, said, _ in _BLOCK.findall(self.text)}

    def inline(self, command: str) -> Iterator[str]:
        """What the prose quotes that begins with the command."""
        return (quoted for quoted in _INLINE.findall(_BLOCK.sub("", self.text)) if quoted.split()[0:1] == [command])


PAGES = [Page(path) for path in (Path("README.md"), Path("CONTRIBUTING.md"), *sorted(DOCS.rglob("*.md")))]
