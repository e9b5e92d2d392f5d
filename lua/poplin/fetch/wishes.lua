--- The options of poplin.fetch, read: what cannot be meant is misuse.

local core = require "poplin.core"
local destinations = require "poplin.fetch.destinations"
local known = require "poplin.options"
local logins = require "poplin.logins"
local misuse = require "poplin.misuse"

local wishes = {}

local DAY = 86400
local DAYS_MOST = 36500
local COUNT_MOST = 2 ^ 32 - 1 | 0
local PORTS = { [110] = true, [995] = true }

local function check_type(name, value, expected)
  if value ~= nil and type(value) ~= expected then
    misuse.error("poplin.fetch: %s must be a %s, not a %s", name, expected, type(value))
  end
end

-- A whole number from 1, or nil.
local function count(name, value, most)
  if value == nil then
    return nil
  end
  local whole = math.type(value) and math.tointeger(value)
  if not whole or whole < 1 or whole > most then
    misuse.error("poplin.fetch: %s must be a whole number from 1 to %d, not %s", name, most, tostring(value))
  end
  return whole
end

-- Seconds; nil: for ever.
local function keep_of(keep)
  if keep == nil or keep == "forever" then
    return nil
  elseif keep == "none" then
    return 0
  end
  local days = type(keep) == "string" and #keep <= 7 and tonumber(keep:match("^(%d+)d$"))
  if not days then
    misuse.error("poplin.fetch: keep must be 'forever', 'none', or a number of days such as '14d', not %s",
      tostring(keep))
  elseif days < 1 or days > DAYS_MOST then
    misuse.error("poplin.fetch: keep must be from '1d' to '%dd', or 'none'", DAYS_MOST)
  end
  return days * DAY
end

local function large_of(large, max_octets)
  if large ~= nil and large ~= "skip" and large ~= "headers" then
    misuse.error("poplin.fetch: large must be 'skip' or 'headers', not %s", tostring(large))
  elseif large == "headers" and max_octets == nil then
    misuse.error("poplin.fetch: large = 'headers' says nothing without max_octets")
  end
  return large == "headers"
end

local function check_url(url, options)
  if url ~= nil and type(url) ~= "string" then
    misuse.error("poplin.fetch: the URL or host must be a string, not a %s", type(url))
  elseif url == nil and options.path == nil and options.descriptor == nil then
    misuse.error("poplin.fetch: a URL or host is needed, or path or descriptor")
  elseif options.descriptor ~= nil and options.commit_every ~= nil then
    misuse.error("poplin.fetch: commit_every connects again and again, which descriptor cannot: leave one of them out")
  end
end

-- The name of the maildrop in the seen store where the script gives none; or nil and an error.
local function account_of(url, options)
  local host, port, user, auth = misuse.of("poplin.fetch", core.parse_url, url or "pop3://localhost",
    options.tls or "auto")
  if not host then
    return nil, port
  end
  local names = logins.mechanisms(options.auth or auth)
  user = options.user or user
  if user == nil and not (names and core.need_no_secret(names)) then
    misuse.error("poplin.fetch: a user is needed, in the URL or as an option")
  elseif options.account ~= nil then
    return options.account
  elseif url == nil and options.path == nil then
    misuse.error("poplin.fetch: with descriptor, and no URL, an account is needed to remember the messages by")
  end
  if type(user) == "table" then -- the server knows one of them, and it is the same maildrop
    user = user[1]
  end
  local place = host:lower()
  place = place:find(":", 1, true) and "[" .. place .. "]" or place
  place = options.path or (PORTS[port] and place or place .. ":" .. port)
  local whose = options.authorize or user
  return whose == nil and place or tostring(whose) .. "@" .. place
end

-- A store of the script's own has methods recall and record.
local function check_seen(seen)
  if type(seen) == "string" then
    if seen == "" or seen:find("^~") or seen:find("\0", 1, true) then
      misuse.error("poplin.fetch: seen is no path: it is empty, holds a NUL, or a ~, which only a shell knows")
    end
  elseif seen ~= nil then
    local ok, usable = pcall(function() return seen.recall ~= nil and seen.record ~= nil end)
    if not ok or not usable then
      misuse.error("poplin.fetch: seen must be a path, or a store as poplin.seen makes it, not a %s", type(seen))
    end
  end
end

-- What connect takes of the options.
local function connecting(options)
  local passed_on = {}
  for name, value in pairs(options) do
    if known.CONNECT[name] then
      passed_on[name] = value
    end
  end
  return passed_on
end

--- All that a fetch needs to know: account, into (a list of destinations), seen, filter, progress, dry_run, url and
-- connect (the options of connect), and settings (for the core); or nil and an error.
function wishes.read(url, options)
  check_type("the options", options, "table")
  options = options or {}
  local problem = known.unknown(options, known.FETCH)
  if problem then
    misuse.error("poplin.fetch: %s", problem)
  end
  check_url(url, options)
  check_type("account", options.account, "string")
  check_type("filter", options.filter, "function")
  check_type("progress", options.progress, "function")
  check_seen(options.seen)
  local into = destinations.list("into", options.into)
  local settings = {
    keep = keep_of(options.keep),
    limit = count("limit", options.limit, COUNT_MOST),
    newest_first = options.newest_first,
    max_octets = count("max_octets", options.max_octets, math.maxinteger),
    large_headers = large_of(options.large, options.max_octets),
    filter = options.filter ~= nil,
    commit_every = count("commit_every", options.commit_every, COUNT_MOST),
    dry_run = options.dry_run,
    tells = options.progress ~= nil,
  }
  local account, err = account_of(url, options)
  if not account then
    return nil, err
  end
  settings.account = account
  return {
    account = account, into = into, seen = options.seen, filter = options.filter, progress = options.progress,
    dry_run = options.dry_run == true, url = url, connect = connecting(options), settings = settings,
  }
end

return wishes
