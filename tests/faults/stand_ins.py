"""Stand-ins for our processes, for starting and stopping without them: `api`, `follow`, and `fall`, which ends at once.

They import nothing of ours, so that they are there as soon as they are started.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SIGN_IN = {
    "admin_email": "admin@b.example",
    "admin_password": "the admin's",
    "user_email": "user@b.example",
    "user_password": "the user's",
}


class Api(BaseHTTPRequestHandler):
    """Ready, with a demo sign-in."""

    def do_GET(self) -> None:
        self.answer({"status": "ready"})

    def do_POST(self) -> None:
        self.answer(SIGN_IN)

    def answer(self, body: dict[str, str]) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


def api() -> None:
    """Answer HTTP until SIGTERM."""
    with ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Api) as server:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print("serving", os.getpid())
        print("metrics on", os.environ["METRICS_PORT"])
        server.serve_forever()


def follow() -> None:
    """Wait for SIGTERM."""
    print("metrics on", os.environ["METRICS_PORT"])
    print("following", os.getpid())
    signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    {"api": api, "follow": follow, "fall": lambda: sys.exit(3)}[sys.argv[1]]()
