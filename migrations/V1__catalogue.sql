-- The catalogue: artisans and their products, and the two roles that operations connect as.

-- Trigrams of Japanese exist only where the database's character classification knows Unicode.
do $$
begin
  if current_setting('server_encoding') <> 'UTF8'
    or (select datctype in ('C', 'POSIX') from pg_database where datname = current_database())
  then
    raise exception 'the database must have encoding UTF8 and a UTF-8 character classification (LC_CTYPE), not %',
      (select datctype from pg_database where datname = current_database());
  end if;
end
$$;

create extension if not exists pg_trgm;

create table artisans (
  id uuid primary key,
  given_name text collate "C" not null,
  family_name text collate "C" not null,
  -- The names as they are searched: folded by the service, which folds the search term in the same way.
  given_key text collate "C" not null,
  family_key text collate "C" not null,
  -- The whole name in each of the ways that people write it, a line each.
  search_key text collate "C" not null generated always as (
    family_key || ' ' || given_key || E'\n' || given_key || ' ' || family_key || E'\n' || family_key || given_key
  ) stored,
  biography text not null default '',
  version bigint not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null
);

create table products (
  id uuid primary key,
  artisan_id uuid constraint products_artisan_id_fkey references artisans (id),
  name text collate "C" not null,
  -- The name as it is searched: folded by the service, which folds the search term in the same way.
  search_key text collate "C" not null,
  description text not null default '',
  price bigint not null constraint products_price_check check (price >= 0),
  currency text not null,
  version bigint not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null
);

-- One index for each sort and filter; each carries the id, which decides between equals.
create index artisans_created_at_idx on artisans (created_at, id);
create index artisans_name_idx on artisans (family_name, given_name, id);
create index artisans_search_key_idx on artisans using gin (search_key gin_trgm_ops);
create index products_created_at_idx on products (created_at, id);
create index products_name_idx on products (name, id);
create index products_price_idx on products (price, id);
create index products_artisan_id_idx on products (artisan_id, created_at, id);
create index products_currency_idx on products (currency, created_at, id);
create index products_search_key_idx on products using gin (search_key gin_trgm_ops);

-- Roles belong to the server and not to the database: another database's migration may have made them.
do $$
declare
  role_name text;
begin
  foreach role_name in array array['catalog_reader', 'catalog_writer'] loop
    begin
      execute format('create role %I nologin', role_name);
    exception when duplicate_object or unique_violation then
      null;
    end;
  end loop;
end
$$;

grant select on artisans, products to catalog_reader;
grant select, insert, update, delete on artisans, products to catalog_writer;
