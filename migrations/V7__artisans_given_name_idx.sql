-- outside a transaction
drop index concurrently if exists artisans_given_name_idx;
create index concurrently artisans_given_name_idx on artisans (given_name, created_at, id);
