-- A cell of the cache: one hash under one key, and the operations on it. Every call is a single command and therefore
-- atomic, and uses no key but KEYS[1], so it works on any node of a cluster.
--
-- h       when the cell was created, ms
-- g       generation: changes with every write; serves as the lease for `fill`
-- w:TOKEN a writer between `begin` and its end, with the expiry of the token, ms
-- u       when the value last became uncertain, ms: writers that had begun by then may know an outdated version
-- v       version of the value; 'gone' for a deleted row, 'none' for a row that does not exist
-- b, s    body and its schema
-- t, f, l when the value was stored, how long it is fresh, how long it may be kept, ms
local key, command = KEYS[1], ARGV[1]

-- By then, a write that began before the cell was lost and created again has been committed.
local SETTLE = 1000
-- The lifetime of a writer's token: longer than any write takes.
local TOKEN = 45000
-- The lifetime of a cell without a value.
local FORGET = 120000

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local cell, exists, is_pending, expired = {}, false, false, {}
local fields = redis.call('HGETALL', key)
for i = 1, #fields, 2 do
  local name, value = fields[i], fields[i + 1]
  exists = true
  cell[name] = value
  if string.sub(name, 1, 2) == 'w:' then
    if tonumber(value) > now then
      is_pending = true
    else
      expired[#expired + 1] = name
    end
  end
end

local function keep(ms)
  if redis.call('PTTL', key) < ms then
    redis.call('PEXPIRE', key, ms)
  end
end

local function make(generation)
  redis.call('HSET', key, 'h', now, 'g', generation)
  keep(FORGET)
end

local function invalidate()
  redis.call('HDEL', key, 'v', 'b', 's', 't', 'f', 'l')
  redis.call('HSET', key, 'u', now)
  cell.v, cell.u = nil, now
end

local function store(version, schema, fresh, life, body)
  redis.call('HSET', key, 'v', version, 's', schema, 't', now, 'f', fresh, 'l', life, 'b', body)
  keep(tonumber(life))
end

-- Whether there is no value, or one of an older version than `version`.
local function is_older(version)
  if not cell.v or cell.v == 'none' then return true end
  if cell.v == 'gone' then return false end
  return version == 'gone' or tonumber(cell.v) < tonumber(version)
end

-- Runs the write commands that `begin` depends on, without changing anything: a server that refuses writes (a replica, a
-- full disk, too few replicas, revoked permissions) aborts the script here. The first command needs no memory, and after
-- it none is refused for lack of memory: a full server still learns of every write.
local function require_writes(field)
  redis.call('HDEL', key, '')
  redis.call('HSETNX', key, field, now + TOKEN)
end

-- The outcome of a writer whose token has expired is unknown: the value may be older than the row.
if #expired > 0 then
  redis.call('HDEL', key, unpack(expired))
  invalidate()
end

if command == 'read' then
  local nonce, schema = ARGV[2], ARGV[3]
  if not exists then
    make(nonce)
    return {'busy'}
  end
  require_writes('h')
  if is_pending or now < cell.h + SETTLE then
    return {'busy'}
  end
  if cell.v and cell.s == schema then
    local age = math.max(now - cell.t, 0)
    if age < tonumber(cell.f) then
      return {'hit', '', cell.v, cell.b, age, cell.f - age}
    end
    if age < tonumber(cell.l) then
      return {'stale', cell.g, cell.v, cell.b, age, cell.f - age}
    end
  end
  keep(FORGET)
  return {'miss', cell.g}
end

if command == 'fill' then
  local lease, version, schema, fresh, life, body = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
  if is_pending or cell.g ~= lease then return 0 end
  if cell.v == 'gone' then return 0 end
  if version ~= 'none' and cell.v ~= version and not is_older(version) then return 0 end
  store(version, schema, fresh, life, body)
  return 1
end

local token = ARGV[2]
local writer = 'w:' .. token

if command == 'begin' then
  -- The token comes first: it hides the value even if a later command fails.
  require_writes(writer)
  keep(2 * TOKEN)
  if not exists then make(token) end
  redis.call('HSET', key, 'g', token)
  return 1
end

local begun = cell[writer] and cell[writer] - TOKEN

-- Called last: if an earlier command fails, the token stays and hides the value.
local function remove_token()
  redis.call('HDEL', key, writer)
end

-- The statement changed nothing.
if command == 'abort' then
  remove_token()
  return 0
end

if not exists then
  -- If the `begin` was lost, this is what invalidates the leases.
  make(token .. ':end')
  return 0
end
require_writes('h')
redis.call('HSET', key, 'g', token .. ':end')
keep(FORGET)

-- The row was changed, and its new state is unavailable.
if command == 'clear' then
  invalidate()
  remove_token()
  return 0
end

if command == 'commit' then
  local version, schema, fresh, life, body = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
  local stored = 0
  if is_older(version) then
    -- A newer version of another writer may have been lost with the cell, or dropped when the value became uncertain.
    -- A deletion, however, is final.
    if version == 'gone' or begun and begun >= cell.h + SETTLE and begun > tonumber(cell.u or 0) then
      store(version, schema, fresh, life, body)
      stored = 1
    else
      invalidate()
    end
  end
  remove_token()
  return stored
end

return redis.error_reply('no such command: ' .. command)
