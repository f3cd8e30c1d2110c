-- The version of the folding that produced a row's search key. A search matches keys of the current and of the previous
-- version; `migrate` recomputes the latter while the API serves.
alter table products add column search_version integer not null default 1;
alter table artisans add column search_version integer not null default 1;

-- A writer states the version of the key that it writes as a negative number, which this trigger makes positive. An update
-- that writes a key without a version comes from a release that only has version 1, and may replace a newer key.
create function say_search_version() returns trigger
language plpgsql as $$
begin
  if new.search_version < 0 then
    new.search_version := -new.search_version;
  elsif tg_op = 'UPDATE' then
    new.search_version := 1;
  end if;
  return new;
end
$$;

create trigger say_search_version before insert or update of search_key on products
for each row execute function say_search_version();
create trigger say_search_version before insert or update of given_key, family_key on artisans
for each row execute function say_search_version();

-- The planner chooses between an index walk and a bitmap by the estimated number of matches: sample five times as many
-- keys as by default.
alter table products alter column search_key set statistics 500;
alter table artisans alter column search_key set statistics 500;

-- The 1-grams and 2-grams of a text; line ends occur in 2-grams only.
create function text_grams(text) returns text[]
language plpgsql immutable strict parallel safe as $$
declare
  characters constant text[] := string_to_array($1, null);
  grams text[] := array_remove(characters, E'\n');
  singles constant integer := cardinality(grams);
begin
  for place in 1 .. cardinality(characters) - 1 loop
    grams[singles + place] := characters[place] || characters[place + 1];
  end loop;
  return grams;
end
$$;

-- The rank of a key that contains a term: 0 if it equals the term, 1 if it starts with the term as whole words, 2 if it
-- starts with the term, 3 if it contains the term as whole words, 4 otherwise. Words are separated by spaces.
--
-- Not strict: the planner would not inline it.
create function search_rank(key text, term text) returns integer
language sql immutable parallel safe
return case
  when starts_with(key, term) or strpos(key, E'\n' || term) > 0 then case
    when strpos(E'\n' || key || E'\n', E'\n' || term || E'\n') > 0 then 0
    when strpos(E'\n' || key, E'\n' || term || ' ') > 0 then 1
    else 2
  end
  -- Cheapest test first: most matches of a common term fail it.
  when strpos(key, ' ' || term) > 0 and strpos(translate(key, E'\n', ' ') || ' ', ' ' || term || ' ') > 0 then 3
  else 4
end;
