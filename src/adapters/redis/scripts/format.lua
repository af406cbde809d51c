-- The stored form of a record, as src/adapters/record.rs defines it: loading, which refuses whatever
-- cannot be read, and saving, which writes only what differs.

local Record = {}
Record.__index = Record

local function set_of(words)
  local set = {}
  for word in string.gmatch(words, '%S+') do
    set[word] = true
  end
  return set
end

local CLASSES = set_of('busy bad_secret bad_appid bad_request ip_not_whitelisted ip_unconfirmed ' ..
  'ip_refused_hour ip_refused_day secret_frozen quota_spent minute_limit forbidden token_refused ' ..
  'unknown unclear')
local VERDICTS = set_of('accepted refused inconclusive')

-- No count is larger: it stays there.
local MOST = 4294967295

local function one_more(count)
  return math.min(count + 1, MOST)
end

local function read_number(text, largest)
  if #text <= 16 and string.match(text, '^%d+$') and tonumber(text) <= (largest or LARGEST) then
    return tonumber(text)
  end
end

local function hex_of(digits)
  return function(text)
    if #text == digits and string.match(text, '^%x+$') then
      return text
    end
  end
end

local function word_of(set)
  return function(text)
    return set[text] and text or nil
  end
end

-- The list of {part, count} that counts what was used lately.
local function read_used(text)
  local used = {}
  local rest = string.gsub(text == '' and '' or text .. ',', '(%d+):(%d+),', function(part, count)
    part, count = read_number(part), read_number(count, MOST)
    if not part or not count or count == 0 then
      return nil -- stays in the rest
    end
    used[#used + 1] = { part = part, count = count }
    return ''
  end)
  return rest == '' and used or nil
end

local function write_used(used)
  local items = {}
  for i, item in ipairs(used) do
    items[i] = whole(item.part) .. ':' .. whole(item.count)
  end
  return table.concat(items, ',')
end

local function same(text)
  return text
end

-- How each kind of field is read (nil: it cannot be) and written.
local KINDS = {
  number = { read = read_number, write = whole },
  count = { read = function(text) return read_number(text, MOST) end, write = whole },
  flag = {
    read = function(text)
      if text == '1' or text == '0' then
        return text == '1'
      end
    end,
    write = bit,
  },
  fingerprint = { read = hex_of(16), write = same },
  nonce = { read = hex_of(32), write = same },
  digest = { read = hex_of(64), write = same },
  class = { read = word_of(CLASSES), write = same },
  verdict = { read = word_of(VERDICTS), write = same },
  value = { read = function(text) return string.match(text, '^[!-~]+$') end, write = same },
  text = { read = same, write = same },
  used = { read = read_used, write = write_used },
}

-- Name, kind, and whether the field is 'always' there, there 'maybe', or with all others of its group.
local STATE = {
  { 'origin', 'fingerprint', 'maybe' },
  { 'epoch', 'number', 'always' },
  { 'version', 'number', 'always' },
  { 'lease_nonce', 'nonce', 'lease' },
  { 'lease_epoch', 'number', 'lease' },
  { 'lease_until', 'number', 'lease' },
  { 'intent_epoch', 'number', 'intent' },
  { 'intent_begun_at', 'number', 'intent' },
  { 'intent_last_fetch_before', 'number', 'intent' },
  { 'intent_issuer_before', 'number', 'intent' },
  { 'intent_forced', 'flag', 'intent' },
  { 'suspect', 'number', 'maybe' },
  { 'dead_version', 'number', 'dead' },
  { 'dead_epoch', 'number', 'dead' },
  { 'dead_reported', 'flag', 'dead' },
  { 'last_fetch', 'number', 'always' },
  { 'issuer', 'number', 'always' },
  { 'budget', 'number', 'always' },
  { 'forced_budget', 'number', 'always' },
  { 'force', 'flag', 'always' },
  { 'used', 'used', 'always' },
  { 'failures', 'count', 'always' },
  { 'cooldown_class', 'class', 'cooldown' },
  { 'cooldown_until', 'number', 'cooldown' },
  { 'cooldown_secret', 'fingerprint', 'cooldown' },
  { 'paused', 'flag', 'always' },
  { 'pause_changed_at', 'number', 'always' },
  { 'close_watch_until', 'number', 'always' },
  { 'check_version', 'number', 'always' },
  { 'check_claimed_at', 'number', 'always' },
  { 'check_verdict', 'verdict', 'maybe' },
  { 'committed_epoch', 'number', 'committed' },
  { 'committed_nonce', 'nonce', 'committed' },
  -- It decides nothing: what nobody can read of it is none, for readers to find.
  { 'earlier', 'text', 'maybe' },
}
-- The value stands in one of two fields, in the clear or sealed: to a script it is the same, a text.
local GRANT = {
  { 'version', 'number', 'always' },
  { 'value', 'value', 'maybe' },
  { 'sealed', 'value', 'maybe' },
  { 'digest', 'digest', 'always' },
  { 'issued_at', 'number', 'always' },
  { 'expires_at', 'number', 'always' },
}

-- What was never recorded.
local function empty_state()
  return {
    epoch = 0, version = 0, last_fetch = 0, issuer = 0, budget = 0, forced_budget = 0, force = false,
    used = {}, failures = 0, paused = false, pause_changed_at = 0, close_watch_until = 0,
    check_version = 0, check_claimed_at = 0,
  }
end

-- The values of a hash and its texts; or the reason why it cannot be read.
local function load_hash(key, what, fields)
  local reply = redis.pcall('HGETALL', key)
  if reply.err then
    -- Anything else says nothing of the record: a right that is missing, memory that is full.
    if not string.find(reply.err, '^WRONGTYPE') then
      error(reply.err)
    end
    return nil, nil, 'the key of the ' .. what .. ' holds something else than a hash'
  end
  if #reply == 0 then
    return nil, {}
  end
  local texts = {}
  for i = 1, #reply, 2 do
    texts[reply[i]] = reply[i + 1]
  end
  if texts.format ~= '1' then
    local trouble = texts.format and ' is of another format than 1' or ' has no format'
    return nil, nil, 'the ' .. what .. trouble
  end
  local values, groups = {}, {}
  for _, field in ipairs(fields) do
    local name, kind, presence = unpack(field)
    local text = texts[name]
    if text then
      values[name] = KINDS[kind].read(text)
      if values[name] == nil then
        return nil, nil, 'the field ' .. name .. ' of the ' .. what .. ' cannot be read'
      end
      groups[presence] = true
    end
  end
  for _, field in ipairs(fields) do
    local name, _, presence = unpack(field)
    local needed = presence == 'always' or (presence ~= 'maybe' and groups[presence])
    if needed and values[name] == nil then
      return nil, nil, 'the field ' .. name .. ' of the ' .. what .. ' is missing'
    end
  end
  return values, texts
end

local function load_record()
  local grant, grant_texts, trouble = load_hash(KEYS[1], 'grant', GRANT)
  if trouble then
    return nil, trouble
  end
  if grant and not grant.value == not grant.sealed then
    local what = grant.value and 'stands beside a sealed one' or 'is missing'
    return nil, 'the field value of the grant ' .. what
  end
  local state, state_texts
  state, state_texts, trouble = load_hash(KEYS[2], 'state', STATE)
  if trouble then
    return nil, trouble
  end
  local texts = { grant = grant_texts, state = state_texts }
  return setmetatable({ state = state or empty_state(), grant = grant, texts = texts }, Record)
end

-- Writes what differs. HSET comes first: a server without memory refuses it, and nothing has changed yet.
local function save_hash(key, values, texts, fields)
  local changed, gone = {}, {}
  for _, field in ipairs(fields) do
    local name, kind = field[1], field[2]
    local text = values[name] ~= nil and KINDS[kind].write(values[name]) or nil
    if text and text ~= texts[name] then
      changed[#changed + 1] = name
      changed[#changed + 1] = text
    elseif not text and texts[name] then
      gone[#gone + 1] = name
    end
  end
  if #changed > 0 then
    redis.call('HSET', key, 'format', '1', unpack(changed))
  end
  if #gone > 0 then
    redis.call('HDEL', key, unpack(gone))
  end
  return #changed + #gone > 0
end

function Record:save()
  local written = save_hash(KEYS[2], self.state, self.texts.state, STATE)
  if self.must_write and not written then
    redis.call('HSET', KEYS[2], 'format', '1')
  end
  if not self.grant then
    if next(self.texts.grant) then
      redis.call('DEL', KEYS[1])
    end
  elseif save_hash(KEYS[1], self.grant, self.texts.grant, GRANT) and not frozen then
    -- Expiry is judged by the scripts; this only clears away. Not where a test has fixed the clock.
    redis.call('PEXPIRE', KEYS[1], whole(math.max(0, math.ceil((self:kept_until() - now) / 1000))))
  end
end
