--- What a server offers and allows beyond the logins: a script's options, in the core's terms.

local core = require "poplin.core"
local misuse = require "poplin.misuse"
local known = require "poplin.options"

local offers = {}

local LOCKS = { exclusive = core.LOCK_EXCLUSIVE, snapshot = core.LOCK_SNAPSHOT, none = core.LOCK_NONE }

local function lock_of(who, options)
  if options.lock == nil then
    return options.exclusive == false and core.LOCK_NONE or core.LOCK_EXCLUSIVE
  end
  local lock = LOCKS[options.lock]
  if not lock then
    misuse.error("%s: lock must be 'exclusive', 'snapshot' or 'none'", who)
  elseif lock == core.LOCK_EXCLUSIVE and options.exclusive == false then
    misuse.error("%s: exclusive = false and lock = 'exclusive': which of the two is meant?", who)
  end
  return lock
end

--- Days for which mail stays, or "never", as the core takes them; nil: it is neither.
function offers.days(expire)
  if expire == "never" then
    return core.EXPIRE_NEVER
  end
  return math.type(expire) == "integer" and expire >= 0 and expire < core.EXPIRE_NEVER and expire or nil
end

local function days_of(who, expire)
  return offers.days(expire)
    or misuse.error("%s: expire must be a whole number of days or 'never', not %s", who, tostring(expire))
end

local function complain_of_languages(who)
  misuse.error("%s: languages is an array of { tag = s, description = s, texts = { [english] = translation } }", who)
end

local function line_of(who, words)
  if type(words) ~= "string" or words:find("%c") then
    complain_of_languages(who)
  end
  return words
end

-- The catalogue as the core reads it: a line for each language, and one for each of its texts below it.
local function catalogue_of(who, languages)
  if type(languages) ~= "table" or (#languages == 0 and next(languages) ~= nil) then
    complain_of_languages(who)
  end
  local lines = {}
  for _, language in ipairs(languages) do
    local of = type(language) == "table" and language or {}
    local tag, description, texts = line_of(who, of.tag), line_of(who, of.description or ""), of.texts or {}
    if tag:find(" ", 1, true) or type(texts) ~= "table" then -- behind a space the core reads the description
      complain_of_languages(who)
    end
    table.insert(lines, (description ~= "" and tag .. " " .. description or tag) .. "\n")
    for text, translation in pairs(texts) do
      table.insert(lines, "\t" .. line_of(who, text) .. "\t" .. line_of(who, translation) .. "\n")
    end
  end
  return table.concat(lines)
end

local function add_limits(of, who, limits, milliseconds)
  if type(limits) ~= "table" then
    misuse.error("%s: limits must be a table, not %s", who, type(limits))
  end
  local problem = known.unknown(limits, known.SERVE_LIMITS, "limit")
  if problem then
    misuse.error("%s: %s", who, problem)
  end
  for name, value in pairs(limits) do
    local setting = known.SERVE_TIMES[name]
    of[setting or name] = setting and milliseconds(who .. ": " .. name, value) or value
    if setting and of[setting] == 0 then
      misuse.error("%s: %s must be more than 0 seconds", who, name)
    end
  end
end

--- Adds to the settings `of` what the options say; raises where they make no sense, in the name of `who`.
function offers.add(of, who, options, milliseconds)
  of.lock = lock_of(who, options)
  if options.lock_wait ~= nil then
    if of.lock ~= core.LOCK_EXCLUSIVE then
      misuse.error("%s: lock_wait goes with lock = 'exclusive': elsewhere nobody has to wait", who)
    end
    of.lock_wait_ms = milliseconds(who .. ": lock_wait", options.lock_wait)
  end
  of.expire = options.expire ~= nil and days_of(who, options.expire) or nil
  of.languages = options.languages ~= nil and catalogue_of(who, options.languages) or nil
  add_limits(of, who, options.limits or {}, milliseconds)
end

return offers
