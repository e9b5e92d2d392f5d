--- The test server: a server over maildrops in memory, or over a script's own, with faults and a log.
--
-- It lives on the script's loop, as all servers of poplin.serve do; or with `background` on a thread of its own in C,
-- where no Lua runs, for clients that block this one.

local core = require "poplin.core"
local settings = require "poplin.settings"
local task = require "poplin.task"
local Fault = require "poplin.testing.fault"
local Script = require "poplin.server"
local Session = require "poplin.testing.session"
local certificates = require "poplin.testing.certificate"

local Server = { __name = "poplin.testing.server" }

local WHO = "poplin.testing.Server"
local KEPT = 10000 -- sessions, unless told otherwise
local TIMEOUT = 5 -- seconds of wait_for, unless told otherwise

-- ---- options ----

local PASSED_ON = {
  "host", "port", "path", "exclusive", "inactivity", "max_sessions", "allow_cleartext", "loopback_protected",
}

local OPTIONS = {
  users = "table", backend = "table", background = "boolean", tls = "string", certificate = "table", quirks = "table",
  greeting = "string", keep_sessions = "number", max_message = "number", raise_errors = "boolean",
  host = "string", port = "number", path = "string", exclusive = "boolean", inactivity = "number",
  max_sessions = "number", allow_cleartext = "boolean", loopback_protected = "boolean",
}

local function check(options)
  for name, value in pairs(options) do
    if not OPTIONS[name] then
      error(WHO .. ": unknown option: " .. tostring(name), 0)
    elseif type(value) ~= OPTIONS[name] then
      error(string.format("%s: %s must be a %s, not a %s", WHO, name, OPTIONS[name], type(value)), 0)
    end
  end
  if options.backend then
    if options.background or options.users or options.max_message then
      error(WHO .. ": a backend of the script's own goes with neither background nor users nor max_message", 0)
    end
    Script.check_backend(WHO .. ": backend", options.backend)
  end
end

-- The settings of the server, and its certificate; or nil and an error.
local function wanted(options)
  local of, certificate = {}, options.certificate
  for _, name in ipairs(PASSED_ON) do
    of[name] = options[name]
  end
  of.greeting = options.greeting or "poplin test server, not for production"
  of.tls = options.tls or certificate and "auto" or "never"
  if not certificate and (of.tls == "implicit" or of.tls == "stls") then
    local err
    certificate, err = certificates.certificate()
    if not certificate then
      return nil, err
    end
  end
  if certificate then
    of.cert_pem, of.key_pem, of.staple = certificate.cert_pem, certificate.key_pem, certificate.staple
  end
  return settings.of(WHO, of), certificate
end

-- ---- making and ending ----

-- What runs: a server of the script's loop, or one on a thread of its own.
local function run(self, of, options)
  if not options.background then
    return Script.open(of, options.backend, self._kit, self._memory)
  end
  return core.background(of, self._kit, self._memory)
end

--- A test server that listens, or nil and an error. See docs/lua.md for the options.
function Server.new(options)
  options = options or {}
  check(options)
  local of, certificate = wanted(options)
  if not of then
    return nil, certificate
  end
  local self = setmetatable({
    host = not of.path and (of.host or "127.0.0.1") or nil, path = of.path,
    certificate = certificate, ca_pem = certificate and certificate.ca_pem, errors = {},
    _of = of, _background = options.background, _raise_errors = options.raise_errors ~= false,
    _kit = assert(core.testkit(options.keep_sessions or KEPT)),
    _memory = not options.backend and assert(core.memory()) or nil, _users = {},
  }, Server)
  self.sessions = Session.all(self)
  self.clock = { advance = function(_, seconds) self:_advance(seconds) end }
  if options.max_message then
    self._memory:limit(options.max_message)
  end
  for name, secret in pairs(options.users or {}) do
    assert(self:add_user(name, secret))
  end
  for _, name in ipairs(options.quirks or {}) do
    self:quirk(name)
  end
  local running, err = run(self, of, options)
  if not running then
    return nil, err
  end
  self._running, self.errors = running, running.errors or self.errors
  self.port = options.background and running:port() or running.port
  self.url = settings.url(of, self.port)
  return self
end

-- Raises what went wrong in the script's functions: one thing as it was raised, where it is no mere text.
local function raise(errors)
  if #errors == 1 and type(errors[1].error) ~= "string" then
    error(errors[1].error, 0)
  elseif errors[1] then
    local texts = {}
    for i, problem in ipairs(errors) do
      texts[i] = tostring(problem)
    end
    error(table.concat(texts, "\n"), 0)
  end
end

-- Answers whether it was running.
local function stop(self)
  local running = self._running
  self._running = nil
  if running and self._background then
    running:close()
  elseif running then
    running:stop()
  end
  return running ~= nil
end

--- Ends the server: open sessions end as "failed" and delete nothing. What it knows can still be asked. Raises the
-- errors of the script's functions, unless raise_errors is false. Closing twice is peaceful.
function Server:close()
  if stop(self) and self._raise_errors then
    raise(self.errors)
  end
end

