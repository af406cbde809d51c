-- Mirrors src/domain/protocol/put_back.rs: the store lost a grant that a replica still holds, and upstream
-- accepts it.

function Record:put_back()
  local state, stored, grant = self.state, self.grant, given_grant()
  self:raise()
  if self:is_dead(grant) then
    return { 'dead' }
  end
  cut_grant(grant)
  if stored and stored.version > grant.version then
    return { 'superseded' }
  end
  if stored and stored.version == grant.version then
    if stored.digest == grant.digest then
      return { 'stored' }
    end
    self:make_suspect()
    self:announce()
    return { 'conflict' }
  end
  if now >= kept_until(grant) then
    return { 'superseded' }
  end
  state.epoch = math.max(state.epoch, grant.version)
  state.issuer = math.max(state.issuer, grant.version)
  if state.version > grant.version then
    self:make_suspect()
  end
  state.version = math.max(state.version, grant.version)
  self:end_dead()
  self.grant = grant
  self:watch_closely()
  self:announce()
  return { 'stored' }
end
