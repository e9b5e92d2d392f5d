--- The test server: a server over maildrops in memory, or over a script's own, with faults and a log.
--
-- It lives on the script's loop, as all servers of poplin.serve do; or with `background` on a thread of its own in C,
-- where no Lua runs, for clients that block this one.

local core = require "poplin.core"
local misuse = require "poplin.misuse"
local known = require "poplin.options"
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
local QUICK = "USER PLAIN" -- the ways to log in, unless told otherwise: one by SCRAM takes milliseconds
local TOKENS = " OAUTHBEARER XOAUTH2" -- and these where there are tokens

-- ---- options ----

local COUNTS = { keep_sessions = true, max_message = true }

-- Where there are several types, more is to be said than they; elsewhere it is.
local function check_type(name, value)
  local wanted = known.TESTING[name]
  if COUNTS[name] and (math.type(value) ~= "integer" or value < 1) then
    misuse.error("%s: %s must be a whole number above 0, not %s", WHO, name, tostring(value))
  elseif not wanted:find(" ", 1, true) and type(value) ~= wanted then
    misuse.error("%s: %s must be a %s, not a %s", WHO, name, wanted, type(value))
  end
end

local function check_content(options)
  for option, of in pairs { users = "password", tokens = "token" } do
    for name, secret in pairs(options[option] or {}) do
      if type(name) ~= "string" or type(secret) ~= "string" then
        misuse.error("%s: %s must be a table from name to %s", WHO, option, of)
      end
    end
  end
  for name in pairs(options.tokens or {}) do
    if not (options.users or {})[name] then
      misuse.error("%s: tokens has a name that users has not: %s; whoever has a token has a password too", WHO, name)
    end
  end
  for key, name in pairs(options.quirks or {}) do
    if math.type(key) ~= "integer" or type(name) ~= "string" then
      misuse.error("%s: quirks must be an array of names", WHO)
    end
  end
  if options.certificate and not options.certificate.cert_pem then
    misuse.error("%s: certificate must be one of poplin.testing.certificate or ca:certificate", WHO)
  end
end

local function check(options)
  if type(options) ~= "table" then
    misuse.error("%s: options must be a table, not a %s", WHO, type(options))
  end
  local problem = known.unknown(options, known.TESTING)
  if problem then
    misuse.error("%s: %s", WHO, problem)
  end
  for name, value in pairs(options) do
    check_type(name, value)
  end
  check_content(options)
  if options.backend then
    if options.background or options.users or options.tokens or options.max_message then
      misuse.error("%s: a backend of the script's own goes with neither background, users, tokens nor max_message", WHO)
    end
    Script.check_backend(WHO .. ": backend", options.backend, options.auth)
  end
end

-- The settings of the server, and its certificate; or nil and an error.
local function wanted(options)
  local of, certificate = {}, options.certificate
  for _, name in ipairs(known.TESTING_PASSED_ON) do
    of[name] = options[name]
  end
  of.greeting = options.greeting or "poplin test server, not for production"
  of.auth = options.auth or QUICK .. ((options.tokens or (options.backend or {}).token) and TOKENS or "")
  of.failed_login_delay = options.failed_login_delay or 0
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
  of = settings.of(WHO, of)
  of.tokens = options.tokens ~= nil
  return of, certificate
end

-- ---- making and ending ----

-- What runs: a server of the script's loop, or one on a thread of its own.
local function run(self, of, options)
  if not options.background then
    return Script.open(WHO, of, options.backend, self._kit, self._memory)
  end
  return settings.made(WHO, core.background, of, self._kit, self._memory)
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
    _kit = assert(core.testkit(options.keep_sessions or KEPT, options.background and task.loop() or nil)),
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
  for name, token in pairs(options.tokens or {}) do
    assert(self:set_token(name, token))
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
Server.stop = Server.close -- the name that poplin.serve's server has for it

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

-- For a method that takes so many strings.
local function memory_for(self, method, count, ...)
  if getmetatable(self) ~= Server then
    misuse.error("poplin: %s is a method: server:%s(…)", method, method)
  elseif not self._memory then
    misuse.error("poplin: the users and mail of this server are those of the script's own backend")
  end
  for i = 1, count do
    local given = type((select(i, ...)))
    if given ~= "string" then
      misuse.error("bad argument #%d to '%s' (string expected, got %s)", i, method, given)
    end
  end
  return self._memory
end

