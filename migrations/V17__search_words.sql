-- Searches tolerate typos: what nearly matches a term is put together from the words that names have.
create extension if not exists fuzzystrmatch;

-- What the search keys of a resource are made of: their words and, in scripts that are written without spaces, every three
-- characters in a row. A part stays when the last row that has it goes.
create table search_words (
  resource text collate "C" not null,
  part text collate "C" not null,
  primary key (resource, part)
);

-- Without `fastupdate`, because a search must not read a list of pending entries as well.
create index search_words_part_idx on search_words using gin (part gin_trgm_ops) with (fastupdate = off);

-- A search for many texts would read the list of an index for each of them.
alter index products_search_key_idx set (fastupdate = off);
alter index artisans_search_key_idx set (fastupdate = off);

grant select on search_words to catalog_reader, catalog_writer;
grant insert on search_words to catalog_writer;

-- Characters of scripts that are written without spaces, as part of a bracket expression: Thai, Lao, Burmese, Khmer, kana
-- and Han. Such characters in a row are a run.
create function unspaced_characters() returns text
language sql immutable parallel safe
return '\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\U00020000-\U0003ffff';

-- Characters that divide words, likewise: spaces, punctuation and symbols. All others are letters or digits, whatever the
-- locale of the database takes them for.
create function dividing_characters() returns text
language sql immutable parallel safe
return '\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7'
  '\u060c\u061b\u061f\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3008-\u3040\ufe00-\ufe6f\uff00-\uff0f'
  '\U0001f000-\U0001faff\U000e0000-\U000e01ff';

-- The pieces of a folded text in their order, each with what divides it from the piece before: a word, in which hyphens and
-- apostrophes may join letters, or a run, which may have single spaces in it.
create function search_pieces(text text) returns table (place bigint, gap text, word text, run text)
language sql immutable parallel safe
begin atomic
  select m.place, m.piece[1], m.piece[2], m.piece[3]
  from regexp_matches(
    text,
    '([' || dividing_characters() || ']*)'
      '(?:([^' || dividing_characters() || unspaced_characters() || ']+'
      '(?:[-''][^' || dividing_characters() || unspaced_characters() || ']+)*)'
      '|([' || unspaced_characters() || ']+(?: [' || unspaced_characters() || ']+)*))',
    'g'
  ) with ordinality m (piece, place);
end;

-- What `search_words` has of a search key:
-- - of its first line, words of 2 to 64 characters that are not numbers, and the words that hyphens and apostrophes join to
--   one. Further lines have the same words in another order, or as one, which would be a person's whole name;
-- - of a run without its spaces, every three characters in a row;
-- - and each space of a run with the characters beside it.
create function search_parts(key text) returns setof text
language sql immutable parallel safe
begin atomic
  with words as (
    select word from search_pieces(split_part(key, E'\n', 1)) where word is not null
  ), runs as (
    select run from search_pieces(key) where run is not null
  )
  select part
  from (
    select word as part from words
    union all
    select joined from words, regexp_split_to_table(word, '[-'']') joined where word ~ '[-'']'
  ) parts
  where length(part) between 2 and 64 and part ~ '[^0-9]'
  union all
  select substr(replace(run, ' ', ''), start, 3)
  from runs, generate_series(1, length(replace(run, ' ', '')) - 2) start
  union all
  select substr(run, middle - 1, 3)
  from runs, generate_series(2, length(run) - 1) middle
  where substr(run, middle, 1) = ' ';
end;

-- Learns what is new in the search keys that a statement has written. For all rows of a statement together and in order, so
-- that no two writers wait for each other crosswise.
create function learn_search_words() returns trigger
language plpgsql
-- Planning for each write would take ten times as long as the work.
set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  keys text[];
begin
  if tg_op = 'INSERT' then
    keys := array(select w.search_key from written w);
  else
    keys := array(
      select w.search_key
      from written w join replaced r using (id)
      where w.search_key is distinct from r.search_key
    );
  end if;
  if keys <> '{}' then
    insert into search_words (resource, part)
    select distinct tg_argv[0], p.part
    from unnest(keys) key, search_parts(key) p (part)
    where (select true from search_words w where w.resource = tg_argv[0] and w.part = p.part) is null
    order by 2
    on conflict do nothing;
  end if;
  return null;
end
$$;

create trigger learn_search_words after insert on products
referencing new table as written
for each statement execute function learn_search_words('product');
create trigger learn_changed_search_words after update on products
referencing old table as replaced new table as written
for each statement execute function learn_search_words('product');
create trigger learn_search_words after insert on artisans
referencing new table as written
for each statement execute function learn_search_words('artisan');
create trigger learn_changed_search_words after update on artisans
referencing old table as replaced new table as written
for each statement execute function learn_search_words('artisan');

-- Learns the words of the rows that `source` has already, in batches, each in a transaction of its own. What was learnt
-- stays when it is interrupted, and learning it again changes nothing.
create procedure learn_present_search_words(resource text, source regclass)
language plpgsql as $$
declare
  searched constant text := resource;
  last uuid := '00000000-0000-0000-0000-000000000000';
  ids uuid[];
  keys text[];
begin
  loop
    execute format(
      'select array_agg(id order by id), array_agg(search_key)
      from (select id, search_key from %s where id > $1 order by id limit 2000) batch',
      source
    ) into ids, keys using last;
    exit when ids is null;
    insert into search_words (resource, part)
    select distinct searched, p.part
    from unnest(keys) key, search_parts(key) p (part)
    where (select true from search_words w where w.resource = searched and w.part = p.part) is null
    order by 2
    on conflict do nothing;
    last := ids[cardinality(ids)];
    commit;
  end loop;
end
$$;
