"""Stands in for `make`, `docker` and `kubectl` while a page is run: writes down what was asked, and does none of it.

What a page asks `make` for would not end, or would run this very test; the others need a daemon or a cluster.
"""

import json
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    with Path(os.environ["ASKED"]).open("a") as asked:
        asked.write(json.dumps([Path(sys.argv[1]).name, *sys.argv[2:]]) + "\n")
