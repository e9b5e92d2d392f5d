--- The client's side of one connection, without the connection: see poplin.protocol.
--
-- Each command's method queues it and returns its tag, which its answer carries; or nil and an error: it does not fit
-- the state, or cannot be sent (a password with a line end in it). With a server that announces PIPELINING commands go
-- out ahead of their answers. A refusal (-ERR) is an event, and the session goes on; whatever ends the session badly is
-- told by next_event, and by all that is called afterwards.

local Event = require "poplin.protocol.event"
local arguments = require "poplin.arguments"
local capabilities = require "poplin.capabilities"
local core = require "poplin.core"
local known = require "poplin.options"
local logins = require "poplin.logins"
local machine = require "poplin.protocol.machine"
local misuse = require "poplin.misuse"
local settings = require "poplin.settings"

local WHO = "poplin.protocol.client"
local MODES = {
  implicit = core.TLS_IMPLICIT, stls = core.TLS_STLS, auto = core.TLS_AUTO, never = core.TLS_NEVER,
}
local PASSED_ON = { "protected", "host", "port", "pipelining", "utf8", "strict", "max_message" }

-- Beside `phase` ("authorization", "transaction", nil before the greeting and after the end) and `tls` (nil, or its
-- version):
local Client = machine.type(WHO, {
  -- how many commands wait for their answer: a time-out is of use only while there are any
  outstanding = function(self) return (select(2, self._core:facts())) end,
  -- how the login was done ("SCRAM-SHA-256", "USER" for USER and PASS); nil before it
  mechanism = function(self) return (select(3, self._core:facts())) end,
  -- what the server announced last; empty where it does not know CAPA, or was not asked
  capabilities = function(self) return capabilities.of(self._core:capabilities() or {}) end,
})

Client._who, Client._last, Client._trusting, Client._facts = WHO, "closed", true, known.PROTOCOL_CLIENT_FACTS

-- ---- making ----

local function settings_of(options)
  local of = { mode = machine.choice(WHO, "tls", options.tls or "implicit", MODES) }
  for _, name in ipairs(PASSED_ON) do
    of[name] = options[name]
  end
  of.two_step = options.initial_response == false
  local mechanisms, problem = logins.mechanisms(options.auth)
  if problem then
    misuse.error("%s: %s", WHO, problem)
  end
  of.mechanisms = mechanisms
  local limits = options.limits == nil and {} or options.limits
  arguments.check_names(WHO, limits, known.CONNECT_LIMITS, "limit")
  for name, value in next, limits do
    of[name] = value
  end
  return of
end

--- A client that waits for the greeting. Options:
--   tls               "implicit" (the default): TLS stands before the first octet, and tls_started is called before
--                     anything is received; "stls": it is demanded, by STLS; "auto": the same, but none where
--                     protected; "never": only where the script asks for it by stls(), and passwords may go in clear
--   protected         true: the connection needs no TLS, since it does not leave this machine
--   host, port        the server as the user named it: for errors, for start_tls, and for OAUTHBEARER, which tells it
--   auth, initial_response, pipelining, utf8, strict, max_message, limits   as for poplin.connect
function Client.new(options)
  options = options == nil and {} or options
  arguments.check_names(WHO, options, known.PROTOCOL_CLIENT, "option")
  local of = settings_of(options)
  local made, err = settings.made(WHO, core.client_machine, of, Event)
  if not made then
    return nil, err
  end
  return setmetatable({
    _core = made, _host = options.host, _over = false,
    _free = of.mechanisms ~= nil and core.need_no_secret(of.mechanisms),
  }, Client)
end

-- ---- the beginning ----

local function login(self, who, opening, user, password, token, authorize)
  local wanted = self._free or not opening or user ~= nil or password ~= nil or token ~= nil or authorize ~= nil
  return misuse.of(who, self._core.login, self._core, opening, wanted, user, password, token, authorize)
end

--- The opening in one, before anything was received: the greeting is waited for, the capabilities are asked for, TLS is
-- started where it is demanded, and, with a user, there is a login, by password or token. Ends in `opened`. Without a
-- user there is none, unless auth names a mechanism that needs none. A policy that cannot be met ends the session
-- before any secret is sent.
function Client:open(user, password, token, authorize)
  return login(self, WHO .. ":open", true, user, password, token, authorize)
