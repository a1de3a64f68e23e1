"""How a process' stores stand when somebody asks for metrics: looked up then, since nobody counts it meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import psycopg

from commands import deliveries, due, notices
from journal.connection import Unavailable
from journal.journal import Journal
from projections.following import VIEWS
from projections.reading import Views

STATE = ("state",)
ANSWER_WITHIN = 2.0  # seconds: whoever asks for metrics does not wait long


Values = Mapping[tuple[str, ...], int | float]
"""By labels."""


@dataclass(frozen=True, slots=True)
class Told:
    """One metric that goes up and down: a value for each choice of labels."""

    name: str
    tells: str
    values: Values
    labels: Sequence[str] = ()


Ask = Callable[[], Awaitable[Sequence[Told]]]


async def ask(questions: Mapping[str, Ask]) -> Sequence[Told]:
    """What is told to every question, and which had an answer: the others are missing."""
    answers = await asyncio.gather(*(_answer(question) for question in questions.values()))
    up: Values = {(about,): float(answer is not None) for about, answer in zip(questions, answers, strict=True)}
    told = chain.from_iterable(answer for answer in answers if answer is not None)
    return [Told("daybook_up", "Whether what a process works with answers: 1 or 0.", up, ("of",)), *told]


async def _answer(question: Ask) -> Sequence[Told] | None:
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            return await question()
    except (Unavailable, TimeoutError, psycopg.Error):
        return None


def of_journal(journal: Journal) -> Ask:
    """How long the journal is."""

    async def told() -> Sequence[Told]:
        _, position, _ = await journal.head()
        return [Told("daybook_journal_position", "The last fact of the journal.", {(): position})]

    return told


def of_views(journal: Journal, views: Views) -> Ask:
    """How far every view is. One that is not there, or is being built, is at position 0."""

    async def told() -> Sequence[Told]:
        looks = {view.name: await views.looked_at(view) for view in VIEWS}
        _, head, _ = await journal.head()
        at = {name: look.position or 0 for name, look in looks.items()}
        ages = await journal.ages({position + 1 for position in at.values()})
        return [
            Told(
                "daybook_view_position",
                "The last fact a view shows.",
                {(name,): position for name, position in at.items()},
                ("view",),
            ),
            Told(
                "daybook_view_lag_facts",
                "Facts a view does not show yet.",
                {(name,): max(head - position, 0) for name, position in at.items()},
                ("view",),
            ),
            Told(
                "daybook_view_lag_seconds",
                "How long ago the first fact was recorded that a view does not show yet; 0 if it shows all.",
                {(name,): max(ages.get(position + 1, 0.0), 0.0) for name, position in at.items()},
                ("view",),
            ),
            Told(
                "daybook_view_followed",
                "Whether somebody feeds a view: 1 or 0.",
                {(name,): float(look.is_followed) for name, look in looks.items()},
                ("view",),
            ),
        ]

    return told


def of_due(journal: Journal) -> Ask:
    """What the clock has started and nobody has finished."""

    async def told() -> Sequence[Told]:
        count, seconds = await due.backlog(journal)
        return [
            Told("daybook_due_backlog", "Work that is due and not done.", {(): count}),
            Told("daybook_due_oldest_seconds", "How long the longest of it is due; 0 if there is none.", {(): seconds}),
        ]

    return told


def of_notices(journal: Journal) -> Ask:
    """What people are still to be told, and what was given up."""

    async def told() -> Sequence[Told]:
        counts, seconds = await notices.standing(journal)
        by_state: Values = {(state.value,): count for state, count in counts.items()}
        return [
            Told(
                "daybook_notices", "Notices that wait, be it for their time, and those that are dead.", by_state, STATE
            ),
            Told(
                "daybook_notices_oldest_seconds",
                "How long the longest that waits is due, put off or not.",
                {(): seconds},
            ),
        ]

    return told


def of_deliveries(journal: Journal) -> Ask:
    """What webhooks are still to be sent, and what was given up."""

    async def told() -> Sequence[Told]:
        count, seconds = await deliveries.standing(journal)
        dead = await deliveries.given_up(journal)
        return [
            Told("daybook_deliveries_due", "Deliveries to webhooks that are due and not done.", {(): count}),
            Told("daybook_deliveries_oldest_seconds", "How long the longest of them is due.", {(): seconds}),
            Told("daybook_deliveries_dead", "Deliveries given up within a day, and not replayed since.", {(): dead}),
        ]

    return told
