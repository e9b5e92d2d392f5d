--- The client: one connection to a POP3 server.
--
-- A method returns nil and an error object where something goes wrong; iterators raise it.

local arguments = require "poplin.arguments"
local capabilities = require "poplin.capabilities"
local connecting = require "poplin.connecting"
local core = require "poplin.core"
local credentials = require "poplin.credentials"
local headers = require "poplin.headers"
local known = require "poplin.options"
local misuse = require "poplin.misuse"
local task = require "poplin.task"

local Client = { __name = "poplin.client" }
Client.__index = Client

-- A message of a listing. Its fields: number, uid (nil where the server has no unique-ids), octets, and in a loop of
-- retr_all, data.
local Message = {}
Message.__index = Message

-- The metatable of one client's messages, which so need no field to know their client by.
local function messages_of(client)
  return {
    __name = "poplin.message",
    __index = setmetatable({ _client = client }, Message),
    __tostring = Message.__tostring,
  }
end

local function is_message(value)
  local metatable = getmetatable(value)
  return type(value) == "table" and metatable and metatable.__name == "poplin.message"
end

-- ---- waiting ----

-- Answers what `ask` answers, once that is no longer false: not yet. It was asked last after so many turns of the
-- driver.
local function settled(link, object, ask, since, answer, ...)
  if answer == false then
    task.wait(link, since)
    return settled(link, object, ask, task.turns(), ask(object))
  end
  task.show()
  return answer, ...
end

local NUMBERED = { RETR = true, TOP = true, DELE = true } -- that are always about one message

-- Sends a command and waits for its reply, which `ask` takes out of the call.
local function run(self, ask, verb, number, lines, language)
  if number ~= nil or NUMBERED[verb] then
    arguments.check_number(verb:lower(), number)
  end
  task.check()
  local call, err = self._link:call(verb, number, lines, false, language)
  if not call then
    return nil, err
  end
  return settled(self._link, call, call[ask], task.turns(), call[ask](call))
end

-- The same for a command whose reply holds nothing but success.
local function run_plain(self, verb, number)
  local text, err = run(self, "reply", verb, number)
  if not text then
    return nil, err
  end
  return true
end

-- ---- connecting ----

-- What was negotiated; as a string it is version and cipher in words.
local Info = { __name = "poplin.tls" }

function Info:__tostring()
  return self.words
end

-- Notes what an opening, a login or TLS has changed.
local function refresh(self)
  self.greeting, self.mechanism = self._link:facts()
  self.capabilities = capabilities.of(self._link:capabilities())
  local info = self._link:tls()
  self.tls = info and setmetatable(info, Info)
end

-- One connection and its login: a client, or nil and an error; err.answer is what the server said of a refused token.
local function attempt(url, options, answer)
  local ok, link, where, user = pcall(connecting.open, url, options, answer)
  if not ok then
    error(type(link) == "string" and misuse.place() .. "poplin.connect: " .. link or link, 0)
  elseif not link then
    return nil, where
  end
  local self = setmetatable({ _link = link, _where = where, _marks = 0, _open = true, user = user }, Client)
  self._message = messages_of(self)
  local opened, err = settled(link, link, link.opened, task.turns(), link:opened())
  if not opened then
    err.answer = link:answer()
    self:close()
    return nil, err
  end
  refresh(self)
  return self
end

-- A connection with one login, which is repeated where a token is refused and another can be had.
local function connect(url, options)
  local self, err = attempt(url, options)
  local again = type(options.token) == "function" and options.descriptor == nil
  if not self and again and credentials.refused(err) and err.answer then
    return attempt(url, options, err.answer)
  end
  return self, err
end

--- Connects and, with a user, logs in: a client, or nil and an error. See docs/lua.md for the options.
function Client.connect(url, options)
  task.check()
  options = options or {}
  if type(options) ~= "table" or type(options.user) ~= "table" then
    return connect(url, options)
  end
  local self, err
  for _, one in ipairs(credentials.guesses(url, options)) do
    self, err = connect(url, one)
    if self or not credentials.refused(err) then -- what else the server may say is no reason to guess
      break
    end
  end
  return self, err
end

--- Logs in, on a connection made without a user. After a refusal another attempt may follow.
function Client:login(user, password)
  arguments.check_string("login: the user", user)
  arguments.check_string("login: the password", password)
  task.check()
  local call, err = self._link:login(user, password)
  if not call then
    return nil, err
  end
  local text, refusal = settled(self._link, call, call.reply, task.turns(), call:reply())
  if not text then
    return nil, refusal
  end
  self.user = user
  refresh(self)
  return true
end

