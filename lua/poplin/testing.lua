--- For tests: a POP3 server that does what the test says and remembers what happened; certificates; a clock to move.
--
--    local testing = require "poplin.testing"
--    it("deletes what it has", function()
--      testing.with_server({ users = { alice = "secret" } }, function(server)
--        local uid = server:deliver("alice", "Subject: hi\n\nhello\n")
--        server:fault("RETR", { nth = 1, drop_after = 5 })
--        fetch(server.url, "alice", "secret")
--        server.sessions[2]:assert_quit():assert_deleted(uid)
--      end)
--    end)

local core = require "poplin.core"
local misuse = require "poplin.misuse"
local settings = require "poplin.settings"
local task = require "poplin.task"
local Server = require "poplin.testing.server"
local certificates = require "poplin.testing.certificate"

local testing = {
  ca = certificates.ca,
  certificate = certificates.certificate,

  -- Tables from name to meaning.
  QUIRKS = core.quirks(),
  ATTACKS = core.attacks(),
  FAULT_SETTINGS = core.fault_settings(),
  BLEMISHES = certificates.BLEMISHES,
}

local Error = getmetatable(core.error("state", ""))

--- A test server: docs/lua.md has its options and methods. nil and an error where it cannot listen.
testing.Server = Server.new

--- Moves the clock of all deadlines forward; what is due then is handled by the next step.
function testing.advance(seconds)
  task.advance(settings.milliseconds("the time of poplin.testing.advance", seconds))
end

-- ---- one test ----

-- Once: an assertion of a session's shows it too.
local function transcript(server, text)
  local said = server.transcript
  if said ~= "" and text:find(said, 1, true) then
    return ""
  end
  return string.format("\n\nThe transcript of %s:\n%s", server.url or server.path, server:_story())
end

-- Errors of the script's own functions are why the client failed, and with it the test.
local function errors_and_transcript(server, text)
  local texts = {}
  for i, problem in ipairs(server.errors) do
    texts[i] = "\n\nAn error in the backend, " .. tostring(problem)
  end
  return table.concat(texts) .. transcript(server, text)
end

-- The first line of a report tells where.
local function placed(text)
  return text:find("^[^\n]-%.lua:%d+: ") and text or misuse.place() .. text
end

-- With a traceback from the script's own line on, unless it has one.
local function traced(problem)
  local text, place, trace = tostring(problem), misuse.place(), debug.traceback()
  if text:find("\nstack traceback:\n", 1, true) then
    return text
  elseif not text:find("^[^\n]-:%d+: ") then
    text = place .. text
  end
  trace = trace:sub(trace:find("\n\t" .. place, 1, true) or 1):gsub("\n[^\n]*in function 'xpcall'.*", "")
  return text .. "\nstack traceback:" .. trace
end

-- What failed, with what there is to tell: text grows; a failure of busted's and an error of poplin's stay what they
-- are; anything else stays as it is.
local function told(problem, text_of, story, server)
  local function with_story(text)
    return text .. story(server, text)
  end
  local metatable = type(problem) == "table" and getmetatable(problem)
  local kind = metatable and metatable.__type
  if type(problem) == "string" or type(problem) == "number" then
    return with_story(text_of(problem))
  elseif metatable == Error then
    problem.text = with_story(placed(problem.text))
  elseif kind == "pending" then
    problem.message = placed(tostring(problem.message))
  elseif kind == "failure" and metatable.__tostring then
    problem.message = with_story(placed(tostring(problem.message)))
  end
  return problem
end

local function finish(server, ok, ...)
  if not ok then
    local _ <close> = server
    error((...), 0)
  end
  local closed, problem = pcall(server.close, server)
  if not closed then
    error(told(problem, tostring, transcript, server), 0)
  end
  return ...
end

--- Calls f(server) with a server of these options, closes it in any case, and returns what f returned. An error of f,
-- or of a backend's functions, comes with the masked transcript of what happened.
function testing.with_server(options, f)
  if type(f) ~= "function" then
    misuse.error("bad argument #2 to 'with_server' (function expected, got %s)", type(f))
  end
  local server, err = Server.new(options)
  if not server then
    error(err, 0)
  end
  return finish(server, xpcall(f, function(problem)
    return told(problem, traced, errors_and_transcript, server)
  end, server))
end

return testing
