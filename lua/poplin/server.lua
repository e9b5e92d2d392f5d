--- The server: it asks the script's functions, each in a task of its own.
--
-- The functions are methods: of the table that serve was given (`maildrop`, and those that know who may log in), and
-- of what maildrop returned (`list`, `retr`, and where there is something to do, `dele` and `close`). Those of one
-- maildrop are called one after the other, close last.

local core = require "poplin.core"
local misuse = require "poplin.misuse"
local known = require "poplin.options"
local offers = require "poplin.offers"
local settings = require "poplin.settings"
local task = require "poplin.task"

local Server = { __name = "poplin.server" }
Server.__index = Server

local ERRORS_KEPT = 1000 -- a hostile peer can provoke errors without end
local PIECE = 65536 -- octets that a pipe is read by
local CALLED = { body = "retr", piece = "retr", pieces_done = "retr", commit = "dele" } -- by which question
local ASKS = { -- the functions that know who may log in
  password = core.ASK_SECRET, scram_keys = core.ASK_KEYS, authenticate = core.ASK_CHECK, token = core.ASK_TOKEN,
}
local REFUSALS = { in_use = true, temporary = true, auth = true, refused = true }

-- ---- what went wrong ----

-- One thing that went wrong: error, the value itself; during, the function that raised it; traceback.
local Problem = {
  __name = "poplin.problem",
  __tostring = function(self)
    return (self.during and self.during .. ": " or "") .. (self.traceback or tostring(self.error))
  end,
}

local function note(self, problem, during, traceback)
  if #self.errors >= ERRORS_KEPT then
    table.remove(self.errors, 1)
  end
  table.insert(self.errors, setmetatable({ error = problem, during = during, traceback = traceback }, Problem))
end

-- Answers with no. The reason is a constant of poplin's, or an error object; anything else is an error for the owner.
local function refuse(self, request, during, kind, reason, text)
  local given = type(reason) == "table" and reason.kind or reason
  if REFUSALS[given] then
    kind = given
  elseif reason ~= nil then
    note(self, reason, during)
    kind = "temporary"
  end
  self._core:refuse(request, kind, text)
end

-- ---- a maildrop and its jobs ----

-- Runs the jobs of a maildrop one at a time. A job: name, request or nil, and what else its handler takes.
local handlers = {}
local begin

local function next_job(self, drop)
  local job = table.remove(drop.jobs, 1)
  if job then
    begin(self, drop, table.unpack(job, 1, job.n))
  end
end

local function release(self, drop)
  if self._drops[drop.id] == drop then
    self._drops[drop.id] = nil
  end
end

-- How a maildrop's job ended: an error is kept and the request refused; one that was opened in vain is closed.
local function ended(self, drop, name, request, failure, traceback)
  drop.busy = false
  if failure then
    note(self, failure.error, name == "maildrop" and drop.maildrop and "list" or CALLED[name] or name, traceback)
    if request then
      self._core:refuse(request, "temporary")
    end
  end
  if name == "close" then
    release(self, drop)
  elseif name == "maildrop" and not drop.taken then
    if drop.maildrop then
      begin(self, drop, "close")
    else
      release(self, drop)
    end
    return
  end
  next_job(self, drop)
end

function begin(self, drop, name, request, ...)
  if drop.busy then
    table.insert(drop.jobs, table.pack(name, request, ...))
    return
  end
  drop.busy = true
  task.start(function(job, ok, problem)
    ended(self, drop, name, request, not ok and { error = problem } or nil, job.traceback)
  end, handlers[name], self, drop, request, ...)
end

local function new_drop(self)
  self._last_id = self._last_id + 1
  local drop = { id = self._last_id, jobs = {}, busy = false, sources = {} }
  self._drops[drop.id] = drop
  return drop
end

-- ---- who logs in: each function in a task of its own ----

-- Calls this function of the backend's about a user, and hands what it returns to `answer`.
local function ask(self, name, request, answer, user, shown)
  task.start(function(job, ok, problem)
    if not ok then
      note(self, problem, name, job.traceback)
      if request then
        self._core:refuse(request, "temporary")
      end
    end
  end, function()
    answer(self, name, request, user, self._backend[name](self._backend, user, shown))
  end)
end

-- Errors name the type of what was returned and never the value, which may be a secret.
local function unfit(name, wanted, value)
  error(string.format("%s must return %s, not a %s", name, wanted, type(value)), 0)
end

-- authenticate and token say whether, or who it is. A token may have come without a name.
local function answer_admission(self, name, request, user, given, reason, text)
  if given == true and user then
    self._core:accept(request)
  elseif given == "" then
    error(name .. " returned an empty name", 0)
  elseif type(given) == "string" then
    self._core:accept(request, given)
  elseif not given then
    refuse(self, request, name, "auth", reason, text)
  elseif given == true then
    error(name .. " must return the user's name, since the client gave none", 0)
  else
    unfit(name, "true, false or the user's name", given)
  end
