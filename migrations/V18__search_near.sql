-- What a term may have been meant to be: `search_near` puts together, from the words of `search_words`, the texts that
-- differ from it by few edits. An edit is a character more, less or other, or two neighbours swapped.

-- A word with each two neighbours swapped.
create function with_swaps(word text) returns text[]
language sql immutable parallel safe
return array(
  select overlay(word placing substr(word, place + 1, 1) || substr(word, place, 1) from place for 2)
  from generate_series(1, length(word) - 1) place
  where substr(word, place + 1, 1) <> substr(word, place, 1)
);

-- The words of a resource that are `most` edits from `word`, or fewer: 1 or 2.
--
-- Of `most` + 1 pieces of a word, one is as it was, wherever the edits are: an index finds the words that have it.
create function near_words(resource text, word text, most integer) returns table (near text, edits integer)
language plpgsql stable parallel safe rows 10
-- Of a plan for each word, planning would take longer than all else.
set jit = off set max_parallel_workers_per_gather = 0 set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  searched constant text := resource;
  size constant integer := length(word);
  swapped constant text[] := with_swaps(word);
  -- The last piece is long enough for a trigram, which it has with the word's end.
  head constant text := left(word, case when most = 2 then size / 3 else least((size + 1) / 2, size - 2) end);
  rest constant text := substr(word, length(head) + 1);
  half constant integer := (length(rest) + 1) / 2;
  -- Words have neither `%` nor `_` nor `\`.
  pieces constant text[] := case
    when most = 2 then array['%' || left(rest, half) || '%', '%' || substr(rest, half + 1)]
    when size = 3 then array['%' || rest, head || '%' || right(word, 1)]
    else array['%' || rest]
  end;
begin
  return query
  select part, case when levenshtein(word, part) = 1 or part = any (swapped) then 1 else 2 end
  from (
    select part from search_words where resource = searched and part >= head and part < head || U&'\+10FFFF'
    union
    select part from search_words where resource = searched and part like any (pieces)
    union
    -- A swap may be of characters of two pieces.
    select part from search_words where resource = searched and part = any (swapped)
  ) candidates
  where length(part) between size - most and size + most
    and part <> word
    and case
      when levenshtein_less_equal(word, part, 2 * most) <= most then true
      when part = any (swapped) then true
      when most = 1 or levenshtein_less_equal(word, part, 4) > 4 then false
      else exists (
        select from unnest(swapped) once
        where levenshtein_less_equal(once, part, 1) <= 1 or part = any (with_swaps(once))
      ) or exists (
        select from unnest(with_swaps(part)) once
        where levenshtein_less_equal(word, once, 1) <= 1
      )
    end;
end
$$;

-- What names of a resource may have in place of `run`, a run without spaces of four or more characters: the run itself, with
-- spaces as they are in names, and what differs from it by one edit. A character that is other or missing at one of its ends
-- is just left out; but not if names may have the run itself.
--
-- Three characters in a row that names have, and the next three that share two of them, and so on: nearly always a name has
-- all of them. Where none has, no row is found.
create function near_runs(resource text, run text) returns table (near text, edits integer)
language plpgsql stable parallel safe rows 10
-- The recursion is estimated at millions of rows, for which it would be compiled.
set jit = off set max_parallel_workers_per_gather = 0 set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  searched constant text := resource;
  c constant text[] := string_to_array(run, null);
  size constant integer := length(run);
begin
  return query
  with recursive walk (built, place, edits) as (
    -- `built` is what the first `place` characters of the run have become.
    select c[1] || c[2], 2, 0
    union all
    select unnest(array[c[2] || c[3], c[2] || c[1], c[1] || c[3], c[1] || c[3] || c[2]]), unnest(array[3, 2, 3, 3]), 1
    union all
    select part, taken, 1
    from search_words, generate_series(2, 3) taken
    where resource = searched and part > c[1] and part < c[1] || U&'\+10FFFF' and length(part) = 3
      and right(part, 1) = c[taken] and substr(part, 2, 1) not in (' ', c[2])
    union
    select walk.built || step.added, walk.place + step.taken, walk.edits + step.edits
    from walk, lateral (
      -- The next character as it is; scalar queries are looked up in the index, where EXISTS may read the whole table.
      select c[place + 1], 1, 0
      where place < size
        and (select true from search_words where resource = searched and part = right(built, 2) || c[place + 1])
      union all
      -- Without it.
      select '', 1, 1
      where walk.edits = 0 and place + 1 < size
      union all
      -- After the one behind it.
      select c[place + 2] || c[place + 1], 2, 1
      where walk.edits = 0 and place + 1 < size
        and (select true from search_words where resource = searched and part = right(built, 2) || c[place + 2])
        and (select true from search_words
          where resource = searched and part = right(built, 1) || c[place + 2] || c[place + 1])
      union all
      -- Another one before it or in its place.
      select right(part, 1) || c[place + takes + 1], takes + 1, 1
      from search_words, generate_series(0, 1) takes
      where walk.edits = 0 and place + takes < size
        and resource = searched and part > right(built, 2) and part < right(built, 2) || U&'\+10FFFF'
        and substr(part, 2, 1) <> ' ' and right(part, 1) <> c[place + 1]
        and (select true from search_words n
          where n.resource = searched and n.part = right(built, 1) || right(search_words.part, 1) || c[place + takes + 1])
    ) step (added, taken, edits)
  ), found as (
    select built, min(walk.edits + size - walk.place) as edits
    from (select * from walk limit 1000) walk
    where walk.edits + size - walk.place <= 1 and length(built) >= 3
    group by built
  ), kept as (
    select built, edits
    from found f
    where f.edits = 0 or strpos(run, f.built) = 0 or not exists (select from found where edits = 0)
  ), spaced (text, edits, built, place) as (
    select left(built, 1), edits, built, 1
    from kept k
    -- What has another one in it is found with that.
    where not exists (
      select from kept o
      where o.edits <= k.edits and o.built <> k.built and strpos(k.built, o.built) > 0
    )
    union all
    select text || gap || substr(built, place + 1, 1), edits, built, place + 1
    from spaced, unnest(array['', ' ']) gap
    where place < length(built)
      and (gap = '' or (select true from search_words
        where resource = searched and part = substr(built, place, 1) || ' ' || substr(built, place + 1, 1)))
  )
  select text, edits
  from (select * from spaced where place = length(built) limit 1000) s
  order by edits, length(text) - length(built), text
  limit 100;
end
$$;

-- What names of a resource may have where a client has sent `term`, a folded text: `texts`, one of which a row must contain,
-- fewest edits first, at most 30; the same as LIKE `patterns`; and an expression for which those are whole `words` wherever
-- they begin or end with one. No row if nothing is near; a null term, which costs nothing, has nothing near.
create function search_near(resource text, term text)
returns table (texts text[], patterns text[], words text)
language plpgsql stable strict parallel safe rows 1
set jit = off set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  searched constant text := resource;
  most constant integer := case when length(term) < 4 then 0 when length(term) < 8 then 1 else 2 end;
  pieces constant text[] := array(select coalesce(word, run) from search_pieces(term) order by place);
  gaps constant text[] := array(select gap from search_pieces(term) order by place);
  is_run constant boolean[] := array(select run is not null from search_pieces(term) order by place);
  size constant integer := cardinality(pieces);
  -- Words that may have a typo in them, and those that no name has.
  is_word boolean[] := array(
    select word is not null and length(word) between 3 and 64 and word ~ '[^0-9]'
    from search_pieces(term) order by place
  );
  is_unknown boolean[];
  piece text;
  gap text;
  built text[] := '{""}';
  costs integer[] := '{0}';
begin
  if most = 0 or size = 0 or size > 8 then
    return;
  end if;
  is_unknown := array(
    select is_word[n] and (select true from search_words where resource = searched and part = pieces[n]) is null
    from generate_series(1, size) n
  );
  if true = any (is_unknown) then
    -- The words that names have are what they should be.
    is_word := is_unknown;
  else
    -- To look for each text of many common words takes long, and such a term is seldom misspelt.
    is_word := array(
      select is_word[n] and length(pieces[n]) > 3 and size <= 4 from generate_series(1, size) n
    );
  end if;

  for n in 1 .. size loop
    piece := pieces[n];
    gap := case when n > 1 then gaps[n] else '' end;
    -- Fewest edits first, then fewest spaces: what is beyond the limits is least likely.
    select array_agg(text order by cost, spaces, text), array_agg(cost order by cost, spaces, text)
    into built, costs
    from (
      select b || g || near as text, c + edits as cost,
        length(b || near) - length(replace(b || near, ' ', '')) as spaces
      from unnest(built, costs) s (b, c),
        -- Where the script changes, there may be a space or none.
        unnest(case when n > 1 and gap in ('', ' ') and is_run[n] <> is_run[n - 1] then array['', ' '] else array[gap] end) g,
        (
          select piece, 0
          where coalesce(not is_unknown[n], true) and not (is_run[n] and length(replace(piece, ' ', '')) >= 4)
          union all
          select near, edits from near_words(searched, piece, 1) where is_word[n]
          union all
          select near, edits
          from near_words(searched, piece, 2)
          where is_word[n] and most = 2 and length(piece) >= 8
            and not exists (select from near_words(searched, piece, 1))
          union all
          -- Two words that a space should divide, or does in place of a hyphen.
          select left(piece, cut) || ' ' || substr(piece, cut + 1 + hyphen), 1
          from generate_series(2, length(piece) - 2) cut, generate_series(0, 1) hyphen
          where is_word[n] and length(piece) >= 4
            and (hyphen = 0 or substr(piece, cut + 1, 1) = '-')
            and (select true from search_words where resource = searched and part = left(piece, cut))
            and (select true from search_words where resource = searched and part = substr(piece, cut + 1 + hyphen))
          union all
          select near, edits
          from near_runs(searched, replace(piece, ' ', ''))
          where is_run[n] and length(replace(piece, ' ', '')) >= 4
        ) near (near, edits)
      where c + edits <= most
      order by cost, spaces, text
      limit 100
    ) next;
    exit when built is null;
  end loop;

  -- Words that are one, or that a hyphen joins.
  built := built || array(
    select (
      select string_agg(case when m = 1 then '' when m = n + 1 then joint else gaps[m] end || pieces[m], '' order by m)
      from generate_series(1, size) m
    )
    from generate_series(1, size - 1) n, unnest(array['', '-']) joint
    where gaps[n + 1] = ' ' and not is_run[n] and not is_run[n + 1]
      and (select true from search_words where resource = searched and part = pieces[n] || joint || pieces[n + 1])
  );
  texts := array(
    select text
    from unnest(built) with ordinality u (text, place)
    group by text
    having strpos(text, term) = 0
    order by min(place)
    limit 30
  );
  if texts = '{}' then
    return;
  end if;
  patterns := array(select '%' || regexp_replace(text, '([%_\\])', '\\\1', 'g') || '%' from unnest(texts) text);
  words := '(?:' || array_to_string(array(
    -- What is neither a letter nor a digit is escaped.
    select regexp_replace(text, '([\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e])', '\\\1', 'g')
    from unnest(texts) text
  ), '|') || ')';
  if not is_run[1] then
    words := '(?:^|[' || dividing_characters() || unspaced_characters() || '])' || words;
  end if;
  if not is_run[size] then
    words := words || '(?:$|[' || dividing_characters() || unspaced_characters() || '])';
  end if;
  if is_run[1] and is_run[size] then
    words := null;
  end if;
  return next;
end
$$;
