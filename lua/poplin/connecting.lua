--- What a connection is told to be: a script's options, in the core's terms.

local core = require "poplin.core"
local credentials = require "poplin.credentials"
local known = require "poplin.options"
local task = require "poplin.task"

local connecting = {}

local PASSED_ON = {
  "ca_file", "ca_pem", "verify", "client_cert", "client_key", "path", "descriptor", "pipelining", "strict", "utf8",
  "authorize", "max_message", "loopback_protected", "trust_on_first_use", "mail_domain", "key_log",
}

local function milliseconds(name, seconds)
  if math.type(seconds) == nil or not (seconds > 0 and seconds <= 4294967) then
    error(name .. " must be a number of seconds above 0", 0)
  end
  return math.max(1, math.tointeger(math.floor(seconds * 1000 + 0.5)))
end

-- The pins as the core takes them.
local function pins_of(pins)
  local list = type(pins) == "string" and { pins } or pins
  if list == nil then
    return nil
  end
  if type(list) ~= "table" or #list == 0 then
    error("pins must be a string, or an array of at least one; without pins any key will do", 0)
  end
  for _, pin in ipairs(list) do
    if type(pin) ~= "string" or not pin:find("^[^ ]+$") then
      error("a pin is a string without spaces", 0)
    end
  end
  return table.concat(list, " ")
end

local function check_names(what, given, names)
  if type(given) ~= "table" then
    error(what .. " must be a table, not a " .. type(given), 0)
  end
  local problem = known.unknown(given, names)
  if problem then
    error(problem, 0)
  end
end

-- What the core takes, from what the script gave.
local function settings_of(host, port, mode, options)
  local timeout = milliseconds("timeout", options.timeout or 60)
  local settings = {
    host = host, port = port, mode = mode,
    connect_ms = timeout, handshake_ms = timeout, reply_ms = timeout,
    total_ms = options.total_timeout and milliseconds("total_timeout", options.total_timeout) or nil,
    pins = pins_of(options.pins), no_resumption = options.resumption == false,
  }
  for _, name in ipairs(PASSED_ON) do
    settings[name] = options[name]
  end
  check_names("limits", options.limits or {}, known.CONNECT_LIMITS)
  for name, value in pairs(options.limits or {}) do
    settings[name] = value
  end
  return settings
end

--- A link that begins to connect, where to, and the user's name; or nil and an error, that of a function of the
-- script's for password or token as it is. `answer`: what the server said of
-- a token that it refused. Options that make no sense are errors without a place.
function connecting.open(url, options, answer)
  check_names("the options", options, known.CONNECT)
  if url == nil and options.path == nil and options.descriptor == nil then
    error("a URL or host is needed, or path or descriptor", 0)
  elseif url ~= nil and type(url) ~= "string" then
    error("the URL or host must be a string, not a " .. type(url), 0)
  end
  local host, port, user, auth, mode = core.parse_url(url or "pop3://localhost", options.tls or "auto")
  if not host then
    return nil, port
  end
  local settings = settings_of(host, port, mode, options)
  settings.mechanisms = credentials.mechanisms(options, auth)
  local free = settings.mechanisms ~= nil and core.need_no_secret(settings.mechanisms)
  local name, password, reason = credentials.login(options, user, free)
  if reason then
    return nil, reason
  end
  settings.wants_login = free or name ~= nil
  settings.two_step = options.initial_response == false
  settings.token, reason = credentials.token(options, answer)
  if reason then
    return nil, reason
  end
  local ok, link, err = pcall(core.open, task.loop(), settings, name, password) -- so that its errors name no place here
  if not ok then
    error(link, 0)
  elseif not link then
    return nil, err
  end
  return link, options.path or host .. ":" .. port, name
end

return connecting
