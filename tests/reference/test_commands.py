"""The page of commands: as the command line has them."""

from tests.reference import commands


def test_the_page_is_as_the_command_line_has_it():
    assert commands.PAGE.read_text() == commands.page(), "run `make reference`"
