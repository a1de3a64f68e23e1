"""What each process becomes: `python -m daybook.roles api` answers HTTP, `… follow` posts the journal to the views,
`… work` does what is due.

Apart from the command line, so that `daybook up` is there before what only these processes import, and they without
what only `daybook up` does.
"""

import sys
from collections.abc import Callable, Mapping

from daybook import settings, wiring
from daybook.settings import Settings

ROLES: Mapping[str, Callable[[Settings], None]] = {
    "api": wiring.serve_api,
    "follow": wiring.follow,
    "work": wiring.work,
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](settings.read(signs=sys.argv[1] in settings.SIGNING))
