-- Searches in the order of names, for terms that many names have.

-- The statement of a search has several ways to a page, of which it takes one. Their costs add up to more than is compiled
-- by default, which takes longer than any of them.
do $$
begin
  execute format('alter database %I set jit = off', current_database());
exception when insufficient_privilege then
  raise warning 'set jit = off for the database, or for the roles that search: compiling takes longer than searching';
end
$$;

-- A search key as `search_rank` reads it: each line begins with a line end and a space, and ends with a space and a line
-- end. So each rank of a term is a substring: E'\n term \n', E'\n term ', E'\n term', ' term ' and 'term'.
create function search_frame(key text) returns text
language sql immutable strict parallel safe
return E'\n ' || replace(key, E'\n', E' \n ') || E' \n';

-- The 1-grams, 2-grams and 3-grams of a text; spaces and line ends are no grams of their own.
create function search_grams(text) returns text[]
language plpgsql immutable strict parallel safe as $$
declare
  characters constant text[] := string_to_array($1, null);
  size constant integer := cardinality(characters);
  grams text[] := array_remove(array_remove(characters, E'\n'), ' ');
  singles constant integer := cardinality(grams);
begin
  for place in 1 .. size - 1 loop
    grams[singles + place] := characters[place] || characters[place + 1];
  end loop;
  for place in 1 .. size - 2 loop
    grams[singles + size - 1 + place] := characters[place] || characters[place + 1] || characters[place + 2];
  end loop;
  return grams;
end
$$;

-- Grams that a text has if it contains `term`, and hardly if it does not: every third and the last. With more of them, more
-- lists of an index are compared for the same rows.
create function term_grams(term text) returns text[]
language sql immutable strict parallel safe
return case
  when char_length(term) <= 3 then array[term]
  else array(
    select distinct substr(term, least(place, char_length(term) - 2), 3)
    from generate_series(1, char_length(term), 3) place
  )
end;

-- What the names begin with whose key has a gram, so that a search in the order of names passes over all others. Rows are
-- never removed: what no name begins with any more costs a look at an index.
create table products_leads (
  gram text collate "C",
  lead text collate "C",
  primary key (gram, lead)
);
grant select on products_leads to catalog_reader;
grant select, insert on products_leads to catalog_writer;

-- In order, so that writers of the same grams do not wait for each other crosswise.
create function note_leads_of_new_products() returns trigger
language plpgsql as $$
begin
  insert into products_leads (gram, lead)
  select distinct gram, left(name, 1)
  from new_products, unnest(search_grams(search_frame(search_key))) gram
  order by 1, 2
  on conflict do nothing;
  return null;
end
$$;

create function note_leads_of_changed_product() returns trigger
language plpgsql as $$
begin
  insert into products_leads (gram, lead)
  select distinct gram, left(new.name, 1)
  from unnest(search_grams(search_frame(new.search_key))) gram
  order by gram
  on conflict do nothing;
  return null;
end
$$;

create trigger note_leads_of_new after insert on products
referencing new table as new_products
for each statement execute function note_leads_of_new_products();
create trigger note_leads_of_changed after update of name, search_key on products
for each row when ((old.name, old.search_key) is distinct from (new.name, new.search_key))
execute function note_leads_of_changed_product();

-- Notes the leads of all rows, 1000 at a time.
create procedure note_leads_of_products()
language plpgsql as $$
declare
  last uuid := '00000000-0000-0000-0000-000000000000';
  ids uuid[];
begin
  loop
    ids := array(select id from products where id > last order by id limit 1000);
    exit when ids = '{}';
    insert into products_leads (gram, lead)
    select distinct gram, left(name, 1)
    from products, unnest(search_grams(search_frame(search_key))) gram
    where id = any (ids)
    order by 1, 2
    on conflict do nothing;
    last := ids[cardinality(ids)];
    commit;
  end loop;
end
$$;

-- The end of the names that begin with the character `lead`: a text after all of them, and before all others that follow.
create function lead_end(lead text) returns text
language sql immutable strict parallel safe
return case
  when lead = U&'\D7FF' then U&'\E000'
  when lead = U&'\+10FFFF' then repeat(lead, 1000)
  else chr(ascii(lead) + 1)
end;

-- The percentage of a table's pages to look at for how many rows a term has: pages of about 4,000 rows; none of a table that
-- is so small that every way is fast.
create function search_sample(resource regclass) returns double precision
language sql stable parallel safe as $$
  select case when reltuples < 30000 then 0 else 400000 / reltuples end from pg_class where oid = resource
$$;

-- The fastest way to `rows` rows in order, where in a sample of `search_sample` the term has `hits` rows, the filters let
-- `passing` rows pass, each of them by itself `entries` rows in all, and `wanted` rows have the term and pass:
--   term, filter, both   to sort all rows that these indexes find;
--   walk                 to walk through the rows in order, of which each takes `step` microseconds.
-- Without a filter `passing` and `entries` are null, and where no index is in the order, `step`. The other costs were
-- measured in memory: a row of the table takes 5 microseconds, an entry of an index 0.25.
create function search_way(
  hits bigint,
  wanted bigint,
  passing bigint,
  entries bigint,
  rows bigint,
  step double precision,
  resource regclass
) returns text
language plpgsql stable parallel safe as $$
declare
  share constant double precision := search_sample(resource) / 100;
  sampled constant double precision := share * (select reltuples from pg_class where oid = resource);
  term constant double precision := 0.25 * hits + 5 * hits;
  filter constant double precision := 0.25 * entries + 5 * passing;
  -- A few rows say little: as many are expected where term and filters are independent of each other.
  expected constant double precision := coalesce((wanted + hits * passing / nullif(sampled, 0)) / 2, wanted);
  both_indexes constant double precision := 0.25 * (hits + entries) + 5 * expected;
  -- As many rows as a page has occur among `rows / expected` times the sample; half a row where it has none.
  walk constant double precision := share * step * sampled * rows / greatest(expected, 0.5);
begin
  return case
    when share = 0 or term <= least(term, filter, both_indexes, walk) then 'term'
    when walk <= least(filter, both_indexes, walk) then 'walk'
    when filter <= both_indexes then 'filter'
    else 'both'
  end;
end
$$;
