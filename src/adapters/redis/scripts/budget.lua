-- Mirrors src/domain/budget.rs. What a budget computes from its configuration alone comes as arguments:
-- <name>_interval, and the bursts as durations.

local PARTS = 24

local function charge(name, tat)
  return math.max(tat, now) + number(name .. '_interval')
end

local function refund(name, tat)
  return before(tat, number(name .. '_interval'))
end

local function cut_budget(name, tat)
  return math.min(tat, now + number(name .. '_burst'))
end

-- Counts one fetch and forgets what is older than the window.
local function add_used(state)
  local part = math.floor(now / number('budget_part'))
  local kept, counted = {}, false
  for _, item in ipairs(state.used) do
    if item.part + PARTS > part and item.part <= part then
      if item.part == part then
        item.count, counted = one_more(item.count), true
      end
      kept[#kept + 1] = item
    end
  end
  if not counted then
    kept[#kept + 1] = { part = part, count = 1 }
  end
  state.used = kept
end

-- Takes one fetch back that was never sent.
local function take_back_used(state)
  local last = state.used[#state.used]
  if last then
    last.count = last.count - 1
    if last.count == 0 then
      state.used[#state.used] = nil
    end
  end
end
