-- Mirrors src/domain/protocol/check.rs: one replica asks upstream whether the stored grant is accepted,
-- and all learn what it said.

function Record:claim_check()
  local state, grant, version = self.state, self.grant, number('version')
  if not grant or grant.version ~= version then
    return { 'not_current' }
  end
  if self:is_dead(grant) then
    return { 'checked', whole(state.check_claimed_at), 'refused' }
  end
  local free_at = state.check_claimed_at + number('every')
  if state.check_version == version and state.check_claimed_at ~= 0 and now < free_at then
    return { 'checked', whole(state.check_claimed_at), state.check_verdict or '' }
  end
  state.check_version, state.check_claimed_at, state.check_verdict = version, now, nil
  return { 'yours' }
end

function Record:judge()
  local state, version = self.state, number('version')
  local servable = self:servable()
  local stored = servable and servable.version == version
  local fetching = state.lease_until ~= nil and now < state.lease_until
  if not stored or (flag('reported') and fetching) then
    return { 'ignored' }
  end
  if state.check_version == version then
    state.check_verdict = argument.verdict
  end
  if argument.verdict ~= 'refused' then
    return { 'noted' }
  end
  local foreign = state.issuer <= version and not state.suspect
  state.dead_version, state.dead_epoch, state.dead_reported = version, state.epoch, flag('reported')
  -- The wait was for an upstream that does not answer. It does.
  if state.cooldown_class == 'busy' or state.cooldown_class == 'unclear' then
    self:end_cooldown()
  end
  if foreign then
    self:watch_closely()
  end
  self:announce()
  return { 'dead', bit(foreign) }
end
