--- The test server with a backend of the script's own, and with_server: whose errors come up where.

local poplin = require "poplin"
local testing = require "poplin.testing"
local kit = require "kit"
local support = require "support"

local MAIL, USERS, start, take_all, contains, new_folder, write, connect =
  kit.MAIL, kit.USERS, kit.start, kit.take_all, kit.contains, kit.new_folder, kit.write, support.connect

describe("a test server with a backend of the script's own", function()
  local drop, backend

  before_each(function()
    drop = support.maildrop { { "a", MAIL } }
    backend = {
      password = function(_, user) return USERS[user] end,
      maildrop = function() return drop end,
    }
  end)

  it("remembers and misbehaves like any other", function()
    local server = start { backend = backend, tls = "stls" }
    local fault = server:fault("RETR", { nth = 2, refuse = "[SYS/TEMP] not now" })
    local pop = assert(connect(server, { ca_pem = server.ca_pem, tls = "stls" }))
    assert.are.equal(MAIL, pop:retr(1))
    local text, err = pop:retr(1)
    assert.is_nil(text)
    assert.are.equal("temporary", err.kind)
    assert.are.equal(1, fault:fired())
    assert(pop:dele(1))
    assert(pop:quit())
    server.sessions[1]:assert_quit():assert_deleted("a"):assert_no_cleartext_secret()
    assert.are.same({ "a" }, drop.deleted)
    assert.is_false(pcall(server.deliver, server, "alice", MAIL))
    server:close()
  end)

  it("has the same words for how a session ended", function()
    local server <close> = start { backend = backend }
    local pop = assert(connect(server))
    server.clock:advance(601)
    server.sessions[1]:assert_outcome("timed out")
    assert(server:wait_for(function() return drop.closed[1] end))
    assert.are.same({ "timed out" }, drop.closed)
    pop:close()
  end)

  -- What comes up at the end where retr raised `problem`.
  local function comes_up(problem, options)
    drop.retr = function() error(problem) end
    options = options or {}
    options.backend = backend
    local server = start(options)
    local pop <close> = assert(connect(server))
    assert.is_nil((pop:retr(1)))
    assert.are.equal(1, #server.errors)
    local ok, raised = pcall(server.close, server)
    server:close()
    return not ok and raised
  end

  -- holds: T-API-1 S
  it("raises at its end what went wrong in a callback", function()
    local raised = comes_up("broken")
    contains(raised, "retr: ")
    contains(raised, "broken")
    contains(raised, "testing_backend_spec.lua")
    local object = {}
    assert.are.equal(object, comes_up(object))
    assert.is_false(comes_up("broken", { raise_errors = false }))
  end)

  it("covers no other error with that", function()
    drop.retr = function() error("broken") end
    local ok, problem = pcall(function()
      local server <close> = start { backend = backend }
      local pop <close> = assert(connect(server))
      assert.is_nil((pop:retr(1)))
      error("the test's own", 0)
    end)
    assert.is_false(ok)
    assert.are.equal("the test's own", problem)
  end)
end)

describe("with_server", function()
  it("closes the server and returns what the function returned", function()
    local url
    assert.are.same({ 1, nil, 3, n = 3 }, table.pack(testing.with_server({ users = USERS }, function(server)
      url = server.url
      take_all(server)
      return 1, nil, 3
    end)))
    assert.is_nil((poplin.connect(url)))
  end)

  it("raises what went wrong in a callback, with the transcript", function()
    local backend = { password = function() error("broken") end, maildrop = function() end }
    local ok, problem = pcall(testing.with_server, { backend = backend }, function(server)
      assert.is_nil((connect(server)))
    end)
    assert.is_false(ok)
    contains(problem, "broken")
    contains(problem, "C: AUTH PLAIN ****")
  end)

  it("keeps what failed, and adds the transcript", function()
    local refused = testing.with_server({}, function(server) return select(2, connect(server)) end)
    local function told(problem)
      local ok, raised = pcall(testing.with_server, { users = USERS }, function(server)
        take_all(server)
        error(problem, 0)
      end)
      assert.is_false(ok)
      return raised
    end
    contains(told("text"), "C: QUIT")
    assert.are.equal(refused, told(refused))
    assert.are.equal("auth", refused.kind)
    contains(tostring(refused), "C: QUIT")
    local object = setmetatable({}, { __tostring = function() return "mine" end })
    assert.are.equal(object, told(object))
  end)

  it("may stand in another, and traces an error once", function()
    local ok, problem = pcall(testing.with_server, {}, function(outer)
      testing.with_server({}, function(inner)
        assert.is_not.equal(outer.port, inner.port)
        error("broken")
      end)
    end)
    assert.is_false(ok)
    assert.are.equal(1, select(2, problem:gsub("stack traceback", "")), problem)
    assert.are.equal(2, select(2, problem:gsub("The transcript of pop3://", "")), problem)
  end)

  it("tells what went wrong in a callback below what failed because of it", function()
    local backend = { password = function() error("broken") end, maildrop = function() end }
    local ok, problem = pcall(testing.with_server, { backend = backend }, function(server)
      assert(connect(server))
    end)
    assert.is_false(ok)
    contains(tostring(problem), "TEMP")
    contains(tostring(problem), "password: tests/lua/testing_backend_spec.lua")
    contains(tostring(problem), "broken")
  end)

  it("shows the transcript in busted's own report, a failure as a failure", function()
    local folder, remove = new_folder()
    finally(remove)
    local path = folder .. "/failing.lua"
    write(path, [[
      local poplin = require "poplin"
      local testing = require "poplin.testing"
      local function with(f)
        testing.with_server({ users = { alice = "secret" } }, function(server)
          local pop <close> = assert(poplin.connect(server.url, { user = "alice", password = "secret" }))
          f(server, pop)
        end)
      end
      it("one", function() with(function() assert.are.equal(1, 2) end) end)
      it("two", function() with(function(server, pop)
        pop:close()
        server.sessions[1]:assert_order("RETR", "DELE")
      end) end)
      it("three", function() with(function(_, pop) assert(pop:retr(1)) end) end)
      it("four", function() with(function() error("broken") end) end)
      it("five", function() with(function() error("no place", 0) end) end)
      it("six", function() with(function(server) assert(server:wait_for(function() end, 0)) end) end)
      it("seven", function() with(function() pending("later") end) end)
    ]])
    local busted = assert(io.popen("exec 2>&1; lua5.4 $(command -v busted) -o plainTerminal --pattern= " .. path))
    local said = busted:read("a")
    assert.is_nil((busted:close()))
    contains(said, "0 successes / 4 failures / 2 errors / 1 pending")
    assert.are.equal(6, select(2, said:gsub("C: AUTH PLAIN %*%*%*%*", "")), said)
    for line, text in pairs {
      [9] = "Expected objects to be equal", [12] = "expected these commands", [14] = "RETR 1 at 127.0.0.1",
      [15] = "broken", [16] = "no place", [17] = "what was waited for", [18] = "later",
    } do
      contains(said, path .. ":" .. line .. ": " .. text)
    end
    assert.is_nil(said:find('"secret"', 1, true))
  end)
end)
