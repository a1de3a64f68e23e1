"""The journal, its append function, the people's keys and their accounts.

Revision ID: 0001
"""

from daybook.migrations.scripts import carry_out

revision = "0001"
down_revision = None

JOURNAL = """
create table journal_head (
  single boolean primary key default true check (single),
  journal_id uuid not null, position bigint not null, hash bytea not null, recorded_at timestamptz not null
) with (fillfactor = 10);

create table events (
  position bigint primary key,
  type text not null, version int not null, payload text not null, tags text[] not null,
  recorded_at timestamptz not null, actor text not null, correlation_id text not null, causation_id uuid,
  command_id uuid not null, command_seq smallint not null, request_digest bytea,
  hash_format smallint not null, hash bytea not null
);
create unique index events_of_command on events (command_id, command_seq);

-- By code point: ranges of tags are read in that order, whatever the language of the database.
create table event_tags (tag text collate "C", position bigint, primary key (tag, position));

create table sealing_keys (user_id uuid primary key, key bytea not null);

-- One place to ask what time it is.
create function journal_now() returns timestamptz language sql as 'select clock_timestamp()';

-- The first hash holds the journal's id, so no two journals share a chain.
create procedure journal_begin() language sql as $$
  insert into journal_head
  select true, id, 0, sha256(convert_to('daybook ' || id, 'UTF8')), 'epoch' from gen_random_uuid() id
$$;
call journal_begin();
"""

# Per command of the batch the answer is > 0: its first fact's position; 0: somebody wrote under its condition since it
# read; < 0: its id is recorded already, minus the position of its first fact. Earlier commands of a batch count for
# later ones. `tags` is the usual condition, any of these; `items` the library's wider one, each any of the types and
# all of the tags, for a command alone in its batch. A command that names a journal is for no other one, nor for a head
# this journal has not reached. The header that is hashed is described in journal/chain.py.
APPEND = """
create function journal_append(batch json) returns bigint[]
language plpgsql security definer set search_path = "{schema}", pg_temp as $fn$
declare
  this uuid; head bigint; first bigint; previous bytea; at timestamptz; at_us bigint; seq int; header text; x text;
  outcomes bigint[] := '{{}}'; ids uuid[] := '{{}}'; firsts bigint[] := '{{}}'; written text[] := '{{}}';
  facts events[] := '{{}}'; c record; e record;
begin
  select journal_id, position, hash, recorded_at into this, head, previous, at from journal_head for update;
  first := head;
  at := greatest(journal_now(), at);
  at_us := extract(epoch from at) * 1000000;
  for c in
    select b.*,
      (select f.position from events f where f.command_id = b.id and f.command_seq = 0) as original,
      (b.journal is not null and (b.journal <> this or b.after > head))
      or (b.after < head and exists (select from event_tags t where t.tag = any(b.tags) and t.position > b.after))
      or (b.items is not null and exists (
        select from events f, json_to_recordset(b.items) as i (types text[], tags text[])
        where f.position > b.after and (i.types = '{{}}' or f.type = any(i.types)) and f.tags @> i.tags)) as moved
    from json_to_recordset(batch) as b (
      id uuid, journal uuid, after bigint, tags text[], items json, actor text, correlation_id text, causation_id uuid,
      digest text, events json)
  loop
    c.original := coalesce(c.original, firsts[array_position(ids, c.id)]);
    if c.original is not null then
      outcomes := outcomes || -c.original;
      continue;
    end if;
    if c.moved or c.tags && written then
      outcomes := outcomes || 0::bigint;
      continue;
    end if;
    outcomes := outcomes || head + 1;
    ids := ids || c.id;
    firsts := firsts || head + 1;
    seq := 0;
    for e in select * from json_to_recordset(c.events) as (type text, version int, tags text[], payload text) loop
      head := head + 1;
      header := format('1 %s %s %s %s %s %s %s %s', head, e.version, at_us, c.id, seq,
                       coalesce(c.causation_id::text, '-'), coalesce(c.digest, '-'), cardinality(e.tags));
      foreach x in array array[e.type, c.actor, c.correlation_id] || e.tags || e.payload loop
        header := header || ' ' || octet_length(x) || ':' || x;
      end loop;
      previous := sha256(previous || convert_to(header, 'UTF8'));
      facts := facts || row(
        head, e.type, e.version, e.payload, e.tags, at, c.actor, c.correlation_id, c.causation_id, c.id, seq,
        decode(c.digest, 'hex'), 1, previous)::events;
      written := written || e.tags;
      seq := seq + 1;
    end loop;
  end loop;
  if head > first then
    insert into events select * from unnest(facts);
    insert into event_tags select t, f.position from unnest(facts) f, unnest(f.tags) t;
    update journal_head set position = head, hash = previous, recorded_at = at;
    perform pg_notify('journal_{schema}', head::text);
  end if;
  return outcomes;
end $fn$;
"""

ACCOUNTS = """
create table accounts (
  user_id uuid primary key, email text not null unique, full_name text not null, password_hash text not null,
  created_at timestamptz not null default now()
);
"""

# The processes may read the journal and call the append function; they can change no fact.
RIGHTS = """
revoke all on schema "{schema}" from public;
revoke all on function journal_append(json) from public;
revoke all on procedure journal_begin() from public;
grant usage on schema "{schema}" to {role};
grant select on journal_head, events, event_tags to {role};
grant execute on function journal_append(json), journal_now() to {role};
grant select, insert, delete on sealing_keys to {role};
grant select, insert, update, delete on accounts to {role};
"""


def upgrade() -> None:
    """Make the journal of one schema, and let the processes' role use it."""
    for script in (JOURNAL, APPEND, ACCOUNTS, RIGHTS):
        carry_out(script)
