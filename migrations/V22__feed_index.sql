-- outside a transaction
-- The order of the feed, and the times for those who begin at one.
drop index concurrently if exists history_position_idx;
create index concurrently history_position_idx on history (position, resource, resource_id, version) include (at);
