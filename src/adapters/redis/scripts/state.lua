-- Mirrors src/domain/state.rs.

function Record:is_dead(grant)
  return self.state.dead_version ~= nil and self.state.dead_version >= grant.version
end

-- Cuts every stored time that lies further away than it ever could.
function Record:cut_to()
  local state = self.state
  local function at_most(name, latest)
    if state[name] then
      state[name] = math.min(state[name], latest)
    end
  end
  at_most('lease_until', now + number('lease'))
  at_most('intent_begun_at', now)
  at_most('intent_last_fetch_before', now)
  at_most('cooldown_until', now + number('max_cooldown'))
  at_most('last_fetch', now)
  state.budget = cut_budget('budget', state.budget)
  state.forced_budget = cut_budget('forced_budget', state.forced_budget)
  at_most('close_watch_until', now + number('close_watch_lasts'))
  at_most('check_claimed_at', now)
end

-- Raises the state to what a replica remembers.
function Record:raise()
  local state = self.state
  state.epoch = math.max(state.epoch, number('memory_version'))
  state.version = math.max(state.version, number('memory_version'))
  state.budget = math.max(state.budget, cut_budget('budget', number('memory_budget')))
  state.forced_budget =
    math.max(state.forced_budget, cut_budget('forced_budget', number('memory_forced_budget')))
  state.last_fetch = math.max(state.last_fetch, math.min(number('memory_last_fetch'), now))
  local changed_at = number('memory_pause_changed_at')
  if changed_at > state.pause_changed_at then
    state.paused, state.pause_changed_at = flag('memory_paused'), changed_at
  end
end
