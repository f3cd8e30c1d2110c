-- A cell of the cache: one hash under one key, and what can be done to it. Every call is one command, so nothing comes
-- in between; nothing but KEYS[1] is touched, so any node of a cluster can do it.
--
-- h       since when the cell has been there without a gap, ms
-- g       generation: another one after every write; the lease of those who fill
-- w:TOKEN a writer between `begin` and its end, with the time at which it is given up, ms
-- u       when the cell last lost track of the row, ms: what writers know who had begun by then may be old
-- v       version of the value; 'gone' for a deleted row, 'none' for one that was not found
-- b, s    body and its schema
-- t, f, l when the value was stored, how long it is fresh, how long it may be kept, ms
local key, command = KEYS[1], ARGV[1]

-- A write that began before the cell was lost and made anew has been committed after this long.
local SETTLE = 1000
-- No writer goes on for this long.
local TOKEN = 45000
-- How long a cell without a value is remembered.
local FORGET = 120000

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local cell, exists, is_pending, given_up = {}, false, false, {}
local fields = redis.call('HGETALL', key)
for i = 1, #fields, 2 do
  local name, value = fields[i], fields[i + 1]
  exists = true
  cell[name] = value
  if string.sub(name, 1, 2) == 'w:' then
    if tonumber(value) > now then
      is_pending = true
    else
      given_up[#given_up + 1] = name
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

local function lose_track()
  redis.call('HDEL', key, 'v', 'b', 's', 't', 'f', 'l')
  redis.call('HSET', key, 'u', now)
  cell.v, cell.u = nil, now
end

local function store(version, schema, fresh, life, body)
  redis.call('HSET', key, 'v', version, 's', schema, 't', now, 'f', fresh, 'l', life, 'b', body)
  keep(tonumber(life))
end

-- Whether the value is of an older version than `version`, or there is none.
local function is_older(version)
  if not cell.v or cell.v == 'none' then return true end
  if cell.v == 'gone' then return false end
  return version == 'gone' or tonumber(cell.v) < tonumber(version)
end

-- Shows that the server takes what `begin` depends on, and changes nothing: a server that refuses writes (a replica, a
-- disk that is full, too few replicas, rights that were taken away) ends the script here. It begins with a command
-- that needs no memory, after which none is refused for want of it: a full server hears of every write.
local function prove(field)
  redis.call('HDEL', key, '')
  redis.call('HSETNX', key, field, now + TOKEN)
end

-- Nobody knows what a writer has done that did not come back: the value may be older than the row.
if #given_up > 0 then
  redis.call('HDEL', key, unpack(given_up))
  lose_track()
end

if command == 'read' then
  local nonce, schema = ARGV[2], ARGV[3]
  if not exists then
    make(nonce)
    return {'busy'}
  end
  prove('h')
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
  -- The token first: from here on nobody is given a value, whatever becomes of the rest.
  prove(writer)
  keep(2 * TOKEN)
  if not exists then make(token) end
  redis.call('HSET', key, 'g', token)
  return 1
end

local begun = cell[writer] and cell[writer] - TOKEN

-- Last of all: if anything before it is refused, the token stays, and nobody is given a value.
local function take_back()
  redis.call('HDEL', key, writer)
end

-- Nothing was written.
if command == 'abort' then
  take_back()
  return 0
end

if not exists then
  -- A writer whose `begin` got lost makes the leases void only now.
  make(token .. ':end')
  return 0
end
prove('h')
redis.call('HSET', key, 'g', token .. ':end')
keep(FORGET)

-- Something was written, and what is there now is not known.
if command == 'clear' then
  lose_track()
  take_back()
  return 0
end

if command == 'commit' then
  local version, schema, fresh, life, body = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
  local stored = 0
  if is_older(version) then
    -- Another writer, with a newer version, may have been lost with the cell, or have ended when the cell lost track.
    -- But what is gone is gone for ever.
    if version == 'gone' or begun and begun >= cell.h + SETTLE and begun > tonumber(cell.u or 0) then
      store(version, schema, fresh, life, body)
      stored = 1
    else
      lose_track()
    end
  end
  take_back()
  return stored
end

return redis.error_reply('no such command: ' .. command)
