-- Mirrors src/domain/protocol/pause.rs: an SRE stops all fetches of an app, or lets them go on.

function Record:set_pause()
  local state = self.state
  state.paused = flag('paused')
  state.pause_changed_at = math.max(now, state.pause_changed_at + 1)
  if not state.paused then
    self:end_cooldown()
    state.failures = 0
  end
  self:announce()
  return {}
end
