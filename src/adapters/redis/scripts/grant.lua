-- Mirrors src/domain/grant.rs and Rules::due_at of src/domain/rules.rs.

local MAX_LIFE = 30 * 24 * 3600 * 1000000

local function life(grant)
  return math.max(0, grant.expires_at - grant.issued_at)
end

local function kept_until(grant)
  return before(grant.expires_at, math.min(math.floor(life(grant) / 100), 60 * 1000000))
end

local function cut_grant(grant)
  local longest = math.min(life(grant), MAX_LIFE)
  grant.expires_at = math.min(grant.expires_at, now + longest)
  grant.issued_at = math.min(grant.issued_at, now)
end

local function due_at(grant)
  if argument.mode == 'token' then
    return grant.issued_at + math.floor(life(grant) * number('at'))
  end
  return before(grant.expires_at, math.min(number('renewal'), math.floor(life(grant) / 2)))
end

function Record:kept_until()
  return kept_until(self.grant)
end

-- The grant that a commit or a put-back brings along, its value in the clear or sealed.
local function given_grant()
  return {
    version = number('grant_version'),
    value = argument.grant_value,
    sealed = argument.grant_sealed,
    digest = argument.grant_digest,
    issued_at = number('grant_issued_at'),
    expires_at = number('grant_expires_at'),
  }
end
