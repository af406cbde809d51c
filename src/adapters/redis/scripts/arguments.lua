-- What a call brings along, and the time.
--
-- KEYS[1] is the grant, KEYS[2] the state: one slot of a cluster, and nothing else is touched.
-- ARGV is a list of names and values, so that a script reads its input by name and MONITOR can be read.
-- Numbers are whole, times and durations in microseconds: they fit a double exactly up to 2^53.
--
-- Nothing here needs more than Redis 6.2. A script's effects are replicated, not the script itself (the
-- default since Redis 5), so that it may look at the clock before it writes.

local argument = {}
for i = 1, #ARGV, 2 do
  argument[ARGV[i]] = ARGV[i + 1]
end

local function number(name)
  return tonumber(argument[name])
end

local function flag(name)
  return argument[name] == '1'
end

-- Tests fix the clock at an absolute time ('@…'): the record then stands under that time alone.
local frozen = string.match(argument.clock, '^@(%d+)$')

-- TIME and an offset, which is 0 outside of tests.
local function read_clock()
  if frozen then
    return tonumber(frozen)
  end
  local time = redis.call('TIME')
  return math.max(0, tonumber(time[1]) * 1000000 + tonumber(time[2]) + tonumber(argument.clock))
end

local now = read_clock()

-- The largest number that a record holds, beyond which a double is not exact.
local LARGEST = 9007199254740991

-- Lua would print a large number as 1.79e+15.
local function whole(n)
  return string.format('%.0f', math.min(n, LARGEST))
end

local function bit(value)
  return value and '1' or '0'
end

-- Time minus a duration: never before 0, as in the domain.
local function before(time, duration)
  return math.max(0, time - duration)
end
