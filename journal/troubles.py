"""Troubles that pass: told when one begins, when it is another one, and when it is over, not at every try meanwhile."""

import logging


class Trouble:
    """What keeps one kind of work from going on; `what` says, as the log has it, that it does not."""

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log, self._what = log, what
        self._told: set[str] = set()

    def tell(self, why: object) -> None:
        """Tell the first line of `why`, unless it was told since this began."""
        if (line := str(why).partition("\n")[0]) not in self._told:
            self._told.add(line)
            self._log.warning("%s: %s", self._what, line)

    def over(self) -> None:
        """Tell that it goes on, if a trouble was told of."""
        if self._told:
            self._told.clear()
            self._log.info("%s: this is over", self._what)