end

local function answer_keys(self, name, request, _, keys, reason, text)
  if not keys then
    refuse(self, request, name, "auth", reason, text)
  elseif type(keys) ~= "string" then
    unfit(name, "a text or nil", keys)
  elseif self._core:keys(request, keys) == nil then
    error(name .. " must return what poplin.scram_keys makes", 0)
  end
end

-- Who has no password may have keys.
local function answer_secret(self, name, request, user, password, reason, text)
  if password and type(password) ~= "string" then
    unfit(name, "a string or nil", password)
  elseif password then
    self._core:secret(request, password)
  elseif reason == nil and self._backend.scram_keys then
    ask(self, "scram_keys", request, answer_keys, user)
  else
    refuse(self, request, name, "auth", reason, text)
  end
end

local logins = {} -- by question

function logins.check(self, request, user, password)
  ask(self, "authenticate", request, answer_admission, user, password)
end

function logins.token(self, request, user, token)
  ask(self, "token", request, answer_admission, user, token)
end

function logins.secret(self, request, user)
  if self._backend.password then
    ask(self, "password", request, answer_secret, user)
  else
    ask(self, "scram_keys", request, answer_keys, user)
  end
end

function logins.login_failed(self, _, user, address)
  if self._backend.login_failed then
    ask(self, "login_failed", nil, function() end, user, address)
  end
end

-- ---- the handlers of a maildrop's jobs: each in a task ----

-- What is the user's own, where the server says that users differ: login_delay, expire; nil: the server's holds.
local function own_terms(self, maildrop)
  local login_delay = self._login_delay_by_user and maildrop.login_delay or nil
  local expire = self._expire_by_user and maildrop.expire or nil
  if expire == nil then
    return login_delay, nil
  end
  return login_delay,
    offers.days(expire) or error("the maildrop's expire must be a whole number of days or 'never'", 0)
end

-- A second value beside a maildrop is what its owner should know, unless it is what refuses where there is none.
function handlers.maildrop(self, drop, request, user)
  local maildrop, reason, text = self._backend:maildrop(user)
  if not maildrop then
    refuse(self, request, "maildrop", "temporary", reason, text)
    return
  end
  drop.maildrop = maildrop
  if reason ~= nil and not REFUSALS[reason] then
    note(self, reason, "maildrop")
  end
  local list
  list, reason, text = maildrop:list()
  if not list then
    refuse(self, request, "list", "temporary", reason, text)
    return
  elseif type(list) ~= "table" then
    error("list must return an array of { unique-id, octets or nil }, not a " .. type(list), 0)
  end
  drop.taken = self._core:open(request, drop.id, list, own_terms(self, maildrop))
end

-- A source of pieces: what a generic for takes.
local function answer_in_pieces(self, drop, request, following, state, control, closing)
  self._last_id = self._last_id + 1
  local id = self._last_id
  drop.sources[id] = { following = following, state = state, control = control, closing = closing }
  if not self._core:pieces(request, id) then
    handlers.pieces_done(self, drop, nil, id)
  end
end

local function answer_with_file(self, drop, request, file)
  if self._core:body_file(request, file) == nil then
    answer_in_pieces(self, drop, request, function()
      return file:read(PIECE)
    end, nil, nil, setmetatable({}, { __close = function()
      file:close()
    end }))
    return
  end
  file:close()
end

function handlers.body(self, drop, request, uid)
  local body, state, control, closing = drop.maildrop:retr(uid)
  if type(body) == "string" then
    self._core:body(request, body)
  elseif io.type(body) == "file" then
    answer_with_file(self, drop, request, body)
  elseif type(body) == "function" then
    answer_in_pieces(self, drop, request, body, state, control, closing)
  elseif body == nil or body == false then
    refuse(self, request, "retr", "refused", state, control)
  else
    error("retr must return a string, a file handle or an iterator function, not a " .. type(body), 0)
  end
end

function handlers.piece(self, drop, request, id)
  local source = drop.sources[id]
  local piece
  repeat
    piece = source.following(source.state, source.control)
    source.control = piece
  until piece ~= ""
  if piece ~= nil and type(piece) ~= "string" then
    error("a piece of a message must be a string, not a " .. type(piece), 0)
  end
  self._core:piece(request, piece or "", piece == nil)
end

function handlers.pieces_done(_, drop, _, id)
  local source = drop.sources[id]
  drop.sources[id] = nil
  local _ <close> = source.closing
