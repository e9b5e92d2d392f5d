--- What the tests of the scripts in examples/lua share: they run in processes of their own, those that fetch against a
-- test server in the background.

local lfs = require "lfs"
local poplin = require "poplin"
local testing = require "poplin.testing"
local support = require "support"

local scripts = {}

scripts.UNUSED = "pop3://alice@127.0.0.1:1" -- nothing listens there

local LUA = "POPLIN_PASSWORD=${PASSWORD-secret} exec lua5.4 -W "

local folder -- the running test's
local running = {} -- process -> its id

function scripts.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

function scripts.write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

function scripts.names_in(path)
  local names = {}
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then
      table.insert(names, name)
    end
  end
  table.sort(names)
  return names
end

--- Starts a script: the process, and its id. `before` are settings for its shell.
function scripts.start(script, arguments, before)
  local process = assert(io.popen("exec 2>&1; echo $$; " .. (before or "") .. LUA
    .. (script:find("^%-") and script or "examples/lua/" .. script) .. " " .. arguments))
  running[process] = process:read("l")
  return process, running[process]
end

--- What a process said to its end, and its exit status.
function scripts.ended(process)
  local said = process:read("a")
  local _, _, status = process:close()
  running[process] = nil
  return status, said
end

function scripts.run(script, arguments, before)
  return scripts.ended((scripts.start(script, arguments, before)))
end

function scripts.interrupt(pid)
  assert(os.execute("kill -INT " .. pid))
end

--- A Maildir in the test's folder.
function scripts.new_maildir()
  for _, name in ipairs { "", "/tmp", "/new", "/cur" } do
    assert(lfs.mkdir(folder .. "/Maildir" .. name))
  end
  return folder .. "/Maildir"
end

--- A server over TLS with alice's mail, and her URL there.
function scripts.mail_server(options)
  local settings = { users = { alice = "secret" }, background = true, tls = "implicit" }
  for name, value in pairs(options or {}) do
    settings[name] = value
  end
  if settings.tls ~= "never" then
    settings.certificate = support.certificate
  end
  local server = assert(testing.Server(settings))
  for i, message in ipairs(support.messages(3)) do
    assert(server:deliver("alice", "From: Bob <bob-" .. i .. "@example.org>\r\n" .. message[2]))
  end
  scripts.write(folder .. "/ca.pem", support.certificate.ca_pem)
  return server, server:url_for("alice")
end

--- Waits until a client has come to the server and `holds` answers something that is true of its first session; raises
-- what was said where that lasts.
function scripts.wait_for(server, holds)
  assert(server:wait_for(function()
    local session = server.sessions[1]
    return session and holds(session)
  end, 20))
end

function scripts.subjects_on(server)
  local subjects = {}
  for i, message in ipairs(server:messages("alice")) do
    subjects[i] = poplin.headers(message.data, "subject")[1]
  end
  return table.concat(subjects, ", ")
end

scripts.ALL = "message 1, message 2, message 3"

function scripts.contains(text, part)
  if not text:find(part, 1, true) then
    error("expected to find " .. part .. " in:\n" .. text, 2)
  end
end

--- Before each test: makes a folder for it, which is returned.
function scripts.begin()
  folder = os.tmpname()
  assert(os.remove(folder))
  assert(lfs.mkdir(folder))
  return folder
end

--- After each test.
function scripts.finish()
  for process, pid in pairs(running) do -- of a test that failed
    os.execute("kill -KILL " .. pid)
    process:close()
  end
  running = {}
  os.execute("rm -r " .. folder)
end

return scripts
