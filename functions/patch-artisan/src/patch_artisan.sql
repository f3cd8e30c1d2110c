-- Locks the row, changes it if the preconditions hold and the patch changes anything, and returns it as it is then.
with current as (
  select id, given_name, given_key, family_name, family_key, biography, version, created_at, updated_at,
    -- Our own first attempt, whose success nobody heard of, is no reason to refuse the second.
    coalesce(changed_by_request = $11, false) as is_done,
    preconditions_hold(version, updated_at, $8, $9, $10) as holds
  from artisans
  where id = $1
  for update
), patch as (
  select
    id,
    coalesce($2, given_name) as given_name,
    coalesce($3, given_key) as given_key,
    coalesce($4, family_name) as family_name,
    coalesce($5, family_key) as family_key,
    coalesce($6, biography) as biography
  from current
), changed as (
  update artisans
  set
    given_name = patch.given_name,
    given_key = patch.given_key,
    family_name = patch.family_name,
    family_key = patch.family_key,
    biography = patch.biography,
    version = next_version('artisan', artisans.id, artisans.version),
    updated_at = greatest($7, artisans.updated_at),
    changed_by_request = $11
  from patch, current
  where artisans.id = patch.id
    and artisans.id = current.id
    and current.holds
    and not current.is_done
    -- Compared with the locked row: the statement's own view of the table may be older.
    and (current.given_name, current.family_name, current.biography)
      is distinct from (patch.given_name, patch.family_name, patch.biography)
  returning
    artisans.id, artisans.given_name, artisans.family_name, artisans.biography, artisans.version,
    artisans.created_at, artisans.updated_at
), recorded as (
  insert into history (resource, resource_id, version, operation, principal, request_id, reason)
  select 'artisan', id, version, $12, $13, $14, $15
  from changed
)
select id, given_name, family_name, biography, version, created_at, updated_at, true as holds
from changed
union all
select id, given_name, family_name, biography, version, created_at, updated_at, holds or is_done
from current
where not exists (select from changed)
