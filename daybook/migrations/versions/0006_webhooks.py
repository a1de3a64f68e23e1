"""Webhooks, and what each is to be sent and was sent.

Revision ID: 0006
"""

from daybook.migrations.scripts import carry_out

revision = "0006"
down_revision = "0005"

# `posted` is the position up to which the deliveries of a webhook stand in their table. Secrets are sealed.
WEBHOOKS = """
create table webhooks (
  webhook_id uuid primary key, url text not null, events text[] not null, is_active boolean not null default true,
  secret text not null, previous_secret text, previous_until timestamptz,
  posted bigint not null, added_at timestamptz not null
);

-- `hash` is the chain's at the fact, `subject` the booking or the space it is about: those of one go out in order.
create table deliveries (
  webhook_id uuid references webhooks on delete cascade, position bigint, hash bytea not null, subject uuid not null,
  type text not null,
  state text not null default 'waiting', due_at timestamptz not null, lent_until timestamptz,
  attempts int not null default 0, attempted_at timestamptz, status int, error text,
  primary key (webhook_id, position)
);
create index deliveries_due on deliveries (webhook_id, due_at, position) where state = 'waiting';
create index deliveries_of_subject on deliveries (webhook_id, subject, position) where state = 'waiting';
create index deliveries_lent on deliveries (webhook_id, lent_until) where lent_until is not null;
create index deliveries_over on deliveries (attempted_at) where state <> 'waiting';

grant select, insert, update, delete on webhooks, deliveries to {role};
"""


def upgrade() -> None:
    """Make the tables and let the processes' role keep them."""
    carry_out(WEBHOOKS)
