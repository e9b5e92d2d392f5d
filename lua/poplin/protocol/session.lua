--- The server's side of one session, without the connection: see poplin.protocol.
--
-- Most events are questions. Each is answered by a method that takes the event, or its number, at once or later, and
-- returns true, or nil and an error: a late or second answer is one, and does no harm. Numbering, deletion marks,
-- dot-stuffing and line ends are the machine's business. Only `commit` deletes.
--
-- While a question is open what is received is only kept: answer first, then receive.

local Event = require "poplin.protocol.event"
local arguments = require "poplin.arguments"
local core = require "poplin.core"
local known = require "poplin.options"
local logins = require "poplin.logins"
local machine = require "poplin.protocol.machine"
local misuse = require "poplin.misuse"
local offers = require "poplin.offers"
local settings = require "poplin.settings"

local WHO = "poplin.protocol.session"
local MODES = { implicit = "implicit", stls = "stls", never = "never" }
local ASKS = {
  authenticate = core.ASK_CHECK, password = core.ASK_SECRET, scram_keys = core.ASK_KEYS, token = core.ASK_TOKEN,
}
local KINDS = { auth = "auth", in_use = "in_use", temporary = "temporary", refused = "refused" }
local PASSED_ON = {
  "protected", "allow_cleartext", "name", "port", "iterations", "pepper", "greeting", "failed_logins", "login_delay",
  "login_delay_by_user", "expire_by_user", "utf8",
}

-- Beside `phase` ("authorization", "transaction", nil after its end) and `tls` (nil, or its version):
local Session = machine.type(WHO, {
  -- how many commands were read so far: a host's time-out begins anew when this changes
  commands = function(self) return (select(2, self._core:facts())) end,
})

Session._who, Session._last, Session._trusting, Session._facts = WHO, "session_closed", false,
  known.PROTOCOL_SESSION_FACTS

-- ---- making ----

local function asks_of(names)
  local asks = 0
  names = type(names) == "string" and { names } or names
  if type(names) ~= "table" then
    misuse.error("%s: asks must be a name, or an array of names", WHO)
  end
  for _, name in ipairs(names) do
    asks = asks | machine.choice(WHO, "asks", name, ASKS)
  end
  return asks
end

local function mechanisms_of(auth, asks)
  local mechanisms, problem = logins.mechanisms(auth)
  if problem then
    misuse.error("%s: %s", WHO, problem)
  end
  for name in (asks == 0 and mechanisms or asks == 0 and "PLAIN" or ""):gmatch("%S+") do
    if not core.need_no_secret(name) then
      misuse.error("%s: nobody could log in: asks must be 'authenticate', 'password', 'scram_keys' or 'token'", WHO)
    end
  end
  return mechanisms
end

local function no_time(what)
  misuse.error("%s is a time, which is the host's here", what)
end

local function settings_of(options)
  local of = { stls = machine.choice(WHO, "tls", options.tls or "never", MODES) == "stls" }
  for _, name in ipairs(PASSED_ON) do
    of[name] = options[name]
  end
  if options.pepper == "" then
    misuse.error("%s: pepper is empty; leave it out to have one made up", WHO)
  end
  of.asks = asks_of(options.asks == nil and "authenticate" or options.asks)
  of.mechanisms = mechanisms_of(options.auth, of.asks)
  offers.add(of, WHO, options, no_time)
  return of
end

