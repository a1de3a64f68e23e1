"""The roles a user acts in."""

from enum import StrEnum


class Role(StrEnum):
    """STUDENTs book for themselves; STAFF also run spaces, ADMINs the rest; AUDITORs read history, nothing else."""

    STUDENT = "STUDENT"
    STAFF = "STAFF"
    ADMIN = "ADMIN"
    AUDITOR = "AUDITOR"
