"""API keys, by their hashes: gone with the account they act for.

Revision ID: 0004
"""

from daybook.migrations.scripts import carry_out

revision = "0004"
down_revision = "0003"

API_KEYS = """
create table api_keys (
  key_id uuid primary key, user_id uuid not null references accounts on delete cascade,
  name text not null, hash bytea not null unique, issued_at timestamptz not null default now()
);
create index api_keys_of_user on api_keys (user_id);

grant select, insert on api_keys to {role};
"""


def upgrade() -> None:
    """Make the table and let the processes' role keep it."""
    carry_out(API_KEYS)
