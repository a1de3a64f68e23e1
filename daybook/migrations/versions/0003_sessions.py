"""Sessions with their refresh tokens, and letters: all of a person's, and gone with their account.

Revision ID: 0003
"""

from daybook.migrations.scripts import carry_out

revision = "0003"
down_revision = "0002"

SESSIONS = """
create table sessions (
  session_id uuid primary key, user_id uuid not null references accounts on delete cascade, user_agent text not null,
  opened_at timestamptz not null, used_at timestamptz not null, expires_at timestamptz not null
);
create index sessions_of_user on sessions (user_id);
create index sessions_expire on sessions (expires_at);

-- The last of a session is not spent yet. Tokens and their successors stand here as SHA-256.
create table refresh_tokens (
  hash bytea primary key, session_id uuid not null references sessions on delete cascade,
  spent_at timestamptz, successor bytea
);
create index refresh_tokens_of_session on refresh_tokens (session_id, spent_at);

create table letters (
  letter_id uuid primary key, user_id uuid not null references accounts on delete cascade, kind text not null,
  token_hash bytea not null unique, written_at timestamptz not null, expires_at timestamptz not null
);
create index letters_to_user on letters (user_id);
create index letters_expire on letters (expires_at);

grant select, insert, update, delete on sessions, refresh_tokens, letters to {role};
"""


def upgrade() -> None:
    """Make the tables and let the processes' role keep them."""
    carry_out(SESSIONS)
