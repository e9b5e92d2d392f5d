--- What a server is told to be: a script's options, in the core's terms.

local core = require "poplin.core"
local misuse = require "poplin.misuse"

local settings = {}

local PASSED_ON = {
  "host", "port", "path", "greeting", "max_sessions", "allow_cleartext", "loopback_protected", "cert_file",
  "key_file", "cert_pem", "key_pem", "staple",
}

local function mode_of(who, tls, certified)
  local modes = {
    auto = certified and core.TLS_IMPLICIT or core.TLS_NEVER,
    implicit = core.TLS_IMPLICIT, stls = core.TLS_STLS, never = core.TLS_NEVER,
  }
  local mode = modes[tls]
  if not mode then
    misuse.error("%s: tls must be 'auto', 'implicit', 'stls' or 'never'", who)
  elseif certified == (mode == core.TLS_NEVER) then
    misuse.error("%s: tls = '%s' %s a certificate", who, tls, certified and "with" or "without")
  end
  return mode
end

--- Seconds in milliseconds; `what` they are is named where they are none.
function settings.milliseconds(what, seconds)
  local whole = type(seconds) == "number" and math.tointeger(math.floor(seconds * 1000 + 0.5))
  if not whole or whole < 0 then
    misuse.error("%s must be a number of seconds, 0 or more, not %s", what, tostring(seconds))
  end
  return whole
end

--- What core.server takes; raises where `options` make no sense, in the name of `who`.
function settings.of(who, options)
  local certified = options.cert_file ~= nil or options.cert_pem ~= nil
  if not certified and (options.key_file ~= nil or options.key_pem ~= nil) then
    misuse.error("%s: a key without a certificate", who)
  end
  local of = { mode = mode_of(who, options.tls or "auto", certified) }
  for _, name in ipairs(PASSED_ON) do
    of[name] = options[name]
  end
  of.lock = options.exclusive == false and core.LOCK_NONE or core.LOCK_EXCLUSIVE
  of.inactivity_ms = options.inactivity and settings.milliseconds(who .. ": inactivity", options.inactivity)
  return of
end

--- What `make`, a function of the core's, makes of settings; one that does not fit is a misuse of `who`.
function settings.made(who, make, ...)
  local ok, made, err = pcall(make, ...)
  if not ok then
    misuse.error("%s: %s", who, made)
  end
  return made, err
end

--- Where a server of these settings is to be found, with `user` (may be nil) in it; nil for a Unix socket.
function settings.url(of, port, user)
  if of.path then
    return nil
  end
  local host = of.host or "127.0.0.1"
  if host:find(":", 1, true) then
    host = "[" .. host .. "]"
  end
  local name = user and user:gsub("[^%w._~-]", function(c) return string.format("%%%02X", c:byte()) end) .. "@" or ""
  return (of.mode == core.TLS_IMPLICIT and "pop3s" or "pop3") .. "://" .. name .. host .. ":" .. port
end

return settings
