-- Mirrors src/domain/protocol/begin.rs: may this replica fetch now? If so, lease, intent and budget are
-- written before it does.

function Record:begin()
  -- WAIT counts what this connection has written. Asked again, this writes nothing new, and would be
  -- confirmed by replicas that never saw the lease.
  self.must_write = true

  local state = self.state
  local first_ever = state.epoch == 0
  local stored = self.grant and self.grant.version or 0
  local version = number('memory_version')
  local refused = state.dead_version ~= nil and state.dead_version >= version
  local behind = flag('memory_live') and not refused and version > stored
  local newer = version > math.max(stored, state.version)
  local suspect_before = state.suspect
  self:raise()

  local again = self:asked_again()
  if again then
    return again
  end
  if behind then
    return { 'behind' }
  end
  if newer then
    self:make_suspect()
  end
  if first_ever then
    self:watch_closely()
  end
  self:turn_dangling_intent_into_suspect()
  if state.suspect ~= suspect_before then
    self:announce()
  end

  if state.paused then
    return { 'paused' }
  end
  local grant = self:servable()
  if grant and not self:wants(grant) then
    return {
      'fresh', bit(grant.sealed), grant.sealed or grant.value, whole(grant.version), grant.digest,
      whole(grant.issued_at), whole(grant.expires_at),
    }
  end
  local held_until = self:held_by_another()
  if held_until then
    return { 'busy', whole(held_until) }
  end
  self:end_cooldown_of_another_secret()
  if state.cooldown_until then
    return { 'cooling_down', state.cooldown_class, whole(state.cooldown_until) }
  end
  local spaced = self:spacing_until()
  if now < spaced then
    return { 'spacing', whole(spaced) }
  end
  local fits = self:budget_fits_from()
  if now < fits then
    return { 'budget_spent', whole(fits) }
  end
  return self:hand_out()
end

function Record:asked_again()
  local state = self.state
  if state.lease_nonce ~= argument.nonce or now >= state.lease_until then
    return nil
  end
  if state.intent_epoch ~= state.lease_epoch then
    return nil
  end
  return self:permit(state.intent_begun_at, before(state.lease_until, state.intent_begun_at),
    state.intent_forced)
end

function Record:turn_dangling_intent_into_suspect()
  local open = self.state.lease_until ~= nil and now < self.state.lease_until
  if not open and self:end_intent() then
    self:make_suspect()
  end
end

function Record:wants(grant)
  local asked_for = argument.reason == 'forced' and grant.version <= number('memory_version')
  return asked_for or self:is_outdone(grant) or self.state.suspect ~= nil or now >= due_at(grant)
end

function Record:held_by_another()
  local state = self.state
  if not state.lease_until or now >= state.lease_until then
    return nil
  end
  local overtaken = state.dead_epoch ~= nil and state.lease_epoch <= state.dead_epoch
  return not overtaken and state.lease_until or nil
end

function Record:end_cooldown_of_another_secret()
  local state = self.state
  if state.cooldown_until then
    if state.cooldown_secret ~= argument.secret or now >= state.cooldown_until then
      self:end_cooldown()
    end
  end
end

function Record:spacing_until()
  local state = self.state
  local spaced = argument.mode == 'token' and not state.suspect and self:servable()
    and state.last_fetch ~= 0
  return spaced and state.last_fetch + number('min_spacing') or 0
end

function Record:budget_fits_from()
  -- The share that this reason may use, as the duration by which it may be ahead.
  local fits = before(self.state.budget, number('budget_ahead'))
  if self.state.force then
    fits = math.max(fits, before(self.state.forced_budget, number('forced_budget_ahead')))
  end
  return fits
end

function Record:hand_out()
  -- Overtaken while its lease was still valid: that holder may yet fetch.
  if self:end_intent() then
    self:make_suspect()
    self:announce()
  end
  local state = self.state
  local epoch = math.max(state.epoch + 1, now)
  state.epoch = epoch
  state.lease_nonce = argument.nonce
  state.lease_epoch = epoch
  state.lease_until = now + number('lease')
  state.intent_epoch = epoch
  state.intent_begun_at = now
  state.intent_last_fetch_before = state.last_fetch
  state.intent_issuer_before = state.issuer
  state.intent_forced = state.force
  state.last_fetch = now
  state.issuer = epoch
  state.budget = charge('budget', state.budget)
  if state.force then
    state.forced_budget = charge('forced_budget', state.forced_budget)
  end
  add_used(state)
  return self:permit(now, number('lease'), state.force)
end

function Record:permit(begun_at, valid_for, force)
  local state = self.state
  return {
    'granted', whole(state.lease_epoch), whole(begun_at), whole(valid_for), whole(state.failures),
    bit(force),
  }
end
