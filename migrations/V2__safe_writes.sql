-- What makes writes safe to repeat and to race: preconditions and idempotency keys.

-- The request that changed a row last. One that is sent again, because nobody knows whether it was carried out,
-- recognises its own work by it.
alter table products add column changed_by_request uuid;
alter table artisans add column changed_by_request uuid;

-- Whether a row fulfils the preconditions of a write (RFC 9110, section 13.1), each of which may be null:
-- its version is one of `versions` (If-Match), it has not changed after `unmodified_since`, which counts in seconds
-- (If-Unmodified-Since), and its version is none of `other_versions` (If-None-Match).
create function preconditions_hold(
  version bigint,
  updated_at timestamptz,
  versions bigint[],
  unmodified_since timestamptz,
  other_versions bigint[]
) returns boolean
language sql stable
return
  (versions is null or version = any (versions))
  and (unmodified_since is null or date_trunc('second', updated_at) <= unmodified_since)
  and (other_versions is null or version <> all (other_versions));

-- The first answer to each key, for as long as the key is remembered.
create table idempotency_keys (
  caller text collate "C" not null,
  key text collate "C" not null,
  fingerprint bytea not null,
  answer text not null,
  expires_at timestamptz not null,
  constraint idempotency_keys_pkey primary key (caller, key)
);

create index idempotency_keys_expires_at_idx on idempotency_keys (expires_at);

-- Claims a key for the answer that the calling statement is about to make true.
--
-- Returns no row while another transaction holds the key; `is_new` for a key that nobody has used, or no key at all;
-- else the fingerprint and the answer of the request that has used it. Whoever claims a key takes a few expired ones
-- away, so that the table stays small without a job of its own.
create function claim_idempotency_key(
  claimed_caller text,
  claimed_key text,
  new_fingerprint bytea,
  new_answer text,
  seconds_to_live bigint
) returns table (is_new boolean, fingerprint bytea, answer text)
language plpgsql
as $$
begin
  if claimed_key is null then
    return query select true, null::bytea, null::text;
    return;
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended(claimed_caller || E'\n' || claimed_key, 0)) then
    return;
  end if;

  return query
    select false, k.fingerprint, k.answer
    from idempotency_keys k
    where k.caller = claimed_caller and k.key = claimed_key and k.expires_at > clock_timestamp();
  if found then
    return;
  end if;

  delete from idempotency_keys k
  where k.caller = claimed_caller and k.key = claimed_key;
  delete from idempotency_keys k
  where k.ctid in (
    select e.ctid from idempotency_keys e where e.expires_at <= clock_timestamp() limit 10 for update skip locked
  );
  insert into idempotency_keys (caller, key, fingerprint, answer, expires_at)
  values (
    claimed_caller, claimed_key, new_fingerprint, new_answer,
    clock_timestamp() + make_interval(secs => seconds_to_live)
  );
  return query select true, null::bytea, null::text;
end
$$;

grant select, insert, update, delete on idempotency_keys to catalog_writer;
