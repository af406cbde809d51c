-- For wrk: asks for the paths of a file in turn, and says in one line what came of it.
local prepared, at = {}, 0

function init(arguments)
   for path in io.lines(arguments[1]) do
      prepared[#prepared + 1] = wrk.format("GET", path)
   end
end

function request()
   at = at % #prepared + 1
   return prepared[at]
end

function done(summary, latency)
   local errors = summary.errors
   local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   print(string.format("RESULT %.1f %d %d %d", summary.requests * 1e6 / summary.duration,
      latency:percentile(50), latency:percentile(99), failed))
end
