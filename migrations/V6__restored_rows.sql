-- The version that a change or a deletion of a row makes: one more than the row's, and than any that its history tells
-- of. The two differ for a row that was deleted and put back from a backup: its history goes on after the deletion, and
-- no version, and so no entity tag, stands for two states.
create function next_version(changed_resource text, changed_id uuid, current_version bigint) returns bigint
language sql stable
return greatest(
  current_version,
  (select max(h.version) from history h where h.resource = changed_resource and h.resource_id = changed_id)
) + 1;
