-- Mirrors src/domain/protocol/fail.rs: the attempt brought no grant.

function Record:fail()
  local state = self.state
  local current = self:is_current()
  if argument.class == 'unclear' then
    state.epoch = math.max(state.epoch, number('epoch'))
    self:make_suspect()
  elseif current then
    self:forget_fetch()
  end
  if current then
    self:end_attempt()
    state.failures = one_more(state.failures)
    state.cooldown_class = argument.class
    state.cooldown_until = now + number('cooldown')
    state.cooldown_secret = argument.secret
  end
  self:announce()
  return {}
end

function Record:release()
  local state = self.state
  if not self:is_current() then
    return {}
  end
  if state.intent_epoch == number('epoch') then
    state.budget = refund('budget', state.budget)
    if state.intent_forced then
      state.forced_budget = refund('forced_budget', state.forced_budget)
    end
    take_back_used(state)
  end
  self:forget_fetch()
  self:end_attempt()
  self:announce()
  return {}
end

function Record:forget_fetch()
  local state = self.state
  if state.intent_epoch == number('epoch') then
    if state.last_fetch == state.intent_begun_at then
      state.last_fetch = state.intent_last_fetch_before
    end
    state.issuer = state.intent_issuer_before
  end
end
