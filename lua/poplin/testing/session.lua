--- A session of a test server: what happened in it, and assertions that explain a failure.
--
-- Its fields are those of the moment: number, peer, open, outcome (nil while it is open), error, tls, user,
-- mechanism, octets_in, octets_out; the arrays retrieved, deleted, marked (of unique-ids), commands, replies (of masked
-- lines) and exchanges; transcript.

local core = require "poplin.core"
local misuse = require "poplin.misuse"
local settings = require "poplin.settings"

local Session = { __name = "poplin.testing.session" }

Session.settle = 5 -- seconds that an assertion gives the session to end, or to become as it should be

local OUTCOMES = core.outcomes()
local is_outcome = {}
for _, word in ipairs(OUTCOMES) do
  is_outcome[word] = true
end

-- A record is taken anew where something was logged since, and stays where its session is no longer kept.
local function record_of(self)
  local kit = self._server._kit
  local changes = kit:changes()
  if changes ~= self._seen then
    local record = kit:record_numbered(self.number)
    if record then
      self._record:close()
      self._record = record
    end
    self._seen = changes
  end
  return self._record
end

function Session:__index(name)
  if Session[name] ~= nil then
    return Session[name]
  elseif name == "transcript" then
    return record_of(self):transcript()
  end
  local values = type(name) == "string" and table.pack(record_of(self):get(name))
  if not values or values.n == 0 then
    misuse.error("poplin: a session has no field '%s'", tostring(name))
  end
  return values[1]
end

function Session:__tostring()
  return string.format("poplin.testing.session %d (%s)", self.number, self.outcome or "open")
end

-- ---- assertions ----

-- Where luassert is loaded, as under busted, its own kind of failure.
local function fail(explanation)
  local luassert = package.loaded.luassert
  if luassert then
    luassert(false, explanation, luassert:level(3))
  end
  error(explanation, 3)
end

-- A client that has just returned may be ahead of the server's books: first this waits, until `problem` finds none or
-- the session has ended. Returns the problem.
local function settled(self, problem)
  local found
  self._server:_await(settings.milliseconds("settle", self.settle), function()
    local record = record_of(self)
    found = problem(record)
    return not found or not record:get("open")
  end)
  return found
end

local function assertion(check)
  return function(self, ...)
    local arguments = table.pack(...)
    for i = 1, arguments.n do
      if type(arguments[i]) ~= "string" then
        misuse.error("bad argument #%d to 'assert_%s' (string expected, got %s)", i, check, type(arguments[i]))
      end
    end
    local explanation = settled(self, function(record)
      return record:check(check, table.unpack(arguments, 1, arguments.n))
    end)
    if explanation then
      fail(explanation)
    end
    return self
  end
end

--- The client said QUIT and was answered +OK.
Session.assert_quit = assertion("quit")

--- The commit removed the messages with these unique-ids, and nothing else.
Session.assert_deleted = assertion("deleted")

--- Each message with one of these unique-ids was sent whole.
Session.assert_retrieved = assertion("retrieved")

--- No password, digest or authentication exchange crossed without TLS.
Session.assert_no_cleartext_secret = assertion("no_cleartext_secret")

--- These commands came in this order, others between them allowed: each a keyword, or a command's beginning ("DELE 2").
Session.assert_order = assertion("order")

--- The session ended so: "committed", "left", "dropped", "timed out", "failed".
function Session:assert_outcome(outcome)
  if not is_outcome[outcome] then
    misuse.error("poplin: an outcome is one of '%s', not '%s'", table.concat(OUTCOMES, "', '"), tostring(outcome))
  end
  local explanation = settled(self, function(record)
    local found = record:get("outcome")
    return found ~= outcome and string.format("the session's outcome should be %s, and it is %s\n%s",
      tostring(outcome), found or "open", record:transcript()) or nil
  end)
  if explanation then
    fail(explanation)
  end
  return self
end

-- ---- all of them ----

local Sessions = { __name = "poplin.testing.sessions" }

function Sessions:__len()
  return self._server._kit:count()
end

-- A session is one object for as long as somebody has it.
function Sessions:__index(place)
  local kit = self._server._kit
  local seen = kit:changes()
  local record = math.type(place) == "integer" and kit:record(place)
  if not record then
    return nil
  end
  local number = record:get("number")
  local session = self._known[number]
  if session then
    record:close()
  else
    session = setmetatable({ number = number, _server = self._server, _record = record, _seen = seen }, Session)
    self._known[number] = session
  end
  return session
end

function Sessions:__pairs()
  return ipairs(self)
end

--- The sessions of a server that are kept, oldest first: a view that grows.
function Session.all(server)
  return setmetatable({ _server = server, _known = setmetatable({}, { __mode = "v" }) }, Sessions)
end

return Session