-- An error that is on its way is not covered by another.
function Server:__close(err)
  if err ~= nil then
    stop(self)
  else
    self:close()
  end
end

function Server:__tostring()
  return "poplin.testing.server " .. (self.url or self.path)
end

-- ---- users and mail ----

local function memory_of(self)
  return self._memory or error("poplin: the users and mail of this server are those of the script's own backend", 3)
end

--- Adds a user: true, or nil and an error.
function Server:add_user(name, secret)
  local ok, err = memory_of(self):add_user(name, secret)
  if ok then
    self._users[name] = true
    assert(self._kit:add_secret(secret))
  end
  return ok, err
end

--- Removes a user and all mail there.
function Server:remove_user(name)
  local ok, err = memory_of(self):remove_user(name)
  if ok then
    self._users[name] = nil
  end
  return ok, err
end

--- Delivers a message, of LF or CRLF lines: its unique-id.
function Server:deliver(user, octets)
  return memory_of(self):deliver(user, octets)
end

--- Delivers what is at a path: one message, an mbox, a Maildir, or a folder of files. An array of unique-ids.
function Server:load(user, path)
  local memory = memory_of(self)
  local before, err = memory:unique_ids(user)
  if not before then
    return nil, err
  end
  local count, failure = memory:load(user, path)
  if not count then
    return nil, failure
  end
  local known, loaded = {}, {}
  for _, uid in ipairs(before) do
    known[uid] = true
  end
  for _, uid in ipairs(memory:unique_ids(user) or {}) do
    if not known[uid] then
      table.insert(loaded, uid)
    end
  end
  return loaded
end

--- The user's messages, in the order of delivery: an array of { uid = …, octets = …, data = … }.
function Server:messages(user)
  return memory_of(self):list(user)
end

--- Removes a message, whoever has it open.
function Server:remove(user, uid)
  return memory_of(self):remove(user, uid)
end

--- Removes all messages of a user.
function Server:clear(user)
  local uids, err = memory_of(self):unique_ids(user)
  if not uids then
    return nil, err
  end
  for _, uid in ipairs(uids) do
    self._memory:remove(user, uid) -- a session may have been faster
  end
  return true
end

--- Where to connect, the user's name in it; nil for a Unix socket.
function Server:url_for(user)
  return settings.url(self._of, self.port, user)
end

-- ---- faults ----

-- An error in the name of whoever called the method that calls this.
local function checked(ok, ...)
  if not ok then
    local problem = ...
    error(type(problem) == "string" and "poplin: " .. problem or problem, 3)
  end
  return ...
end

--- Adds a fault: for a command (nil: any) with settings by name, or all of it as text ("RETR nth=2 drop_after=100").
-- Raises where it makes no sense.
function Server:fault(command, of)
  local fault = checked(pcall(Fault.new, self._kit, command, of))
  return fault
end

--- Has the server behave as this quirk (testing.QUIRKS) says.
function Server:quirk(name)
  local fault = checked(pcall(Fault.of_profile, self._kit, name))
  return fault
end

--- Has the server attack its clients, as one of testing.ATTACKS.
function Server:attack(name)
  local fault = checked(pcall(Fault.of_profile, self._kit, name))
  return fault
end

-- ---- what happens ----

local function transcript_of(self)
  local texts = {}
  for i, session in ipairs(self.sessions) do
    texts[i] = session.transcript
  end
  return table.concat(texts, "\n")
end

function Server:__index(name)
  if name == "transcript" then
    return transcript_of(self)
  end
  return Server[name]
end

-- Waits until holds() answers something, which is returned; nil after so many seconds.
function Server:_await(seconds, holds)
  local deadline = core.now() + settings.milliseconds(seconds)
  while true do
    local seen = self._kit:changes()
    local result = holds()
    local left = deadline - core.now()
    if result or left <= 0 then
      return result or nil
    elseif self._kit:changes() == seen then
      if self._background then
        task.check_blocking()
        assert(self._kit:wait(seen, left))
      else
        task.watch(left)
      end
    end
  end
end

--- Waits until predicate(server) answers something that is true, and returns it: it is asked again whenever something
-- has happened. nil and an error of kind "timeout" with the transcripts after `timeout` seconds (5).
function Server:wait_for(predicate, timeout)
  timeout = timeout or TIMEOUT
  local result = self:_await(timeout, function() return predicate(self) end)
  if result then
    return result
  end
  local err = core.error("timeout", string.format("what was waited for did not come within %g s", timeout))
  err.text = err.text .. "\n" .. transcript_of(self)
  return nil, err
end

-- Moves the clock of the server's loop, which may be the script's own, and lets what is due be handled.
function Server:_advance(seconds)
  if self._background then
    local running = self._running or error("poplin: the server was closed", 3)
    assert(running:advance(settings.milliseconds(seconds)))
  else
    task.check()
    task.loop():advance(settings.milliseconds(seconds))
    task.watch(0)
  end
end

--- Forgets faults, quirks, ended sessions and all mail. Users stay.
function Server:reset()
  self._kit:reset()
  self.sessions = Session.all(self)
  for name in pairs(self._users) do
    self:clear(name)
  end
end

return Server
