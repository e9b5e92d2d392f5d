--- What a server is told to be: a script's options, in the core's terms.

local core = require "poplin.core"

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
    error(who .. ": tls must be 'auto', 'implicit', 'stls' or 'never'", 0)
  elseif certified == (mode == core.TLS_NEVER) then
    error(who .. ": tls = '" .. tls .. "' " .. (certified and "with" or "without") .. " a certificate", 0)
  end
  return mode
end

--- Seconds in milliseconds.
function settings.milliseconds(seconds)
  return math.tointeger(math.floor(seconds * 1000 + 0.5))
end

--- What core.server takes; raises where `options` make no sense, in the name of `who`.
function settings.of(who, options)
  local certified = options.cert_file ~= nil or options.cert_pem ~= nil
  if not certified and (options.key_file ~= nil or options.key_pem ~= nil) then
    error(who .. ": a key without a certificate", 0)
  end
  local of = { mode = mode_of(who, options.tls or "auto", certified) }
  for _, name in ipairs(PASSED_ON) do
    of[name] = options[name]
  end
  of.lock = options.exclusive == false and core.LOCK_NONE or core.LOCK_EXCLUSIVE
  of.inactivity_ms = options.inactivity and settings.milliseconds(options.inactivity)
  return of
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
