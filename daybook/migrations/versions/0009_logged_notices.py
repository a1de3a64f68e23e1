"""Notices that were written to the log alone, for want of a mail server, are found again when they are old.

Revision ID: 0009
"""

from daybook.migrations.scripts import carry_out

revision = "0009"
down_revision = "0008"

LOGGED = "create index notices_logged on notices (at) where state = 'logged'"


def upgrade() -> None:
    """Make the index."""
    carry_out(LOGGED)
