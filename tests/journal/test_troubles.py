"""Troubles are told of when they begin and when they are over, however often they are met with meanwhile."""

import logging

import pytest

from journal.troubles import Trouble

log = logging.getLogger(__name__)


def test_a_trouble_is_told_once_until_it_is_over_and_anew_the_next_time(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    trouble = Trouble(log, "nothing is sent")

    trouble.over()
    for _ in range(2):
        for why in ("it is away", "it is away", OSError("it hangs\nfor long"), "it is away"):
            trouble.tell(why)
        trouble.over()
        trouble.over()

    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "nothing is sent: it is away"),
        ("WARNING", "nothing is sent: it hangs"),
        ("INFO", "nothing is sent: this is over"),
    ] * 2
