-- One record as it is stored, with the time at which it was read. What is over or cannot be read is for the
-- reader to find, so that this changes nothing.
--
-- KEYS[1] is the grant, KEYS[2] the state. ARGV[1] is the clock: an offset, or '@' and a fixed time.

local fixed = string.match(ARGV[1], '^@(%d+)$')
local time = redis.call('TIME')
local now = fixed or string.format('%.0f',
  math.max(0, tonumber(time[1]) * 1000000 + tonumber(time[2]) + tonumber(ARGV[1])))

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
return { 'ok', now, state, grant }