--- A session whose first output is the greeting. Options:
--   tls               "implicit": TLS stands before the first octet, and tls_started is called before anything else;
--                     "stls": it is offered, and start_tls may come; "never", the default
--   protected         true: the connection needs no TLS, passwords are allowed on it: it does not leave this machine
--   allow_cleartext   true: they are allowed on any connection
--   asks              what can be asked about who logs in, a name or an array of names, those that a backend's
--                     functions have: "authenticate", the default (questions are check_password), "password"
--                     (find_secret, answered by password), "scram_keys" (find_secret, answered by keys), "token"
--                     (check_token). What clients are offered follows from it: see docs/lua.md
--   failed_logins     true: failed_login events are wanted, by which a failed login can be told late
--   login_delay       is announced here, and it is the host who refuses with "LOGIN-DELAY"
--   port              the one that OAUTHBEARER takes; 0: any
--   limits            as for poplin.serve, but for handshake and stall: time is the host's
--   auth, name, iterations, pepper, greeting, login_delay_by_user, expire, expire_by_user, utf8, languages
--                     as for poplin.serve
function Session.new(options)
  options = options == nil and {} or options
  arguments.check_names(WHO, options, known.PROTOCOL_SESSION, "option")
  local of = settings_of(options)
  local made, err = settings.made(WHO, core.session_machine, of, Event)
  if not made then
    return nil, err
  end
  return setmetatable({ _core = made, _early = options.tls == "implicit", _over = false }, Session)
end

-- ---- how the host ends it ----

--- The client was silent for too long (RFC 1939 wants ten minutes at least): it ends, and deletes nothing. True, or nil
-- and an error: it is over, or waits for the answer to `commit`.
function Session:timeout()
  return self._core:timeout()
end

--- Gives up, because the server stops or nothing can be sent any more: it ends, and deletes nothing.
function Session:abort(reason)
  return misuse.of(WHO .. ":abort", self._core.abort, self._core, reason)
end

-- ---- answers ----

local function answer(self, name, question, ...)
  if type(question) == "table" then
    question = question.question
  end
  return misuse.of(WHO .. ":" .. name, self._core[name], self._core, question, ...)
end

--- Yes: to check_password, check_token, failed_login, commit.
function Session:accept(question)
  return answer(self, "accept", question)
end

--- Yes, and it is this user who logs in: where the token named none, or the name that logs in is another.
function Session:accept_as(question, user)
  return answer(self, "accept_as", question, user)
end

--- The user's password, to find_secret.
function Session:password(question, password)
  return answer(self, "secret", question, password)
end

--- The user's SCRAM keys, to find_secret, as poplin.scram_keys made them.
function Session:keys(question, keys)
  return answer(self, "keys", question, keys)
end

--- No, to any question. kind: poplin.AUTH (a wrong password, an unknown user), poplin.IN_USE, poplin.TEMPORARY, or
-- poplin.REFUSED, the default. text: the words that the client is told. code = "LOGIN-DELAY": the user comes too soon.
function Session:refuse(question, kind, text, code)
  kind = machine.choice(WHO .. ":refuse", "the kind", kind == nil and "refused" or kind, KINDS)
  if code == nil then
    return answer(self, "refuse", question, kind, text)
  elseif code ~= "LOGIN-DELAY" then
    misuse.error("%s:refuse: the code must be 'LOGIN-DELAY', or left out", WHO)
  end
  return answer(self, "refuse_delay", question, text)
end

--- The messages, to open_maildrop: an array of { unique-id, octets }, as a maildrop's `list` gives them; octets as on
-- the wire, or nil where they are not known (with utf8 = true, see docs/offers.md). terms, where users differ:
-- login_delay, expire, what holds for this one. An error of kind "protocol" or "limit": a unique-id is none, or stands
-- twice; or there are too many. The client is refused then.
function Session:open(question, messages, terms)
  local who = WHO .. ":open"
  terms = terms == nil and {} or terms
  arguments.check_names(who, terms, known.PROTOCOL_TERMS, "term")
  local days = offers.days(terms.expire)
  if terms.expire ~= nil and not days then
    misuse.error("%s: expire must be a whole number of days or 'never', not %s", who, tostring(terms.expire))
  end
  return answer(self, "open", question, messages, terms.login_delay, days)
end

--- The message, or a piece of it, to send_body: last = false has another send_body ask for more. Line ends may be CRLF
-- or LF. The string is not copied.
function Session:body(question, data, last)
  return answer(self, "body", question, data, last ~= false)
end

--- Somebody else has deleted these messages, an array of unique-ids: they are asked for no more, and count as deleted.
function Session:gone(uids)
  return misuse.of(WHO .. ":gone", self._core.gone, self._core, uids)
end

return Session
