-- Mirrors src/domain/protocol/mod.rs, and holds what every script ends with: open, change, save, answer.

-- The origin that is stored, where it is another fleet's.
function Record:open()
  local state = self.state
  if state.origin and state.origin ~= argument.origin then
    return state.origin
  end
  state.origin = argument.origin
  self:cut_to()
  if self.grant then
    cut_grant(self.grant)
    state.epoch = math.max(state.epoch, self.grant.version)
    state.version = math.max(state.version, self.grant.version)
    if now >= kept_until(self.grant) then
      self.grant = nil
    end
  end
end

function Record:servable()
  if self.grant and not self:is_dead(self.grant) then
    return self.grant
  end
end

function Record:is_outdone(grant)
  return grant.version < self.state.version
end

function Record:make_suspect()
  if argument.mode == 'token' then
    self.state.suspect = self.state.epoch
    self:watch_closely()
  end
end

function Record:watch_closely()
  self.state.close_watch_until = now + number('close_watch_lasts')
end

function Record:is_current()
  return self.state.lease_epoch == number('epoch') and self.state.lease_nonce == argument.nonce
end

function Record:end_attempt()
  if self.state.lease_epoch == number('epoch') then
    self:end_lease()
  end
  if self.state.intent_epoch == number('epoch') then
    self:end_intent()
  end
end

-- Lua has no Option: these take away what belongs together.

function Record:end_lease()
  local state = self.state
  state.lease_nonce, state.lease_epoch, state.lease_until = nil, nil, nil
end

-- Answers whether there was one.
function Record:end_intent()
  local state = self.state
  local open = state.intent_epoch ~= nil
  state.intent_epoch, state.intent_begun_at, state.intent_forced = nil, nil, nil
  state.intent_last_fetch_before, state.intent_issuer_before = nil, nil
  return open
end

function Record:end_cooldown()
  local state = self.state
  state.cooldown_class, state.cooldown_until, state.cooldown_secret = nil, nil, nil
end

function Record:end_dead()
  local state = self.state
  state.dead_version, state.dead_epoch, state.dead_reported = nil, nil, nil
end

-- What the change makes of the earlier tokens, which may be sealed, comes with it; '' = there are none.
function Record:take_earlier()
  local text = argument.earlier
  if text then
    self.state.earlier = text ~= '' and text or nil
  end
end

-- The other replicas are to look at this record.
function Record:announce()
  self.announced = true
end

-- Makes one change, named as its function, whose answer is a list of texts.
local function change(name)
  local record, trouble = load_record()
  if trouble then
    return { 'unreadable', trouble }
  end
  local foreign = record:open()
  if foreign then
    return { 'foreign', foreign }
  end
  local answer = { 'ok', whole(now), unpack(record[name](record)) }
  record:take_earlier()
  record:save()
  if record.announced then
    local message = 'changed ' .. argument.credential .. ' ' .. whole(record.state.version)
    redis.call('PUBLISH', argument.channel, message)
  end
  return answer
end
