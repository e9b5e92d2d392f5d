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

-- Options that make no sense are an error of the caller's.
local function new(options, level)
  local ok, server, err = pcall(Server.new, options)
  if not ok then
    error(server, level + 1)
  end
  return server, err
end

--- A test server: docs/lua.md has its options and methods. nil and an error where it cannot listen.
function testing.Server(options)
  local server, err = new(options, 2)
  return server, err
end

--- Moves the clock of all deadlines forward; what is due then is handled by the next step.
function testing.advance(seconds)
  task.loop():advance(settings.milliseconds(seconds))
end

-- ---- one test ----

-- What failed, with what happened at the server: text grows; a failure of busted's and an error of poplin's stay what
-- they are.
local function told(problem, server)
  local transcript = server.transcript
  local function with_transcript(text)
    if transcript ~= "" and text:find(transcript, 1, true) then
      return text -- an assertion of a session's has shown it
    end
    return text .. "\n\nThe server's transcript:\n" .. (transcript == "" and "no client connected" or transcript)
  end
  if type(problem) == "string" then
    return with_transcript((debug.traceback(problem, 3):gsub("\n[^\n]*in function 'xpcall'.*", "")))
  end
  local metatable = type(problem) == "table" and getmetatable(problem)
  if metatable == Error then
    problem.text = with_transcript(problem.text)
  elseif metatable and metatable.__type == "failure" and metatable.__tostring then
    problem.message = with_transcript(tostring(problem.message))
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
    error(told(problem, server), 0)
  end
  return ...
end

--- Calls f(server) with a server of these options, closes it in any case, and returns what f returned. An error of f,
-- or of a backend's functions, comes with the masked transcript of what happened.
function testing.with_server(options, f)
  local server, err = new(options, 2)
  if not server then
    error(err, 0)
  end
  local function tell(problem)
    return told(problem, server)
  end
  return finish(server, xpcall(f, tell, server))
end

return testing