end

--- Logs in on an opened connection, where nothing is outstanding. Ends in `opened`. The capabilities have to be known,
-- by open or capa: else there is only USER and PASS.
function Client:login(user, password, token, authorize)
  return login(self, WHO .. ":login", false, user, password, token, authorize)
end

-- ---- commands ----

local function submit(self, verb, ...)
  return misuse.of(WHO .. ":" .. verb:lower(), self._core.submit, self._core, verb, ...)
end

-- A message number, or what is refused as none.
local function needed(number)
  return number == nil and 0 or number
end

--- STAT: a `reply` with count and octets.
function Client:stat()
  return submit(self, "STAT")
end

--- LIST: a `listing` for each message; with a number the reply's octets.
function Client:list(number)
  return submit(self, "LIST", number)
end

--- UIDL: a `unique_id` for each message; with a number the reply's text.
function Client:uidl(number)
  return submit(self, "UIDL", number)
end

--- RETR: `body` events. octets: the message's size, from LIST, where known: it bounds what is sent ahead.
function Client:retr(number, octets)
  return submit(self, "RETR", needed(number), nil, octets)
end

--- TOP: `body` events.
function Client:top(number, lines, octets)
  return submit(self, "TOP", needed(number), lines, octets)
end

--- RETR of message after message, as many ahead as fit the window; each `reply` has its number. messages: an array of
-- numbers, or of tables with number and octets, as LIST told them. Commands that are queued meanwhile go first, so
-- that a DELE does not wait for all of them. An error of kind "state": another such series is under way.
function Client:retr_all(messages)
  return misuse.of(WHO .. ":retr_all", self._core.retr_all, self._core, messages)
end

--- Sends no further RETR of retr_all; those that are under way are answered still. How many were not sent.
function Client:retr_stop()
  return self._core:retr_stop()
end

--- DELE.
function Client:dele(number)
  return submit(self, "DELE", needed(number))
end

--- RSET.
function Client:rset()
  return submit(self, "RSET")
end

--- NOOP.
function Client:noop()
  return submit(self, "NOOP")
end

--- CAPA: a `reply` and an `end`; then `capabilities` holds what was announced.
function Client:capa()
  return submit(self, "CAPA")
end

--- STLS, for who does not leave it to open: a `reply`, then `start_tls`. Ask capa again afterwards.
function Client:stls()
  return submit(self, "STLS")
end

--- UTF8.
function Client:utf8()
  return submit(self, "UTF8")
end

--- LANG: a `language` for each that there is; with a tag or "*" it is chosen, and the reply's text is its tag.
function Client:lang(language)
  return submit(self, "LANG", nil, nil, nil, language)
end

--- QUIT: the server deletes what was marked, and closes. Nothing can be queued behind it.
function Client:quit()
  return submit(self, "QUIT")
end

--- A line of one's own, in any state after the greeting: "XTND XLST Subject". It is answered by a `reply` without verb,
-- whose text is all of it; with multiline = true, and where the answer is +OK, `body` events and an `end` follow.
-- Nothing is believed of what is answered: a login by hand is not known to `phase`.
--
-- secret = true: the line holds one, as PASS, APOP and AUTH with an initial response do anyway: it is hidden in errors,
-- and in the reply, should the server repeat it. An answer that begins with "+ " (the reply's challenge) is possible
-- where the line is secret or begins with AUTH, and wants one more line: it goes before all that is queued, and
-- nothing but a command can be queued before it.
--
-- Errors: of kind "protocol" or "limit": it holds CR, LF or NUL, is too long, or is STLS or QUIT, which have methods of
-- their own; "tls": it is secret, or AUTH, and TLS is demanded and does not stand yet.
function Client:command(line, options)
  local who = WHO .. ":command"
  options = options == nil and {} or options
  arguments.check_names(who, options, known.PROTOCOL_COMMAND, "option")
  for name, value in next, options do
    if type(value) ~= "boolean" then
      misuse.error("%s: %s must be true or false", who, name)
    end
  end
  return misuse.of(who, self._core.command, self._core, line, options.multiline, options.secret)
end

return Client