--- Adds a user: true, or nil and an error.
function Server:add_user(name, secret)
  local ok, err = memory_for(self, "add_user", 2, name, secret):add_user(name, secret)
  if ok then
    self._users[name] = true
    assert(self._kit:add_secret(secret))
  end
  return ok, err
end

--- The user's OAuth 2 token from now on, nil for none: true, or nil and an error. Only of use to a server that was made
-- with tokens.
function Server:set_token(name, token)
  local memory = memory_for(self, "set_token", token == nil and 1 or 2, name, token)
  if token then
    assert(self._kit:add_secret(token))
  end
  return memory:set_token(name, token)
end

--- Removes a user and all mail there.
function Server:remove_user(name)
  local ok, err = memory_for(self, "remove_user", 1, name):remove_user(name)
  if ok then
    self._users[name] = nil
  end
  return ok, err
end

--- Delivers a message, of LF or CRLF lines: its unique-id.
function Server:deliver(user, octets)
  return memory_for(self, "deliver", 2, user, octets):deliver(user, octets)
end

--- Delivers what is at a path: one message, an mbox, a Maildir, or a folder of files. An array of unique-ids.
function Server:load(user, path)
  return memory_for(self, "load", 2, user, path):load(user, path)
end

--- The user's messages, in the order of delivery: an array of { uid = …, octets = …, data = … }.
function Server:messages(user)
  return memory_for(self, "messages", 1, user):list(user)
end

--- Removes a message, whoever has it open.
function Server:remove(user, uid)
  return memory_for(self, "remove", 2, user, uid):remove(user, uid)
end

--- Removes all messages of a user.
function Server:clear(user)
  local uids, err = memory_for(self, "clear", 1, user):unique_ids(user)
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
  if user ~= nil and type(user) ~= "string" then
    misuse.error("bad argument #1 to 'url_for' (string expected, got %s)", type(user))
  end
  return settings.url(self._of, self.port, user)
end

-- ---- faults ----

--- Adds a fault: for a command (nil: any) with settings by name, or all of it as text ("RETR nth=2 drop_after=100").
-- Raises where it makes no sense.
function Server:fault(command, of)
  return Fault.new(self._kit, command, of)
end

--- Has the server behave as this quirk (testing.QUIRKS) says.
function Server:quirk(name)
  return Fault.of_profile(self._kit, "quirk", name)
end

--- Has the server attack its clients, as one of testing.ATTACKS.
function Server:attack(name)
  return Fault.of_profile(self._kit, "attack", name)
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

--- For people: what server and clients said, however little.
function Server:_story()
  local transcript = transcript_of(self)
  return transcript == "" and "no client connected" or transcript
end

-- Waits until holds() answers something, which is returned; nil after so many milliseconds. What is logged, by whatever
-- thread, ends a step of the script's loop.
function Server:_await(milliseconds, holds)
  local deadline = core.now() + milliseconds
  task.check()
  while true do
    local seen = self._kit:changes()
    local result = holds()
    local left = deadline - core.now()
    if result or left <= 0 then
      return result or nil
    elseif self._kit:changes() == seen then
      task.watch(left)
    end
  end
end

--- Waits until predicate(server) answers something that is true, and returns it: it is asked again whenever something
-- has happened. nil and an error of kind "timeout" with the transcripts after `timeout` seconds (5).
function Server:wait_for(predicate, timeout)
  timeout = timeout or TIMEOUT
  if type(predicate) ~= "function" then
    misuse.error("bad argument #1 to 'wait_for' (function expected, got %s)", type(predicate))
  end
  local milliseconds = settings.milliseconds("the timeout of server:wait_for", timeout)
  local result = self:_await(milliseconds, function() return predicate(self) end)
  if result then
    return result
  end
  local err = core.error("timeout", string.format("what was waited for did not come within %g s", timeout))
  err.text = err.text .. "\n" .. self:_story()
  return nil, err
end

-- Moves the clock of the server's loop, which may be the script's own, and lets what is due be handled.
function Server:_advance(seconds)
  local milliseconds = settings.milliseconds("the time of server.clock:advance", seconds)
  if self._background then
    if not self._running then
      misuse.error("poplin: the server was closed")
    end
    assert(self._running:advance(milliseconds))
  else
    task.check()
    task.advance(milliseconds)
    local since = task.turns()
    repeat -- in a task the turn that goes on may have looked at the clock before
      task.watch(0)
    until task.turns() ~= since
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
