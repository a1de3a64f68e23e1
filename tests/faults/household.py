"""Ours to be killed: `python -m tests.faults.household up` runs everything with stand-ins for our processes,
`… hold DIRECTORY` the stores alone.
"""

import os
import signal
import sys
from pathlib import Path

import typer

from daybook import embedded, settings
from daybook.supervisor import CannotRun
from daybook.up import up
from tests.faults import stand_ins


def hold() -> None:
    """Run stores on the directory named, tell the ids of their processes, and wait."""
    with embedded.stores(Path(sys.argv[2])) as stores:
        print(*(process.pid for store in stores.running for process in store.processes()), flush=True)
        signal.pause()


def with_stand_ins() -> None:
    try:
        up(
            settings.read(),
            migrate=lambda _: print("migrated"),
            commands={
                "api": [sys.executable, stand_ins.__file__, "api"],
                "follow": [sys.executable, stand_ins.__file__, os.environ.get("FOLLOWER", "follow")],
            },
            say=typer.echo,
        )
    except CannotRun as error:
        sys.exit(str(error))


if __name__ == "__main__":
    {"up": with_stand_ins, "hold": hold}[sys.argv[1]]()