end

function handlers.commit(self, drop, request, uids)
  local dele = drop.maildrop.dele
  if not dele then
    refuse(self, request, "dele", "refused", nil, "this maildrop deletes nothing")
    return
  end
  local answers = table.pack(dele(drop.maildrop, uids))
  if answers.n > 0 and not answers[1] then
    refuse(self, request, "dele", "temporary", answers[2], answers[3])
  else
    self._core:accept(request)
  end
end

function handlers.close(_, drop, _, outcome, err)
  local close = drop.maildrop.close
  if close then
    close(drop.maildrop, outcome or "failed", err)
  end
end

-- ---- questions ----

local function dispatch(self, kind, handle, request, ...)
  self._asked = request or false
  if logins[kind] then
    logins[kind](self, request, ...)
  elseif kind == "maildrop" then
    begin(self, new_drop(self), kind, request, ...)
  elseif kind == "problem" then
    note(self, (...))
  elseif kind then
    begin(self, self._drops[handle], kind, request, ...)
  end
  self._asked = false
  return kind
end

--- For the driver: starts a task for each question that the server has now. A question that memory ran out over is
-- answered with no.
function Server:answer()
  local asked = self._asked
  self._asked = false
  if asked then
    self._core:refuse(asked, "temporary")
  end
  repeat until not dispatch(self, self._core:question())
  if self._stopped then
    task.remove_server(self)
  end
end

-- ---- making and ending ----

local function asks_of(backend)
  local asks = 0
  for name, bit in pairs(ASKS) do
    asks = asks | (backend[name] and bit or 0)
  end
  return asks
end

--- Listens and serves, as long as something drives: a server, or nil and an error. `of` are settings of
-- poplin.settings, whose misuse is that of `who`; `kit` a testkit or nil. `backend` has the script's functions; nil:
-- `memory` has the maildrops.
function Server.open(who, of, backend, kit, memory)
  of.asks = backend and asks_of(backend) or nil
  local server, err = settings.made(who, core.server, task.loop(), of, kit, memory)
  if not server then
    return nil, err
  end
  local self = setmetatable({
    _core = server, _backend = backend, _drops = {}, _last_id = 0, _asked = false, _stopped = false,
    _expire_by_user = of.expire_by_user, _login_delay_by_user = of.login_delay_by_user,
    errors = {}, host = not of.path and (of.host or "127.0.0.1") or nil, path = of.path, port = server:port(),
  }, Server)
  self.url = settings.url(of, self.port)
  task.add_server(self)
  return self
end

--- Raises unless `backend` is a table with the functions that a server needs, none of their names misspelt. Where
-- `auth` is given, some of its names may need no function: the core knows.
function Server.check_backend(who, backend, auth)
  local problem = type(backend) == "table" and known.misspelt(backend, known.BACKEND, "function")
  if problem then
    misuse.error("%s: %s", who, problem)
  end
  if type(backend) ~= "table" or type(backend.maildrop) ~= "function" or auth == nil and asks_of(backend) == 0 then
    misuse.error("%s: a table is needed with the functions maildrop, and password, scram_keys, authenticate or token",
      who)
  end
  for name in pairs(known.BACKEND) do
    if backend[name] and type(backend[name]) ~= "function" then
      misuse.error("%s: %s must be a function, not a %s", who, name, type(backend[name]))
    end
  end
end

-- The table with the functions. Where the settings stand in the same one, the script may have fields of its own there,
-- so that only what looks like a misspelt name can be told; settings that name it as `backend` are all known.
local function backend_of(options)
  local alone = options.backend ~= nil and options.maildrop == nil
  local tell = alone and known.unknown or known.misspelt
  local problem = tell(options, known.SERVE, "setting")
  if problem then
    misuse.error("poplin.serve: %s", problem)
  end
  return alone and options.backend or options
end

--- Serves a script's functions: a server, or nil and an error. See docs/lua.md for the options.
function Server.serve(options)
  local backend = type(options) == "table" and backend_of(options) or options
  Server.check_backend("poplin.serve", backend, type(options) == "table" and options.auth or nil)
  return Server.open("poplin.serve", settings.of("poplin.serve", options), backend)
end

--- How many sessions are open.
function Server:open_sessions()
  return self._core:sessions()
end

--- Ends the server: open sessions are dropped and delete nothing; their maildrops are closed. It does not wait: a
-- callback that is at work goes on in its task. Stopping twice is peaceful.
function Server:stop()
  self._stopped = true
  self._core:close()
  self:answer() -- where memory runs out over that, the driver does the rest
end

function Server:__close()
  self:stop()
end

function Server:__tostring()
  return "poplin.server " .. (self.url or self.path)
end

return Server
