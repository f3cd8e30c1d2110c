-- A key remembers the id and the time of what was created, and no longer the answer: the request that repeats it has
-- the rest. So nothing about a person is kept, whether the resource still exists or not.
alter table idempotency_keys
  alter column answer drop not null,
  add column created_id uuid,
  add column created_at timestamptz;

-- Claims a key for what the calling statement is about to create.
--
-- Returns no row while another transaction holds the key; `is_new` for a key that nobody has used, or no key at all;
-- else the fingerprint of the request that has used it, and the id and the time of what that created.
--
-- `statement_timestamp()` is the same throughout a statement, so that the planner can use an index;
-- `clock_timestamp()` is not.
create function claim_idempotency_key(
  claimed_caller text,
  claimed_key text,
  new_fingerprint bytea,
  new_id uuid,
  new_created_at timestamptz,
  seconds_to_live bigint
) returns table (is_new boolean, fingerprint bytea, created_id uuid, created_at timestamptz)
language plpgsql
as $$
begin
  if claimed_key is null then
    return query select true, null::bytea, null::uuid, null::timestamptz;
    return;
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended(claimed_caller || E'\n' || claimed_key, 0)) then
    return;
  end if;

  return query
    select
      false,
      k.fingerprint,
      -- The release before stored an answer, which has both in its body.
      coalesce(k.created_id, ((k.answer::jsonb ->> 'body')::jsonb ->> 'id')::uuid),
      coalesce(k.created_at, ((k.answer::jsonb ->> 'body')::jsonb ->> 'created_at')::timestamptz)
    from idempotency_keys k
    where k.caller = claimed_caller and k.key = claimed_key and k.expires_at > statement_timestamp();
  if found then
    return;
  end if;

  delete from idempotency_keys k
  where k.caller = claimed_caller and k.key = claimed_key;
  insert into idempotency_keys (caller, key, fingerprint, created_id, created_at, expires_at)
  values (
    claimed_caller, claimed_key, new_fingerprint, new_id, new_created_at,
    statement_timestamp() + make_interval(secs => seconds_to_live)
  );
  return query select true, null::bytea, null::uuid, null::timestamptz;
end
$$;

-- For the release before, which runs beside this one while traffic shifts, and after a rollback. It needs an answer: a
-- key without one counts as held, which its clients are told as 409.
create or replace function claim_idempotency_key(
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
    where k.caller = claimed_caller and k.key = claimed_key and k.expires_at > statement_timestamp()
      and k.answer is not null;
  if found then
    return;
  end if;

  delete from idempotency_keys k
  where k.caller = claimed_caller and k.key = claimed_key and k.expires_at <= statement_timestamp();
  insert into idempotency_keys (caller, key, fingerprint, answer, expires_at)
  values (
    claimed_caller, claimed_key, new_fingerprint, new_answer,
    statement_timestamp() + make_interval(secs => seconds_to_live)
  )
  on conflict do nothing;
  if found then
    return query select true, null::bytea, null::text;
  end if;
end
$$;

-- Every write forgets a few expired keys, with a key of its own or without, and never more: a backlog must not slow a
-- request down. Every write inserts into `history`, so that none can leave it out. `migrate` forgets the rest on a
-- schedule.
create function forget_expired_keys() returns trigger
language plpgsql
as $$
begin
  delete from idempotency_keys k
  where k.ctid = any (array(
    select e.ctid
    from idempotency_keys e
    where e.expires_at <= statement_timestamp()
    order by e.expires_at
    limit 10
    for update skip locked
  ));
  return null;
end
$$;

create trigger history_forget_expired_keys
after insert on history
for each statement execute function forget_expired_keys();
