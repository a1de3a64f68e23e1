"""Writes what `tests/reference` and `tests/postman` know of: `python -m tests.reference`, from the root.

`python -m tests.reference --since DIRECTORY` writes nothing: it compares facts with the schemas in a directory, which
are those from before a change. A change that breaks a schema can write it anew in the same breath; that one it cannot.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.postman import collection
from tests.reference import commands, facts, problems


def main(words: Sequence[str] = ()) -> None:
    """Raises `SystemExit` with every fact that its readers could not read any more."""
    asked = argparse.ArgumentParser(prog="python -m tests.reference")
    asked.add_argument("--since", type=Path, metavar="DIRECTORY", help="only compare with the schemas in it")
    since = asked.parse_args(words).since
    before = {path.stem: json.loads(path.read_text()) for path in (since or facts.SCHEMAS).glob("*.json")}
    if since and not before:
        sys.exit(f"there are no schemas in {since}")
    if breaches := list(facts.breaches(before, facts.schemas_of())):
        sys.exit("\n".join([*breaches, "What is stored stays as it is: give the new shape the next version."]))
    if since:
        return
    written = {
        **facts.written(),
        **collection.written(),
        problems.PAGE: problems.page(),
        commands.PAGE: commands.page(),
    }
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
