-- outside a transaction
-- The leads of rows that were written before the trigger.
call note_leads_of_products();

-- Grams with line ends and words' ends: they tell where a term occurs. Without `fastupdate`, because a search must not read
-- a list of pending entries as well.
drop index concurrently if exists products_search_grams_idx;
create index concurrently products_search_grams_idx on products using gin (search_grams(search_frame(search_key)))
  with (fastupdate = off);
drop index concurrently if exists artisans_search_grams_idx;
create index concurrently artisans_search_grams_idx on artisans using gin (search_grams(search_frame(search_key)))
  with (fastupdate = off);

-- Of how many rows the most common 5,000 grams are those of, and not the most common 1,000 only.
alter index products_search_grams_idx alter column 1 set statistics 500;
alter index artisans_search_grams_idx alter column 1 set statistics 500;

-- The order of names, with all that a search reads of a row before it is found.
drop index concurrently if exists products_name_search_idx;
create index concurrently products_name_search_idx on products (name, id)
include (search_key, search_version, artisan_id, price, currency);

-- What these replace. A release that still looks for `text_grams` reads all keys for terms of one and two characters, as all
-- releases did before version 14.
drop index concurrently if exists products_name_idx;
drop index concurrently if exists products_grams_idx;
drop index concurrently if exists artisans_grams_idx;

-- How common each gram is, which plans depend on.
analyze products;
analyze artisans;
