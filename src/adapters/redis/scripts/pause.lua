-- Mirrors src/domain/protocol/pause.rs: an SRE stops all fetches of an app, or lets them go on.

function Record:set_pause()
  self.state.paused, self.state.pause_changed_at = flag('paused'), now
  self:announce()
  return {}
end
