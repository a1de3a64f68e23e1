"""Tokens of calendar feeds, by their hashes: gone with the account whose calendars they open.

Revision ID: 0007
"""

from daybook.migrations.scripts import carry_out

revision = "0007"
down_revision = "0006"

CALENDAR_TOKENS = """
create table calendar_tokens (
  token_id uuid primary key, user_id uuid not null references accounts on delete cascade,
  name text not null, hash bytea not null unique, made_at timestamptz not null
);
create index calendar_tokens_of_user on calendar_tokens (user_id, made_at);

grant select, insert, delete on calendar_tokens to {role};
"""


def upgrade() -> None:
    """Make the table and let the processes' role keep it."""
    carry_out(CALENDAR_TOKENS)
