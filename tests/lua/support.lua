--- What the Lua tests share: a server over a table of messages, clients for it, the raw peer.

local poplin = require "poplin"
local testing = require "poplin.testing"
require "secrets_watch"

local support = {}

-- One throw-away authority for the whole run: making keys takes time.
support.certificate = assert(testing.certificate())

--- A maildrop over an array of { uid, text }; `deleted` collects what dele was told, `closed` the outcomes.
function support.maildrop(messages)
  local drop = { deleted = {}, closed = {} }
  function drop.list()
    local list = {}
    for i, message in ipairs(messages) do
      list[i] = { message[1] }
    end
    return list
  end
  function drop.retr(_, uid)
    for _, message in ipairs(messages) do
      if message[1] == uid then
        return message[2]
      end
    end
  end
  function drop.dele(_, uids)
    for _, uid in ipairs(uids) do
      table.insert(drop.deleted, uid)
    end
  end
  function drop.close(_, outcome)
    table.insert(drop.closed, outcome)
  end
  return drop
end

-- A backend for alice, whose password is "secret"; `drop` is her maildrop.
local function backend_of(drop)
  return {
    password = function(_, user) return user == "alice" and "secret" or nil end,
    maildrop = function() return drop end,
  }
end

--- A server for alice, which tells failed logins at once; `options` override.
function support.serve(drop, options)
  local backend = backend_of(drop)
  backend.failed_login_delay = 0
  for name, value in pairs(options or {}) do
    backend[name] = value
  end
  return assert(poplin.serve(backend))
end

--- The same as a test server, for tests of what meets it: a backend's error comes up when it closes.
function support.fixture(drop, options)
  local settings = { backend = backend_of(drop) }
  for name, value in pairs(options or {}) do
    settings[name] = value
  end
  if settings.cert_pem then
    settings.certificate, settings.cert_pem, settings.key_pem = support.certificate, nil, nil
  end
  return assert(testing.Server(settings))
end

--- Options that make a server speak TLS: "never", "stls", "implicit".
function support.tls(mode)
  if mode == "never" then
    return { tls = mode }
  end
  return { tls = mode, cert_pem = support.certificate.cert_pem, key_pem = support.certificate.key_pem }
end

--- A client of alice's; `options` override.
function support.connect(server, options)
  local settings = { user = "alice", password = "secret", ca_pem = support.certificate.ca_pem }
  for name, value in pairs(options or {}) do
    settings[name] = value
  end
  return poplin.connect(server.url, settings)
end

--- n messages of the texts "message 1", ...
function support.messages(n)
  local messages = {}
  for i = 1, n do
    messages[i] = { "uid-" .. i, "Subject: message " .. i .. "\r\n\r\nbody " .. i .. "\r\n" }
  end
  return messages
end

-- The raw peer with a script of its own: the process, and a function that waits for its end and returns whether all
-- went as scripted.
local function peer(task, script)
  local quoted = "'" .. script:gsub("'", "'\\''") .. "'"
  local program = os.getenv("PEER") or "build/venv/bin/python tests/peer"
  local process = assert(io.popen("exec env -u LD_PRELOAD " .. program .. " " .. task .. " -c " .. quoted .. " 2>&1"))
  return process, function()
    local transcript = process:read("a")
    return process:close(), transcript
  end
end

--- The raw peer, listening: its port, and a function that waits for its end and returns whether all went as scripted.
function support.peer(script)
  local process, ended = peer("listen", script)
  local said = assert(process:read("l"))
  local port = said:match("^port (%d+)$") or error(said)
  return math.tointeger(port), ended
end

--- The raw peer, connecting to a test server, with a script of its own: drives until that session has ended, and raises
-- the peer's transcript unless all went as scripted.
function support.talk(server, script)
  local _, ended = peer("connect " .. server.host .. " " .. server.port, script)
  assert(server:wait_for(function() return server.sessions[1] and server.sessions[1].outcome end, 20))
  local ok, transcript = ended()
  assert(ok, transcript)
end

--- The text in a file, for the length of a test, which calls what comes second at its end.
function support.file(text)
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
  return path, function() os.remove(path) end
end

--- Calls f and collects what it warns of.
function support.warnings(f)
  local collected = {}
  local genuine = _G.warn
  _G.warn = function(...)
    table.insert(collected, table.concat({ ... }))
  end
  local ok, problem = pcall(f, collected)
  _G.warn = genuine
  assert(ok, problem)
  return collected
end

return support
