-- The order in which all changes of all resources can be followed without missing one.
--
-- Neither a sequence nor a clock gives such an order: whoever takes the lower number may commit last, when a reader is past
-- it. The position of a change is the id of its transaction, and readers stop before the oldest transaction that is still
-- running: what is before it has been committed or rolled back.

-- Added to ids of transactions. A database that is restored from a dump starts with low ids again; then `migrate` raises it,
-- so that new changes come after those that were restored.
create function feed_offset() returns bigint
language sql immutable parallel safe
return 0;

-- The position of this transaction.
create function feed_position() returns bigint
language sql stable parallel unsafe
return pg_current_xact_id()::text::bigint + feed_offset();

-- The position before which nothing will be added.
create function feed_horizon() returns bigint
language sql stable parallel safe
return pg_snapshot_xmin(pg_current_snapshot())::text::bigint + feed_offset();

-- Changes of earlier releases come first. The constant keeps the table from being rewritten.
alter table history add column position bigint not null default 0;

-- A transaction may have an id before it gets the lock on its row, and wait for one with a higher id: so the position is at
-- least that of the version before, and equal ones are in the order of versions. That version may be newer than the
-- statement's snapshot, but not than that of a trigger. It was committed, so the position is never behind the horizon.
create function place_in_feed() returns trigger
language plpgsql as $$
begin
  new.position := greatest(
    feed_position(),
    (
      select h.position
      from history h
      where h.resource = new.resource and h.resource_id = new.resource_id
      order by h.version desc
      limit 1
    )
  );
  return new;
end
$$;

create trigger history_place_in_feed before insert on history
for each row execute function place_in_feed();
