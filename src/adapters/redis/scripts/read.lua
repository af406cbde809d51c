-- One record as it is stored, with the time at which it was read. What is over or cannot be read is for the
-- reader to find, so that this changes nothing. Each hash is one text, its names and values in turn, each after its
-- length and a colon: two texts are told and heard in a fraction of the time that sixty take.
--
-- KEYS[1] is the grant, KEYS[2] the state. ARGV[1] is the clock: an offset, or '@' and a fixed time.

local fixed = string.match(ARGV[1], '^@(%d+)$')
local time = redis.call('TIME')
local now = fixed or string.format('%.0f',
  math.max(0, tonumber(time[1]) * 1000000 + tonumber(time[2]) + tonumber(ARGV[1])))

local function packed(hash)
  local parts = {}
  for i, text in ipairs(hash) do
    parts[i] = #text .. ':' .. text
  end
  return table.concat(parts)
end

local grant, state = redis.pcall('HGETALL', KEYS[1]), redis.pcall('HGETALL', KEYS[2])
for _, reply in ipairs({ grant, state }) do
  if reply.err then
    -- Anything else says nothing of the record: a right that is missing, memory that is full.
    if not string.find(reply.err, '^WRONGTYPE') then
      return reply
    end
    return { 'unreadable', 'a key holds something else than a hash' }
  end
end
return { 'ok', now, packed(state), packed(grant) }
