--- What a server is told to be: a script's options, in the core's terms.

local core = require "poplin.core"
local logins = require "poplin.logins"
local misuse = require "poplin.misuse"
local offers = require "poplin.offers"

local settings = {}

local PASSED_ON = {
  "host", "port", "path", "greeting", "max_sessions", "allow_cleartext", "loopback_protected", "cert_file",
  "key_file", "cert_pem", "key_pem", "staple", "client_ca_file", "client_ca_pem", "name", "iterations", "pepper",
  "login_delay", "key_log", "utf8", "expire_by_user", "login_delay_by_user",
}

local MISUSES = { unsupported = true, state = true, limit = true } -- kinds of errors that tell of settings
local SECONDS_MAX = 4294967 -- that the core can count

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

-- The ways to log in, as the core takes them. No certificate of a client's is asked for in vain, and without one there
-- is no EXTERNAL: the CAs of clients and EXTERNAL by name belong together.
local function mechanisms_of(who, options)
  local mechanisms, problem = logins.mechanisms(options.auth)
  if problem then
    misuse.error("%s: %s", who, problem)
  end
  local trusting = options.client_ca_file ~= nil or options.client_ca_pem ~= nil
  local external = (" " .. (mechanisms or ""):upper() .. " "):find(" EXTERNAL ", 1, true) ~= nil
  if options.client_ca_file ~= nil and options.client_ca_pem ~= nil then
    misuse.error("%s: client_ca_file or client_ca_pem, not both", who)
  elseif trusting ~= external then
    misuse.error("%s: client_ca_file or client_ca_pem goes with EXTERNAL in auth, and EXTERNAL with one of them", who)
  end
  return mechanisms
end

-- A server's further certificates, as the core takes them.
local function certificates_of(who, certificates)
  for _, one in ipairs(certificates or {}) do
    if type(one) ~= "table" or type(one.cert_file) ~= "string" then
      misuse.error("%s: certificates is an array of { cert_file = path, key_file = path }", who)
    end
  end
  return certificates
end

--- Seconds in milliseconds; `what` they are is named where they are none.
function settings.milliseconds(what, seconds)
  local whole = type(seconds) == "number" and math.tointeger(math.floor(seconds * 1000 + 0.5))
  if not whole or whole < 0 or whole > SECONDS_MAX * 1000 then
    misuse.error("%s must be a number of seconds, from 0 to %d, not %s", what, SECONDS_MAX, tostring(seconds))
  end
  return whole
end

--- What core.server takes; raises where `options` make no sense, in the name of `who`.
function settings.of(who, options)
  local certified = options.cert_file ~= nil or options.cert_pem ~= nil
  if not certified and (options.key_file ~= nil or options.key_pem ~= nil) then
    misuse.error("%s: a key without a certificate", who)
  end
  if options.pepper == "" then
    misuse.error("%s: pepper is empty; leave it out to have one made up", who)
  end
  local of = { mode = mode_of(who, options.tls or "auto", certified) }
  for _, name in ipairs(PASSED_ON) do
    of[name] = options[name]
  end
  offers.add(of, who, options, settings.milliseconds)
  of.mechanisms = mechanisms_of(who, options)
  of.certificates = certificates_of(who, options.certificates)
  of.no_resumption = options.resumption == false
  for option, setting in pairs { inactivity = "inactivity_ms", failed_login_delay = "failed_login_ms" } do
    if options[option] ~= nil then
      of[setting] = settings.milliseconds(who .. ": " .. option, options[option])
    end
  end
  if of.inactivity_ms == 0 then
    misuse.error("%s: inactivity must be more than 0 seconds", who)
  end
  return of
end

--- What `make`, a function of the core's, makes of settings. One that does not fit is a misuse of `who`, and so are
-- names in auth that are not known, or by which nobody could log in.
function settings.made(who, make, ...)
  local ok, made, err = pcall(make, ...)
  if not ok then
    misuse.error("%s: %s", who, made)
  elseif not made and MISUSES[err.kind] then
    misuse.error("%s: %s", who, err.reason or err.text)
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
