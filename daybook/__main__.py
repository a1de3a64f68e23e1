"""The `daybook` command, also as `python -m daybook`.

Until all of it is imported there is nothing to tidy up: Ctrl-C just ends it, and tells nobody where it was.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)

from daybook.cli import app  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)

if __name__ == "__main__":
    app()
