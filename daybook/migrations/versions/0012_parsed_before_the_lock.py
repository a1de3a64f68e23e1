"""A batch is parsed, and what is hashed of it written out, before the head is locked: batches wait for less.

Revision ID: 0012
"""

from daybook.migrations.scripts import carry_out

revision = "0012"
down_revision = "0011"

# One fact to be, with its command's columns; `hashed` is what needs no place in the journal of what its hash covers.
ENTRY = """
create type journal_entry as (
  id uuid, journal uuid, after bigint, reads text[], items json, actor text, correlation_id text, causation_id uuid,
  digest text, seq bigint, type text, version int, tags text[], payload text, hashed text
);
"""

# What is asked and answered has not changed: see 0001.
APPEND = """
create or replace function journal_append(batch json) returns bigint[]
language plpgsql security definer set search_path = "{schema}", pg_temp as $fn$
declare
  this uuid; head bigint; first bigint; previous bytea; at timestamptz; at_us bigint; outcome bigint;
  outcomes bigint[] := '{{}}'; ids uuid[] := '{{}}'; firsts bigint[] := '{{}}'; written text[] := '{{}}';
  entries journal_entry[]; facts events[] := '{{}}'; e record;
begin
  select array_agg(row(
    c.id, c.journal, c.after, c.tags, c.items, c.actor, c.correlation_id, c.causation_id, c.digest,
    f.nth - 1, f.type, f.version, f.tags, f.payload,
    concat(
      c.id, ' ', f.nth - 1, ' ', coalesce(c.causation_id::text, '-'), ' ', coalesce(c.digest, '-'), ' ',
      cardinality(f.tags), ' ', octet_length(f.type), ':', f.type, ' ', octet_length(c.actor), ':', c.actor, ' ',
      octet_length(c.correlation_id), ':', c.correlation_id,
      (select string_agg(concat(' ', octet_length(x), ':', x), '') from unnest(f.tags) x), ' ',
      octet_length(f.payload), ':', f.payload)
    )::journal_entry order by c.nth, f.nth)
  into entries
  from rows from (json_to_recordset(batch) as (
      id uuid, journal uuid, after bigint, tags text[], items json, actor text, correlation_id text, causation_id uuid,
      digest text, events json))
    with ordinality c (
      id, journal, after, tags, items, actor, correlation_id, causation_id, digest, events, nth),
  rows from (json_to_recordset(c.events) as (type text, version int, tags text[], payload text))
    with ordinality f (type, version, tags, payload, nth);

  select journal_id, position, hash, recorded_at into this, head, previous, at from journal_head for update;
  first := head;
  at := greatest(journal_now(), at);
  at_us := extract(epoch from at) * 1000000;
  for e in
    select b.*,
      (select f.position from events f where f.command_id = b.id and f.command_seq = 0) as original,
      (b.journal is not null and (b.journal <> this or b.after > head))
      or (b.after < head and exists (select from event_tags t where t.tag = any(b.reads) and t.position > b.after))
      as moved
    from unnest(entries) b
  loop
    if e.seq = 0 then
      if e.items is not null then
        e.moved := e.moved or exists (
          select from events f, json_to_recordset(e.items) as i (types text[], tags text[])
          where f.position > e.after and (i.types = '{{}}' or f.type = any(i.types)) and f.tags @> i.tags);
      end if;
      outcome := case
        when e.original is not null then -e.original
        when e.id = any(ids) then -firsts[array_position(ids, e.id)]
        when e.moved or e.reads && written then 0
        else head + 1 end;
      outcomes := outcomes || outcome;
      if outcome > 0 then
        ids := ids || e.id;
        firsts := firsts || outcome;
      end if;
    end if;
    if outcome > 0 then
      head := head + 1;
      previous := sha256(
        previous || convert_to(concat('1 ', head, ' ', e.version, ' ', at_us, ' ', e.hashed), 'UTF8'));
      facts := facts || row(
        head, e.type, e.version, e.payload, e.tags, at, e.actor, e.correlation_id, e.causation_id, e.id, e.seq,
        decode(e.digest, 'hex'), 1, previous)::events;
      written := written || e.tags;
    end if;
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


def upgrade() -> None:
    """Let the function parse first."""
    for script in (ENTRY, APPEND):
        carry_out(script)
