"""Has `warm.py` run a command of `daybook` as if it had been called here: `python ask.py SOCKET WORD …`."""

import json
import os
import socket
import sys

if __name__ == "__main__":
    with socket.socket(socket.AF_UNIX) as warm:
        warm.connect(sys.argv[1])
        called = {"words": sys.argv[2:], "directory": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
        socket.send_fds(warm, [json.dumps(called).encode()], [0, 1, 2])
        sys.exit(int(warm.recv(16) or b"1"))
