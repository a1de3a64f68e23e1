"""Measure everything, or the sections named, and print one page: a line for each figure.

`python -m benchmarks [--quick] [SECTION ...]`
"""

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import AsyncIterator, Callable

import uvloop

from benchmarks import (
    asking,
    ending,
    importing,
    posting,
    proving,
    rebuilding,
    resident,
    signing,
    sizes,
    visible,
    writing,
)
from benchmarks.measuring import Bench, Figure, calm_collector
from daybook.embedded import throw_away_stores

Section = Callable[[Bench], AsyncIterator[Figure]]
SECTIONS: dict[str, Section] = {
    "append": writing.append,
    "create": writing.create,
    "post": posting.post,
    "read": asking.read,
    "visible": visible.visible,
    "resident": resident.resident,
    "million": sizes.million,
    "stranger": sizes.stranger,
    "import": importing.book,
    "rebuild": rebuilding.rebuild,
    "verify": proving.verify,
    "expire": ending.expire,
    "sign": signing.sign,
}
WORDS = {True: "met", False: "NOT MET", None: ""}


def main() -> int:
    """Exit with 1 when a section failed; a figure that is not met is no failure, it is what was to be found out."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="go through everything in a fraction of the time")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}: there are {', '.join(SECTIONS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the stores are stopped and their data removed
    calm_collector()
    began, missed, failed = time.perf_counter(), 0, 0
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; CPU is that of the application + the database")
    if os.getloadavg()[0] > 0.5:
        print("somebody else is at work here: a floor of 16 processes gets more of what is left than one process does")
    if arguments.quick:
        print("a quick run: it shows that everything runs, its figures mean nothing")
    print()
    for name in arguments.sections or SECTIONS:
        section_began = time.perf_counter()
        try:
            with throw_away_stores(durable=True) as stores:
                for figure in uvloop.run(_figures(SECTIONS[name], Bench(stores, arguments.quick))):
                    print(line(figure), flush=True)
                    missed += figure.met is False
        except Exception:  # the others' figures are worth having all the same
            traceback.print_exc()
            failed += 1
        print(f"  [{name}: {time.perf_counter() - section_began:.0f} s, load {os.getloadavg()[0]:.1f}]\n", flush=True)
    print(f"{missed} not met, {failed} sections failed, {time.perf_counter() - began:.0f} s")
    return 1 if failed else 0


async def _figures(section: Section, bench: Bench) -> list[Figure]:
    return [figure async for figure in section(bench)]


def line(figure: Figure) -> str:
    """Name, value, what is asked, whether it is met, and what stands beside it."""
    value = f"{figure.value:,.2f} {figure.unit}" if figure.unit == "×" else f"{figure.value:,.1f} {figure.unit}"
    asked = f"≥ {figure.at_least:g}" if figure.at_least is not None else ""
    asked = f"≤ {figure.at_most:g}" if figure.at_most is not None else asked
    return f"{figure.name:<70} {value:>10}  {asked:<7} {WORDS[figure.met]:<8} {figure.note}"


if __name__ == "__main__":
    raise SystemExit(main())
