-- Reads the tables, and keeps neither reads nor writes waiting.
alter table products
  validate constraint products_created_at_check,
  validate constraint products_updated_at_check;
alter table artisans
  validate constraint artisans_created_at_check,
  validate constraint artisans_updated_at_check;
