"""Since when a notice is due is remembered however often it was put off, and dead deliveries are found by themselves.

Revision ID: 0011
"""

from daybook.migrations.scripts import carry_out

revision = "0011"
down_revision = "0010"

# `due_at` is empty until a notice is put off: until then it is due at its time.
WATCHED = """
alter table notices add due_at timestamptz;
create index deliveries_dead on deliveries (attempted_at) where state = 'dead';
"""


def upgrade() -> None:
    """Add the column and make the index."""
    carry_out(WATCHED)
