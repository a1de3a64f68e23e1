"""A page of every command of `daybook`, as the command line itself tells it."""

from pathlib import Path

import typer
from typer.cli import get_docs_for_click

from daybook.cli import app

PAGE = Path("docs/reference/cli.md")


def page() -> str:
    """The page."""
    command = typer.main.get_command(app)
    told = get_docs_for_click(obj=command, ctx=typer.Context(command), name="daybook", title="The daybook command")
    lines = told.strip().splitlines()
    return "\n".join([lines[0], "", "<!-- Written by `make reference` from daybook/cli.py. -->", *lines[1:], ""])
