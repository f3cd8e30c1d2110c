-- Locks the row, changes it if the preconditions hold and the patch changes anything, and returns it as it is then.
with current as (
  select id, artisan_id, name, search_key, description, price, currency, version, created_at, updated_at,
    -- Our own first attempt, whose success nobody heard of, is no reason to refuse the second.
    coalesce(changed_by_request = $13, false) as is_done,
    preconditions_hold(version, updated_at, $10, $11, $12) as holds
  from products
  where id = $1
  for update
), patch as (
  select
    id,
    case when $2 then $3 else artisan_id end as artisan_id,
    coalesce($4, name) as name,
    coalesce($5, search_key) as search_key,
    coalesce($6, description) as description,
    coalesce($7, price) as price,
    coalesce($8, currency) as currency
  from current
), changed as (
  update products
  set
    artisan_id = patch.artisan_id,
    name = patch.name,
    search_key = patch.search_key,
    description = patch.description,
    price = patch.price,
    currency = patch.currency,
    version = next_version('product', products.id, products.version),
    updated_at = greatest($9, products.updated_at),
    changed_by_request = $13
  from patch, current
  where products.id = patch.id
    and products.id = current.id
    and current.holds
    and not current.is_done
    -- Compared with the locked row: the statement's own view of the table may be older.
    and (current.artisan_id, current.name, current.description, current.price, current.currency)
      is distinct from (patch.artisan_id, patch.name, patch.description, patch.price, patch.currency)
  returning
    products.id, products.artisan_id, products.name, products.description, products.price, products.currency,
    products.version, products.created_at, products.updated_at
), recorded as (
  insert into history (resource, resource_id, version, operation, principal, request_id, reason)
  select 'product', id, version, $14, $15, $16, $17
  from changed
)
select id, artisan_id, name, description, price, currency, version, created_at, updated_at, true as holds
from changed
union all
select id, artisan_id, name, description, price, currency, version, created_at, updated_at, holds or is_done
from current
where not exists (select from changed)
