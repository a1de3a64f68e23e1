"""Writes what `tests/reference` and `tests/postman` know of: `python -m tests.reference`, from the root."""

import json
import sys

from tests.postman import collection
from tests.reference import commands, facts, problems


def main() -> None:
    """Raises `SystemExit` with every fact that its readers could not read any more."""
    before = {path.stem: json.loads(path.read_text()) for path in facts.SCHEMAS.glob("*.json")}
    if breaches := list(facts.breaches(before, facts.schemas_of())):
        sys.exit("\n".join([*breaches, "What is stored stays as it is: give the new shape the next version."]))
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
    main()
