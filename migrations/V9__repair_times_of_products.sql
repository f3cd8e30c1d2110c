-- in batches
-- Nobody knows what a time should have been that cannot be one: it becomes the time of the repair.
update products
set
  created_at = case
    when created_at between '0001-01-01 00:00:00+00' and '9999-12-30 00:00:00+00' then created_at
    else now()
  end,
  updated_at = case
    when updated_at between '0001-01-01 00:00:00+00' and '9999-12-30 00:00:00+00' then updated_at
    else now()
  end
where id in (
  select id
  from products
  where created_at not between '0001-01-01 00:00:00+00' and '9999-12-30 00:00:00+00'
    or updated_at not between '0001-01-01 00:00:00+00' and '9999-12-30 00:00:00+00'
  limit 1000
);
