"""The page of commands: as the command line has them; and `make reference`, which writes it with all the others."""

from pathlib import Path

from tests.docs.making import a_copy, make
from tests.postman import collection
from tests.reference import commands, facts, problems


def test_the_page_is_as_the_command_line_has_it():
    assert commands.PAGE.read_text() == commands.page(), "run `make reference`"


def test_make_reference_writes_every_page_that_follows_from_the_code(tmp_path: Path):
    there = a_copy(tmp_path)
    for page in (facts.PAGE, problems.PAGE, commands.PAGE, *collection.written()):
        (there / page).unlink()

    make("reference", at=there)

    for page in (facts.PAGE, problems.PAGE, commands.PAGE, *collection.written()):
        assert (there / page).read_text() == page.read_text()
