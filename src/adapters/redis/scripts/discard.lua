-- Takes a grant away that a reader refused, if it is still the one that was refused, and has everybody look.
--
-- KEYS[1] is the grant, KEYS[2] the state, which is left as it is. ARGV[1] is the channel, ARGV[2] the message;
-- then the fields of the grant as they were read, each with its value.

local refused = {}
for i = 3, #ARGV, 2 do
  refused[ARGV[i]] = ARGV[i + 1]
end
local stored = redis.pcall('HGETALL', KEYS[1])
if stored.err or #stored ~= #ARGV - 2 then
  return { 'another' }
end
for i = 1, #stored, 2 do
  if refused[stored[i]] ~= stored[i + 1] then
    return { 'another' }
  end
end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return { 'discarded' }
