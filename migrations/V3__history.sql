-- Who changed what, when and why: a row for each write, made by the very statement that writes.

create table history (
  resource text collate "C" not null
    constraint history_resource_check check (resource in ('product', 'artisan')),
  -- No foreign key: a history outlives what it tells of.
  resource_id uuid not null,
  -- The version that the write made; a deletion counts as one more.
  version bigint not null,
  operation text collate "C" not null,
  principal text collate "C",
  -- By the database's clock, once the row that is written to is locked: no two writers disagree about the order.
  at timestamptz not null default clock_timestamp(),
  request_id text collate "C" not null,
  reason text collate "C",
  -- Ids are never used again, so nothing is told twice. It is the index of the list as well.
  constraint history_pkey primary key (resource, resource_id, version)
);

grant select on history to catalog_reader;
-- Writers add rows, at no time but now; nobody but the owner changes or removes one.
grant insert (resource, resource_id, version, operation, principal, request_id, reason) on history to catalog_writer;
