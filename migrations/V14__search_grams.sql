-- outside a transaction
-- Each line of a search key is framed by line ends, so that 2-grams tell where it starts and ends.
drop index concurrently if exists products_grams_idx;
create index concurrently products_grams_idx on products using gin (text_grams(E'\n' || search_key || E'\n'));
drop index concurrently if exists artisans_grams_idx;
create index concurrently artisans_grams_idx on artisans using gin (text_grams(E'\n' || search_key || E'\n'));
