"""The roles a user acts in."""

from enum import StrEnum


class Role(StrEnum):
    """STUDENTs book for themselves; STAFF also run spaces; ADMINs also run the rest."""

    STUDENT = "STUDENT"
    STAFF = "STAFF"
    ADMIN = "ADMIN"
