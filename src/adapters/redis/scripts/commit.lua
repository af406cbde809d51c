-- Mirrors src/domain/protocol/commit.rs: here is the grant that was fetched under this epoch.

function Record:commit()
  local state, input = self.state, given_grant()
  if state.committed_epoch == number('epoch') and state.committed_nonce == argument.nonce then
    return self:answer_again(input)
  end
  self:announce()
  local current = self:is_current()
  if argument.mode == 'stable' and self:take_stable(input, current) then
    return self:answer_again(input)
  end
  local overtaken = self:overtakes(input)
  if overtaken and current then
    self:end_attempt()
  end
  if not current or overtaken then
    state.epoch = math.max(state.epoch, number('epoch'))
    self:make_suspect()
    return { 'late' }
  end
  self:publish(input)
  return self:answer_again(input)
end

-- After a failover to a clock that is behind: a newer version was put back meanwhile, or another token of its
-- own.
function Record:overtakes(input)
  local stored = self.grant
  local twice = stored and stored.version == input.version and stored.digest ~= input.digest
  return twice or input.version < self.state.version
end

function Record:answer_again(input)
  local same_token = self.grant and self.grant.digest == input.digest
  local grant = same_token and self.grant or input
  return { 'stored', whole(grant.version), whole(grant.expires_at) }
end

function Record:take_stable(input, current)
  local state, stored = self.state, self.grant
  local dead = stored ~= nil and self:is_dead(stored)
  local keeps = stored and (dead or not self:is_outdone(stored))
  if not keeps or stored.digest ~= input.digest then
    local later = not stored or dead or input.expires_at > stored.expires_at
    if not current and later and input.version > state.version then
      self:publish(input)
      return true
    end
    return false
  end
  if input.expires_at > stored.expires_at then
    self:renew(input)
  end
  cut_grant(stored)
  if current then
    state.issuer = stored.version
    self:end_attempt()
    state.force = dead
    if dead then
      state.failures = one_more(state.failures)
    else
      state.failures = 0
      self:end_cooldown()
    end
  end
  state.committed_epoch, state.committed_nonce = number('epoch'), argument.nonce
  return true
end

-- A seal is for one version and one expiry: the caller, who had looked, brings one for what this makes of the
-- stored grant. Where that has changed since, it is left with the expiry that it has.
function Record:renew(input)
  local stored = self.grant
  if input.sealed then
    local for_this = number('renewed_version') == stored.version
      and number('renewed_issued_at') == stored.issued_at
    if not for_this then
      return
    end
    stored.value, stored.sealed = nil, argument.renewed_sealed
  else
    stored.value, stored.sealed = input.value, nil
  end
  stored.expires_at = input.expires_at
end

function Record:publish(input)
  local state = self.state
  self:end_attempt()
  state.epoch = math.max(state.epoch, number('epoch'))
  state.version = math.max(state.version, input.version)
  if state.suspect and state.suspect < number('epoch') then
    state.suspect = nil
  end
  self:end_dead()
  state.force = false
  state.failures = 0
  self:end_cooldown()
  state.committed_epoch, state.committed_nonce = number('epoch'), argument.nonce
  self.grant = input
end