--- Starts TLS (STLS), on a connection made with tls = "never" and not logged in yet.
function Client:stls()
  local ok, err = run_plain(self, "STLS")
  if not ok then
    return nil, err
  end
  ok, err = self:capa()
  refresh(self)
  if not ok and err.kind ~= "refused" then
    return nil, err
  end
  return true
end

-- ---- the verbs ----

--- How many messages there are, and their octets together.
function Client:stat()
  local text, count, octets = run(self, "reply", "STAT")
  if not text then
    return nil, count
  end
  return count, octets
end

--- With a number its octets; without, an array of { number = n, octets = n }. Messages marked as deleted are left out.
function Client:list(number)
  if number == nil then
    return run(self, "sizes", "LIST")
  end
  local text, err, octets = run(self, "reply", "LIST", number)
  if not text then
    return nil, err
  end
  return octets
end

--- With a number its unique-id; without, an array of { number = n, uid = s }.
function Client:uidl(number)
  if number == nil then
    return run(self, "unique_ids", "UIDL")
  end
  local uid, err = run(self, "reply", "UIDL", number)
  if not uid then
    return nil, err
  end
  return uid
end

local function retr_into(self, number, into)
  arguments.check_number("retr", number)
  local write = arguments.writer(into)
  task.check()
  local call <close>, err = self._link:call("RETR", number, nil, true)
  if not call then
    return nil, err
  end
  while true do
    local piece, more = settled(self._link, call, call.piece, task.turns(), call:piece())
    if piece == true then
      return more
    elseif not piece then
      return nil, more
    end
    local ok, failure = write(piece)
    if not ok then
      return nil, failure
    end
  end
end

--- One message, CRLF line ends kept: a string. With `into`, a file handle or a function that is called with each
-- piece, it passes through in constant memory, and what is returned is its octets.
function Client:retr(number, into)
  if into ~= nil then
    return retr_into(self, number, into)
  end
  return run(self, "body", "RETR", number)
end

--- A message's header, the empty line, and the first lines of its body.
function Client:top(number, lines)
  lines = lines or 0
  arguments.check_lines(lines)
  return run(self, "body", "TOP", number, lines)
end

--- Marks a message as deleted; quit deletes it. Inside a loop of retr_all this returns at once, and a refusal comes
-- with the loop's next step, at the latest with quit.
function Client:dele(number)
  local ok, err
  if self._series then
    arguments.check_number("dele", number)
    ok, err = self._link:dele(number)
  else
    ok, err = run_plain(self, "DELE", number)
  end
  if ok then
    self._marks = self._marks + 1
  end
  return ok, err
end

--- Takes back all marks.
function Client:rset()
  local ok, err = run_plain(self, "RSET")
  if ok then
    self._marks = 0
  end
  return ok, err
end

--- Does nothing, but hears from the server.
function Client:noop()
  return run_plain(self, "NOOP")
end

--- Asks what the server can do: a table from each capability's name to an array of its parameters, and more (see
-- poplin.capabilities). The last answer is also in the field `capabilities`.
function Client:capa()
  local text, err = run(self, "reply", "CAPA")
  if not text then
    return nil, err
  end
  self.capabilities = capabilities.of(self._link:capabilities())
  return self.capabilities
end

--- Asks for mail with UTF-8 in its headers as it is (UTF8), on a connection made without a user; with one, the option
-- utf8 of connect does so.
function Client:utf8()
  return run_plain(self, "UTF8")
end

