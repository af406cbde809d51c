-- Mirrors src/domain/protocol/suspect.rs: a replica knows of something that makes the stored grant unsafe.

function Record:suspect()
  local state = self.state
  state.epoch = math.max(state.epoch, number('floor'))
  state.version = math.max(state.version, number('floor'))
  self:make_suspect()
  self:announce()
  return {}
end
