"""Which credentials a session or a letter comes from, so that none from before a change outlives it.

Revision ID: 0005
"""

from daybook.migrations.scripts import carry_out

revision = "0005"
down_revision = "0004"

CREDENTIALS = """
alter table accounts add column credentials_version int not null default 0;
alter table sessions add column credentials_version int not null default 0;
alter table letters add column credentials_version int not null default 0;
"""


def upgrade() -> None:
    """Count the changes of an account's credentials, and note that number with what they open."""
    carry_out(CREDENTIALS)
