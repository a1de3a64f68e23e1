"""What a view is made of: documents and ordered lists of them, folded from the journal and from nothing else."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from booking.events import Event
from journal.folding import Aggregate, Named
from journal.journal import Recorded

A = TypeVar("A", bound=Aggregate)

PAGE = 50
"""Documents in one answer of a list unless it is asked for another number."""

LIMIT = 200
"""The most documents in one answer of a list."""


@dataclass(frozen=True, slots=True)
class Form:
    """How the documents of one kind are stored: what is read back folds on as if it had never been away."""

    dump: Callable[[Any], bytes]
    load: Callable[[bytes], Any]


class Documents:
    """The documents one page of facts touches, as the facts folded so far leave them. Each is known by its tag."""

    def __init__(self, forms: Mapping[str, Form], stored: Mapping[str, bytes | None]) -> None:
        self._forms = forms
        self._stored = stored
        self._folded: dict[str, Any] = {}
        self._changed: dict[str, None] = {}

    def of(self, one: Named[A]) -> A:
        """The document as it is now; one that is not stored is as before any fact."""
        document: A | None = self._folded.get(one.tag)
        if document is None:
            stored = self._stored[one.tag]
            document = one.unfolded() if stored is None else self._forms[kind(one.tag)].load(stored)
            self._folded[one.tag] = document
        return document

    def fold(self, event: Event, one: Named[A]) -> A:
        """The document after `event`, to be written back."""
        document = self.of(one)
        document.fold(event)
        self._changed[one.tag] = None
        return document

    def changed(self) -> list[tuple[str, bytes]]:
        """Every document to be written back, by tag, in the form it is stored in."""
        return [(tag, self._forms[kind(tag)].dump(self._folded[tag])) for tag in self._changed]


class Lists:
    """What one page of facts does to the ordered lists of a view. Entries are in order of their bytes."""

    def __init__(self) -> None:
        self._stays: dict[tuple[str, bytes], bool] = {}

    def enter(self, name: str, entry: bytes) -> None:
        self._stays[name, entry] = True

    def strike(self, name: str, entry: bytes) -> None:
        self._stays[name, entry] = False

    def entered(self) -> list[tuple[str, bytes]]:
        """Every list and entry to be in it."""
        return [entry for entry, stays in self._stays.items() if stays]

    def struck(self) -> list[tuple[str, bytes]]:
        """Every list and entry not to be in it."""
        return [entry for entry, stays in self._stays.items() if not stays]


@dataclass(frozen=True, slots=True)
class Sweep:
    """The documents a fact changes without naming them: those of a list, each named by its entry."""

    list: str
    named: Callable[[bytes], Named[Any]]


def _none(_event: Event) -> None:
    """Most views hold nothing a fact would not name."""


@dataclass(frozen=True, slots=True)
class View:
    """A fold of the journal into documents that queries read.

    `touches` names the documents a fact changes, `sweeps` the list of those it cannot name; `project` folds the fact
    into one of them and keeps the lists. A change of what they leave behind, or of `forms`, is the next `version`:
    followers then build the view anew.
    """

    name: str
    version: int
    forms: Mapping[str, Form]
    touches: Callable[[Event], Iterator[Named[Any]]]
    project: Callable[[Event, Named[Any], Documents, Lists], None]
    sweeps: Callable[[Event], Sweep | None] = _none

    def parts(self, facts: Sequence[Recorded]) -> Iterator[tuple[Sequence[Recorded], Sweep | None]]:
        """The facts in order: one that sweeps by itself, as its list has to be as the facts before it leave it."""
        begin = 0
        for end, fact in enumerate(facts):
            if sweep := self.sweeps(fact.event):
                if begin < end:
                    yield facts[begin:end], None
                yield [fact], sweep
                begin = end + 1
        if begin < len(facts):
            yield facts[begin:], None


def kind(tag: str) -> str:
    """The kind of document a tag names."""
    return tag.partition(":")[0]
