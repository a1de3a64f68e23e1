"""Work that is due at a time, posted from the journal.

Revision ID: 0002
"""

from daybook.migrations.scripts import carry_out

revision = "0002"
down_revision = "0001"

DUE = """
create table due (
  kind text not null, booking_id uuid not null, at timestamptz not null, position bigint not null,
  lent_until timestamptz, primary key (kind, booking_id)
);
create index due_at on due (at);
create index due_of_booking on due (booking_id);

create table due_posted (
  single boolean primary key default true check (single), journal_id uuid not null, position bigint not null
);

grant select, insert, update, delete on due to {role};
grant select, insert, update on due_posted to {role};
"""


def upgrade() -> None:
    """Make the table and let the processes' role keep it."""
    carry_out(DUE)
