"""The roles a user acts in, and the scopes an API key is good for."""

from enum import StrEnum


class Role(StrEnum):
    """STUDENTs book for themselves; STAFF also run spaces, ADMINs the rest; AUDITORs read history, nothing else."""

    STUDENT = "STUDENT"
    STAFF = "STAFF"
    ADMIN = "ADMIN"
    AUDITOR = "AUDITOR"


class Scope(StrEnum):
    """What a service may do with an API key, as far as the user it acts for may."""

    BOOKINGS_WRITE = "bookings:write"
    SPACES_READ = "spaces:read"
    AUDIT_READ = "audit:read"