--- The languages that the server's messages can be had in, an array of { tag = s, description = s or nil }; or, with a
-- tag ("de", "pt-BR") or "*" (the server's choice), chooses one and returns its tag.
function Client:lang(language)
  if language ~= nil then
    arguments.check_string("lang: the language", language)
    local tag, err = run(self, "reply", "LANG", nil, nil, language)
    if not tag then
      return nil, err
    end
    return tag
  end
  local lines, err = run(self, "texts", "LANG")
  if not lines then
    return nil, err
  end
  local languages = {}
  for i, line in ipairs(lines) do
    local tag, description = line.text:match("^(%S+) ?(.*)$")
    languages[i] = { tag = tag or line.text, description = description ~= "" and description or nil }
  end
  return languages
end

--- Leaves with QUIT: the server deletes what was marked. The client is closed afterwards, whatever happens.
function Client:quit()
  local ok, err = run_plain(self, "QUIT")
  self._marks = 0 -- the caller is told what became of them
  self:close()
  return ok, err
end

-- ---- messages ----

-- LIST and UIDL, which go out together: a listing, or nil and an error. A server without unique-ids is one, where the
-- caller needs them.
local function listing_of(self, needs_names)
  task.check()
  local sizes, err = self._link:call("LIST")
  local names, another = self._link:call("UIDL")
  if not sizes or not names then
    return nil, err or another
  end
  local listed, failure = settled(self._link, sizes, sizes.done, task.turns(), sizes:done())
  if not listed then
    return nil, failure
  end
  local named, refusal = settled(self._link, names, names.done, task.turns(), names:done())
  if not named and (needs_names or refusal.kind ~= "refused") then
    return nil, refusal
  end
  return sizes:listing(named and names or nil)
end

--- All messages, an array; nothing is fetched. LIST and UIDL go out together. Options: newest_first = true, the last
-- number first; since_uid, only those behind the message of that unique-id, or all, where the server does not have it
-- any more.
function Client:messages(options)
  options = options or {}
  arguments.check_names("messages", options, known.MESSAGES)
  local since, newest_first = options.since_uid, options.newest_first
  if since ~= nil then
    arguments.check_string("messages: since_uid", since)
  end
  local listing, err = listing_of(self, since ~= nil)
  if not listing then
    return nil, err
  end
  return listing:messages(self._message, since, newest_first)
end

-- The listing of what a loop is to fetch: all, or those named by number or given as messages.
local function wanted_of(self, wanted)
  local numbers = wanted ~= nil and arguments.numbers(wanted, is_message)
  local listing, err = listing_of(self)
  if not listing or not numbers then
    return listing, err
  end
  return listing:pick(numbers)
end

-- A loop's state; its end, early or not, lets the rest go.
local Cursor = {}
Cursor.__index = Cursor

function Cursor:__close()
  self.series:close()
  if self.client._series == self.series then
    self.client._series = nil
  end
end

-- The iterator's step where the series did not answer with a message at once.
local function step_slowly(cursor, since, message, err)
  while message == false do
    task.wait(cursor.client._link, since)
    since = task.turns()
    message, err = cursor.series:next()
  end
  if message then
    return message
  end
  cursor:__close()
  if err then
    error(err, 0)
  end
  task.wake(cursor.client._link)
end

--- An iterator over the messages with their `data`, the pipeline kept full, no more read ahead than the window: all, or
-- those of an array of numbers or messages, each once. It raises the error object where it fails, and where the server
-- refuses a message. Beginning another loop ends this one.
function Client:retr_all(numbers)
  local listing, err = wanted_of(self, numbers)
  if not listing then
    error(err, 0)
  end
  if self._series then
    self._series:close()
  end
  local series, failure = self._link:retr_all(listing, self._message)
  if not series then
    error(failure, 0)
  end
  self._series = series
  local cursor, next_message = setmetatable({ client = self, series = series }, Cursor), series.next
  return function()
    local since = task.turns()
    local message, problem = next_message(series)
    return message or step_slowly(cursor, since, message, problem)
  end, nil, nil, cursor
end

--- As client:retr.
function Message:retr(into)
  return self._client:retr(self.number, into)
end

--- As client:top.
function Message:top(lines)
  return self._client:top(self.number, lines)
end

--- As client:dele.
function Message:dele()
  return self._client:dele(self.number)
end

-- What TOP brings without the body, cut where it is longer than any header may be: some servers send the whole
-- message.
local function fetch_header(self, number)
  task.check()
  local call <close>, err = self._link:call("TOP", number, 0, true)
  local pieces, size = {}, 0
  while call do
    local piece, failure = settled(self._link, call, call.piece, task.turns(), call:piece())
    if piece == true then
      return table.concat(pieces)
    elseif not piece then
      return nil, failure
    elseif size <= core.HEADER_MAX then
      pieces[#pieces + 1], size = piece, size + #piece
    end
  end
  return nil, err
end

--- message:header(name): the value of the first field of that name, unfolded and decoded, nil where there is none;
-- message:headers(name): all fields, or the values of all of that name. Or nil and an error. See docs/lua.md.
Message.header, Message.headers = headers.methods(fetch_header)

function Message:__tostring()
  return string.format("poplin.message %d (%d octets)", self.number, self.octets)
end

-- ---- ending ----

local function warn_of_marks(self)
  if self._marks > 0 then
    warn(string.format("poplin: the connection to %s was closed without quit(): %d deletion(s) were not made",
      self._where, self._marks))
    self._marks = 0
  end
end

--- Drops the connection without QUIT, so that nothing is deleted. Closing twice is peaceful.
function Client:close()
  if self._open then
    self._open, self._series = false, nil
    warn_of_marks(self)
    task.wake(self._link)
    self._link:close()
    task.show()
  end
end

function Client:__close()
  self:close()
end

-- The connection itself is left to the driver's next step.
function Client:__gc()
  warn_of_marks(self)
end

function Client:__tostring()
  return string.format("poplin.client %s (%s)", self._where, self._open and (self.tls or "no TLS") or "closed")
end

return Client
