"""What is lent of the work that is due is counted whenever somebody takes some: it is found by itself.

Revision ID: 0010
"""

from daybook.migrations.scripts import carry_out

revision = "0010"
down_revision = "0009"

LENT = "create index due_lent on due (lent_until) where lent_until is not null"


def upgrade() -> None:
    """Make the index."""
    carry_out(LENT)
