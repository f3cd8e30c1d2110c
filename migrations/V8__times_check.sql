-- Times that RFC 3339 and HTTP can write, wherever in the world they are read, which leaves out infinity. Not checked for
-- the rows that are there: the next files repair and check those, without a lock that would keep requests waiting.
alter table products
  add constraint products_created_at_check
    check (created_at between '0001-01-01 00:00:00+00' and '9999-12-30 00:00:00+00') not valid,
  add constraint products_updated_at_check
    check (updated_at between '0001-01-01 00:00:00+00' and '9999-12-30 00:00:00+00') not valid;
alter table artisans
  add constraint artisans_created_at_check
    check (created_at between '0001-01-01 00:00:00+00' and '9999-12-30 00:00:00+00') not valid,
  add constraint artisans_updated_at_check
    check (updated_at between '0001-01-01 00:00:00+00' and '9999-12-30 00:00:00+00') not valid;
