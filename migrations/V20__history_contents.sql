-- What each write changed, and what takes it back, so that every version can be read.
--
-- Both are merge patches (RFC 7396) between representations as clients read them, with version and times. A creation has
-- no `inverse` and a deletion no `changes`: the other one is the whole representation. Rows of releases that kept no
-- contents have neither.
alter table history
  add column changes jsonb,
  add column inverse jsonb;

grant insert (changes, inverse) on history to catalog_writer;

-- A time as clients read it: RFC 3339 in UTC, to the microsecond, within the years 1 to 9999.
create function answered_time(stored timestamptz) returns text
language sql immutable parallel safe
return to_jsonb(
  least(greatest(stored, '0001-01-01T00:00:00Z'), '9999-12-30T22:00:00Z') at time zone 'UTC'
) #>> '{}' || 'Z';

-- The merge patch that makes `after` of `before`, two representations with the same members.
create function merge_patch(before jsonb, after jsonb) returns jsonb
language sql immutable parallel safe
return (
  select jsonb_object_agg(member.name, member.value)
  from jsonb_each(after) member (name, value)
  where before -> member.name is distinct from member.value
);

-- For the owner, who must be able to keep a promise to a person: takes the contents of all versions of a resource out of
-- its history. Who wrote when and why stays. Returns how many versions had contents.
create function forget_contents(forgotten_resource text, forgotten_id uuid) returns bigint
language sql
begin atomic
  with forgotten as (
    update history
    set changes = null, inverse = null
    where resource = forgotten_resource and resource_id = forgotten_id
      and (changes is not null or inverse is not null)
    returning 1
  )
  select count(*) from forgotten;
end;

revoke execute on function forget_contents from public;
