-- A search key says by which version of the folding it was made: the service finds rows of either of two, and makes keys
-- again that the one before has made, while it serves.
alter table products add column search_version integer not null default 1;
alter table artisans add column search_version integer not null default 1;

-- Who writes a key says by minus the version how it was made. What says nothing is a release that knows version 1 alone,
-- and that can change a row which another has made again.
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

-- How many rows a term finds decides how they are found: the sample of keys from which that is estimated is five times
-- the usual one.
alter table products alter column search_key set statistics 500;
alter table artisans alter column search_key set statistics 500;

-- The grams of one and of two characters of a text; a line's end is a character of the latter alone.
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

-- How well a key that contains a term matches it, best first: it is the term; it begins with it, as whole words; it begins
-- with it; it has it as whole words; it has it. Words are what spaces divide.
create function search_rank(key text, term text) returns integer
language sql immutable strict parallel safe
return case
  when starts_with(key, term) or strpos(key, E'\n' || term) > 0 then case
    when strpos(E'\n' || key || E'\n', E'\n' || term || E'\n') > 0 then 0
    when strpos(E'\n' || key, E'\n' || term || ' ') > 0 then 1
    else 2
  end
  -- Most rows are none of these, and the first question costs little.
  when strpos(key, ' ' || term) > 0 and strpos(translate(key, E'\n', ' ') || ' ', ' ' || term || ' ') > 0 then 3
  else 4
end;
