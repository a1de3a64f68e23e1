"""Notices, posted from the journal and sent by mail. What happened before there were any is not told.

Revision ID: 0008
"""

from daybook.migrations.scripts import carry_out

revision = "0008"
down_revision = "0007"

NOTICES = """
-- Of a booking: the fact at `position` leads to it. Of a letter: no booking, position 0, and the letter's id.
create table notices (
  notice_id uuid primary key, kind text not null, booking_id uuid, user_id uuid not null, position bigint not null,
  at timestamptz not null, state text not null default 'waiting', attempts int not null default 0,
  lent_until timestamptz, error text, sent_at timestamptz
);
create index notices_waiting on notices (at) where state = 'waiting';
create index notices_lent on notices (lent_until) where lent_until is not null;
create index notices_sent on notices (sent_at) where state = 'sent';
create index notices_dead on notices (at) where state = 'dead';
create index notices_of_booking on notices (booking_id, position);
create index notices_to_user on notices (user_id);

create table notices_posted (
  single boolean primary key default true check (single), journal_id uuid not null, position bigint not null
);
insert into notices_posted select true, journal_id, position from journal_head;

grant select, insert, update, delete on notices to {role};
grant select, insert, update on notices_posted to {role};
"""


def upgrade() -> None:
    """Make the tables, posted up to now, and let the processes' role keep them."""
    carry_out(NOTICES)
