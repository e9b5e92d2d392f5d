--- The names of all options, each with the types that its value may have, and what is said of a name that is none.
--
-- These tables are what connect, serve and the test server accept; lua/meta describes the same for editors, and
-- tests/lua/meta_spec.lua holds the two against each other.

local options = {}

-- ---- the client's ----

options.CONNECT = {
  user = "string table", password = "string function", token = "string function", authorize = "string",
  auth = "string table", initial_response = "boolean", tls = "string", ca_file = "string", ca_pem = "string",
  verify = "boolean", client_cert = "string", client_key = "string", pins = "string table",
  trust_on_first_use = "string", mail_domain = "string", resumption = "boolean", key_log = "string",
  timeout = "number", total_timeout = "number", path = "string", descriptor = "number", pipelining = "boolean",
  utf8 = "boolean", strict = "boolean", max_message = "number", limits = "table", loopback_protected = "boolean",
}

options.CONNECT_LIMITS = {
  max_line = "number", max_listing = "number", max_listings = "number", max_capabilities = "number",
  window_commands = "number", window_octets = "number",
}

options.MESSAGES = { newest_first = "boolean", since_uid = "string" }

options.FETCH = {
  into = "string function table", seen = "string table userdata", account = "string", keep = "string", limit = "number",
  newest_first = "boolean", max_octets = "number", large = "string", filter = "function", commit_every = "number",
  dry_run = "boolean", progress = "function",
}
for name, types in pairs(options.CONNECT) do
  options.FETCH[name] = types
end

options.DISCOVER = { cleartext = "boolean", random = "function" }
options.URL = { scheme = "string", host = "string", port = "number", user = "string", auth = "string" }

-- ---- the server's ----

options.SERVE = {
  backend = "table", host = "string", port = "number", path = "string", cert_file = "string", key_file = "string",
  cert_pem = "string", key_pem = "string", certificates = "table", staple = "string", resumption = "boolean",
  key_log = "string", tls = "string", exclusive = "boolean", lock = "string", lock_wait = "number",
  expire = "number string", expire_by_user = "boolean", login_delay = "number", login_delay_by_user = "boolean",
  utf8 = "boolean", languages = "table", limits = "table", auth = "string table", client_ca_file = "string",
  client_ca_pem = "string", name = "string", iterations = "number", pepper = "string", failed_login_delay = "number",
  greeting = "string", inactivity = "number", max_sessions = "number", allow_cleartext = "boolean",
  loopback_protected = "boolean",
}

-- The limits that are times in seconds have another name in the core: it counts milliseconds.
options.SERVE_LIMITS = {
  max_line = "number", max_sasl_line = "number", max_bad_commands = "number", max_failed_logins = "number",
  max_messages = "number", max_output = "number", handshake = "number", stall = "number",
}
options.SERVE_TIMES = { handshake = "handshake_ms", stall = "stall_ms" }

-- The script's own functions, beside the settings.
options.BACKEND = {
  password = "function", scram_keys = "function", authenticate = "function", token = "function", maildrop = "function",
  login_failed = "function",
}

options.SCRAM_KEYS = { iterations = "number", salt = "string", hash = "string" }

-- ---- the test server's ----

options.TESTING = {
  users = "table", tokens = "table", backend = "table", background = "boolean", certificate = "table",
  quirks = "table", keep_sessions = "number", max_message = "number", raise_errors = "boolean",
}

-- Those that go on to a server as they are.
options.TESTING_PASSED_ON = {
  "host", "port", "path", "exclusive", "inactivity", "max_sessions", "allow_cleartext", "loopback_protected", "name",
  "iterations", "pepper", "login_delay", "client_ca_file", "client_ca_pem", "lock", "lock_wait", "expire", "utf8",
  "languages", "limits", "expire_by_user", "login_delay_by_user",
}
for _, name in ipairs { "tls", "greeting", "auth", "failed_login_delay", table.unpack(options.TESTING_PASSED_ON) } do
  options.TESTING[name] = options.SERVE[name]
end

options.CERTIFICATE = { blemish = "string" }

-- ---- the machines by themselves ----

options.PROTOCOL_CLIENT = {
  tls = "string", protected = "boolean", host = "string", port = "number", auth = "string table",
  initial_response = "boolean", pipelining = "boolean", utf8 = "boolean", strict = "boolean", max_message = "number",
  limits = "table",
}

options.PROTOCOL_SESSION = {
  tls = "string", protected = "boolean", asks = "string table", port = "number", failed_logins = "boolean",
}
for _, name in ipairs {
  "allow_cleartext", "auth", "name", "iterations", "pepper", "greeting", "login_delay", "login_delay_by_user", "expire",
  "expire_by_user", "utf8", "languages", "limits",
} do
  options.PROTOCOL_SESSION[name] = options.SERVE[name]
end

options.PROTOCOL_CLIENT_FACTS = { version = "string", verified = "boolean", exporter = "string", end_point = "string" }
options.PROTOCOL_SESSION_FACTS = { identity = "string" }
for name, types in pairs(options.PROTOCOL_CLIENT_FACTS) do
  options.PROTOCOL_SESSION_FACTS[name] = types
end

options.PROTOCOL_COMMAND = { multiline = "boolean", secret = "boolean" }
options.PROTOCOL_TERMS = { login_delay = "number", expire = "number string" }

-- ---- names that are none ----

local LONGEST = 40 -- no name is longer, and the work grows with the square

-- How many letters apart two names are: one too many, one missing, a wrong one and two that were swapped count 1 each.
local function distance(a, b)
  local before, row = {}, {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local above = row
    row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(above[j - 1] + (same and 0 or 1), above[j] + 1, row[j - 1] + 1)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before = above
  end
  return row[#b]
end

-- Whether a value of this type may stand under a name with these types.
local function takes(types, value)
  return (" " .. types .. " "):find(" " .. type(value) .. " ", 1, true) ~= nil
end

-- The known name that `name` was most likely meant to be: no more than a third of it would have to change. With a
-- value only names that may have such a one. Equally near: the first in the alphabet.
local function nearest(name, known, value)
  if type(name) ~= "string" or #name > LONGEST then
    return nil
  end
  local best, least = nil, #name // 3 + 1
  for other, types in pairs(known) do
    if value == nil or takes(types, value) then
      local away = distance(name, other)
      if away < least or away == least and best and other < best then
        best, least = other, away
      end
    end
  end
  return best
end

local function told(what, name, meant)
  return string.format("unknown %s: %s%s", what, tostring(name), meant and "; did you mean " .. meant .. "?" or "")
end

-- What there is to say of a value; nil: it will do, or the one who takes it looks closer.
local function unfit(name, value, types)
  if types == "boolean" and type(value) ~= "boolean" then
    return string.format("%s must be true or false, not a %s", name, type(value))
  end
end

--- What there is to say of a name in `given` that is not among the known ones; nil: they all are. `what` they are:
-- "option" unless told otherwise.
function options.unknown(given, known, what)
  for name, value in next, given do
    if not known[name] then
      return told(what or "option", name, nearest(name, known))
    end
    local problem = unfit(name, value, known[name])
    if problem then
      return problem
    end
  end
end

--- The same where unknown names may be the script's own: only one that looks like a known one, and has a value that
-- would do for that, is told.
function options.misspelt(given, known, what)
  for name, value in next, given do
    local meant = not known[name] and nearest(name, known, value)
    local problem = meant and told(what, name, meant) or known[name] and unfit(name, value, known[name])
    if problem then
      return problem
    end
  end
end

return options
