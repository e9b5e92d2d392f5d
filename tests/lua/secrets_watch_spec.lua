--- The watch for secrets itself: each way of telling one is found, and nothing else is.

local poplin = require "poplin"
local testing = require "poplin.testing"
require "support"
local watch = require "secrets_watch"

local WRONG = "not her password"

local function found(text, f)
  local ok, problem = pcall(f)
  assert.is_false(ok)
  assert.is_truthy(tostring(problem):find("^a secret was told: "), problem)
  assert.is_truthy(tostring(problem):find(text, 1, true), problem)
end

local function attempt(server, password)
  return poplin.connect(server.url, { user = "alice", password = password, auth = "PLAIN" })
end

describe("the watch for secrets", function()
  after_each(function()
    watch.secrets = {}
  end)

  -- holds: T-SEC-1 C
  it("finds them in errors of connect, but for what the client masks by itself", function()
    local server <close> = assert(testing.Server { users = { alice = "her own password" } })
    server:fault("GREETING", { nth = 1, status = "-ERR no " .. WRONG })
    server:fault("GREETING", { nth = 2, status = "-ERR no, her own password" })
    server:fault("GREETING", { nth = 3, status = "-ERR no, another of hers" })
    assert.is_nil((attempt(server, WRONG)))
    found("her own password", function() attempt(server, WRONG) end)
    assert.is_nil((attempt(server, function() return "another of hers" end)))
    found("another of hers", function() watch.check("another of hers") end)
    watch.secrets = {}
  end)

  -- holds: T-SEC-1 S
  it("finds them in transcripts, and in the errors of a backend", function()
    local server = assert(testing.Server { users = { alice = WRONG }, greeting = "her password" })
    assert(server:add_user("bob", "the one of bob"))
    server:fault("NOOP", { status = "+OK her own password" })
    assert(attempt(server, WRONG)):close()
    server:close()
    local raising = { authenticate = function(_, _, password) error(password) end, maildrop = print }
    local asking = assert(testing.Server { backend = raising, raise_errors = false })
    assert.is_nil((attempt(asking, WRONG)))
    found(WRONG, function() asking:close() end)
  end)

  it("finds them encoded, whatever comes before", function()
    watch.secrets = { ["her own password"] = true, secret = true, abc = true }
    for _, text in ipairs { "AGFsaWNlAHNlY3JldA==", "YWxpY2VzZWNyZXQ=", "YQBzZWNyZXQA", "of her own password" } do
      found(text, function() watch.check("AUTH PLAIN " .. text) end)
    end
    watch.check("secret abc YWJj AGFsaWNlAHNlY3JlcA==")
  end)
end)
