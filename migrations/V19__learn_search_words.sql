-- outside a transaction
-- The rows that were there before the triggers were.
call learn_present_search_words('product', 'products');
call learn_present_search_words('artisan', 'artisans');
analyze search_words;
-- What was pending when `fastupdate` was turned off.
select gin_clean_pending_list('products_search_key_idx');
select gin_clean_pending_list('artisans_search_key_idx');
