"""`daybook` for pages, there at once: everything is imported once, and each command is run by a fork of that.

`python -m tests.docs.warm SOCKET` serves what `ask.py` asks for. A page runs several commands, and importing what they
import takes longer than all they do.
"""

import json
import os
import signal
import socket
import sys

from daybook.cli import app


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # each tells by itself how it ended
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(sys.argv[1])
        listening.listen()
        print("ready", flush=True)
        while True:
            asking, _ = listening.accept()
            with asking:
                if os.fork() == 0:
                    run(asking)


def run(asking: socket.socket) -> None:
    """Be the command from here on, where and as it was called, and tell its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said, files, _, _ = socket.recv_fds(asking, 1 << 20, 3)
    called = json.loads(said)
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.chdir(called["directory"])
    os.environ.clear()
    os.environ.update(called["environment"])
    sys.argv = ["daybook", *called["words"]]
    code = 1
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        asking.sendall(b"%d" % code)
        os._exit(code)


if __name__ == "__main__":
    main()
