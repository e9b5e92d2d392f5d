--- Logins that fail: what the client is told, what the owner is, and how long that takes.

local poplin = require "poplin"
local testing = require "poplin.testing"
local support = require "support"

local KEYS = assert(poplin.scram_keys("secret"))

-- The functions that may know alice, and a way by which each is asked.
local KNOWS = {
  password = function(_, user) return user == "alice" and "secret" or nil end,
  scram_keys = function(_, user) return user == "alice" and KEYS or nil end,
  authenticate = function(_, user, password) return user == "alice" and password == "secret" end,
  token = function(_, user, token) return user == "alice" and token == "ya29.secret" end,
}
local ASKED_BY = { password = "PLAIN", scram_keys = "SCRAM-SHA-256", authenticate = "USER", token = "XOAUTH2" }

local function serve(options)
  local of = { maildrop = function() return support.maildrop(support.messages(1)) end, failed_login_delay = 0 }
  for name, value in pairs(options) do
    of[name] = value
  end
  return assert(poplin.serve(of))
end

-- A try with a right password or token, unless told otherwise.
local function try(server, name, options)
  local of = { user = "alice", auth = ASKED_BY[name] }
  of[name == "token" and "token" or "password"] = name == "token" and "ya29.secret" or "secret"
  for option, value in pairs(options or {}) do
    of[option] = value
  end
  return poplin.connect(server.url, of)
end

local function contains(text, part)
  return assert.is_truthy(text:find(part, 1, true), text)
end

describe("a refused login", function()
  -- holds: POP-RESP-6 B, POP-RESP-8 S
  it("is told with the reason's kind and code", function()
    for name in pairs(KNOWS) do
      local reason
      local server <close> = serve { [name] = function() return nil, reason, "so it is" end }
      for kind, code in pairs { temporary = "SYS/TEMP", refused = "SYS/PERM", in_use = "IN-USE", auth = "AUTH" } do
        reason = kind
        local pop, err = try(server, name)
        assert.is_nil(pop)
        assert.are.same({ kind, code }, { err.kind, err.code })
        if kind ~= "auth" then -- who there is, is nobody's business
          assert.are.equal("so it is", err.peer)
        end
      end
      assert.are.same({}, server.errors)
    end
  end)

  -- holds: T-USR-1 S
  it("looks the same for a name that is not known", function()
    local ways = {
      password = { "USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256" },
      scram_keys = { "USER", "PLAIN", "SCRAM-SHA-256" }, authenticate = { "USER", "PLAIN" }, token = { "OAUTHBEARER" },
    }
    for name, names in pairs(ways) do
      for _, way in ipairs(names) do
        local backend = { [name] = KNOWS[name], maildrop = print }
        local server <close> = assert(testing.Server { backend = backend, auth = way })
        local wrong = { auth = way, [name == "token" and "token" or "password"] = "guess!" }
        local _, known = try(server, name, wrong)
        wrong.user = "nobody"
        local _, unknown = try(server, name, wrong)
        assert.are.same({ "auth", "AUTH", known.peer }, { unknown.kind, unknown.code, unknown.peer })
        local first, second = server.sessions[1], server.sessions[2]
        assert.are.equal(#first.replies, #second.replies)
        assert.are.equal(first.replies[#first.replies], second.replies[#second.replies])
      end
    end
  end)

  local function decoded(base64)
    local bits = base64:gsub(".", function(c)
      local digit = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):find(c, 1, true)
      local text = ""
      for i = 5, 0, -1 do
        text = text .. (digit and (digit - 1) >> i & 1 or "")
      end
      return text
    end)
    return (bits:gsub("%d%d?%d?%d?%d?%d?%d?%d?", function(byte)
      return #byte == 8 and string.char(tonumber(byte, 2)) or ""
    end))
  end

  -- holds: SASL-SCRAM-9 S
  it("has a salt that stays a name's as long as the pepper stays", function()
    local function salt(user, pepper)
      local backend = { password = KNOWS.password, maildrop = print }
      local options = { backend = backend, auth = "SCRAM-SHA-256", pepper = pepper, iterations = 5000 }
      local server <close> = assert(testing.Server(options))
      assert.is_nil((try(server, "scram_keys", { user = user, password = "guess!" })))
      for _, reply in ipairs(server.sessions[1].replies) do
        if reply:find("^%+ ") then
          return (decoded(reply:sub(3)):match(",s=(.+),i=5000$"))
        end
      end
    end
    assert.are.equal(24, #salt("nobody", "first"))
    assert.are.equal(salt("nobody", "first"), salt("nobody", "first"))
    assert.are_not.equal(salt("nobody", "first"), salt("no one", "first"))
    assert.are_not.equal(salt("nobody", "first"), salt("nobody", "second"))
    assert.are.equal(salt("alice", "first"), salt("alice", "first"))
  end)

  -- holds: T-API-1 S, T-SEC-1 S
  it("is an error of the owner's where a function raises or returns what does not fit", function()
    local function broken()
      error("broken")
    end
    local wrong = {
      password = { 98765, true, { "secret" }, broken },
      scram_keys = { 98765, "secret", "SCRAM-SHA-256$secret", broken },
      authenticate = { 98765, "", { "secret" }, broken }, token = { 98765, "", { "secret" }, broken },
    }
    for name, values in pairs(wrong) do
      for _, value in ipairs(values) do
        local server <close> = serve {
          [name] = function()
            if value == broken then
              value()
            end
            return value
          end,
        }
        local pop, err = try(server, name)
        assert.is_nil(pop)
        assert.are.same({ "temporary", "SYS/TEMP" }, { err.kind, err.code })
        assert.are.equal(1, #server.errors)
        local text = tostring(server.errors[1])
        contains(text, name .. ": ")
        contains(text, value == broken and "broken" or value == "" and "an empty name" or "must return")
        assert.is_nil(text:find("secret", 1, true), text)
        assert.is_nil(text:find("98765", 1, true), text)
      end
    end
  end)

  it("is told to the owner: name and address", function()
    local told = {}
    local function login_failed(_, ...)
      table.insert(told, { ... })
    end
    for name in pairs(KNOWS) do
      local server <close> = serve { [name] = KNOWS[name], login_failed = login_failed }
      told = {}
      assert.is_nil((try(server, name, { [name == "token" and "token" or "password"] = "guess!" })))
      assert.is_nil((try(server, name, { user = "nobody" })))
      assert(try(server, name)):close()
      assert.are.same({ { "alice", "127.0.0.1" }, { "nobody", "127.0.0.1" } }, told)
    end
  end)

  it("is not told to the owner where nothing was wrong with name and password", function()
    local server <close> = serve {
      password = KNOWS.password, maildrop = function() return nil, poplin.IN_USE end,
      login_failed = function() error("not to be told") end,
    }
    for _ = 1, 2 do
      assert.are.equal("in_use", select(2, try(server, "password")).kind)
    end
    assert.are.same({}, server.errors)
  end)

  it("over a Unix socket has no address, and an error of login_failed is kept", function()
    local path, remove = support.file("")
    os.remove(path)
    finally(remove)
    local seen
    local server <close> = serve {
      path = path, password = KNOWS.password,
      login_failed = function(_, _, address)
        seen = address
        error("broken")
      end,
    }
    assert.is_nil((poplin.connect(nil, { path = path, tls = "never", user = "alice", password = "guess" })))
    assert.are.equal("", seen)
    contains(tostring(server.errors[1]), "login_failed: ")
    assert(poplin.connect(nil, { path = path, tls = "never", user = "alice", password = "secret" })):close()
  end)
end)

describe("a failed login", function()
  local server, failed

  after_each(function()
    server:stop()
  end)

  local function start(options)
    failed, options.password = 0, KNOWS.password
    options.login_failed = function() failed = failed + 1 end
    server = serve(options)
  end

  -- A login in a task, as far as the server has seen it fail.
  local function fail(login)
    local before = failed
    local attempt = poplin.spawn(login)
    while failed == before do
      assert.is_falsy(attempt.finished)
      poplin.step()
    end
    return attempt
  end

  -- Holds that the attempt ends after so many seconds and not before.
  local function assert_told_after(seconds, attempt)
    testing.advance(seconds / 2)
    assert(poplin.connect(server.url)):close() -- nobody else is held up
    assert.is_falsy(attempt.finished)
    testing.advance(seconds / 2)
    return attempt:join()
  end

  -- holds: T-BRU-1 S
  it("is told the later the more there were in the session", function()
    start { failed_login_delay = 100 }
    local pop <close> = assert(poplin.connect(server.url, { timeout = 100000 }))
    for _, seconds in ipairs { 100, 200 } do
      local ok, err = assert_told_after(seconds, fail(function() return pop:login("alice", "guess") end))
      assert.is_nil(ok)
      assert.are.equal("auth", err.kind)
    end
    assert(pop:login("alice", "secret"))
  end)

  -- holds: T-BRU-1 S
  it("is told the later the more there were from an address, for ten minutes", function()
    start { failed_login_delay = 10, loopback_protected = false, allow_cleartext = true }
    local function login()
      return poplin.connect(server.url, { user = "alice", password = "guess", tls = "never", timeout = 100000 })
    end
    for _, seconds in ipairs { 10, 20, 40, 80, 160, 160 } do
      assert.is_nil((assert_told_after(seconds, fail(login))))
    end
    testing.advance(601)
    assert.is_nil((assert_told_after(10, fail(login))))
  end)

  it("is told after a second by default, and at once if wanted, as a test server does", function()
    failed = 0
    server = assert(poplin.serve {
      password = KNOWS.password, maildrop = print, login_failed = function() failed = failed + 1 end,
    })
    local attempt = fail(function() return try(server, "password", { user = "bob", timeout = 100000 }) end)
    testing.advance(1)
    assert.is_nil((attempt:join()))
    local quick <close> = assert(testing.Server { users = { alice = "secret" } })
    for _ = 1, 3 do
      assert.is_nil((try(quick, "password", { user = "bob" })))
    end
    local slow <close> = assert(testing.Server { users = { alice = "secret" }, failed_login_delay = 50 })
    attempt = poplin.spawn(function() return try(slow, "password", { user = "bob", timeout = 100000 }) end)
    assert(slow:wait_for(function() return slow.sessions[1] and #slow.sessions[1].commands > 1 end))
    slow.clock:advance(49)
    assert.is_falsy(attempt.finished)
    slow.clock:advance(1)
    assert.is_nil((attempt:join()))
  end)

  it("is over for who goes away meanwhile, and for all when the server is stopped", function()
    start { failed_login_delay = 100 }
    local attempt = fail(function() return try(server, "password", { password = "guess", timeout = 100000 }) end)
    server:stop()
    local pop, err = attempt:join()
    assert.is_nil(pop)
    assert.are.equal("closed", err.kind)
  end)
end)

describe("login_delay", function()
  -- holds: POP-RESP-5 B
  it("is announced, and who comes sooner has to wait, whatever became of the session", function()
    local server <close> = serve { password = KNOWS.password, login_delay = 30 }
    local pop = assert(try(server, "password"))
    assert.are.same({ "30" }, pop:capa()["LOGIN-DELAY"])
    pop:close()
    local none, err = try(server, "password")
    assert.is_nil(none)
    assert.are.same({ "temporary", "LOGIN-DELAY" }, { err.kind, err.code })
    local _, wrong = try(server, "password", { password = "guess" })
    assert.are.equal("AUTH", wrong.code)
    testing.advance(30)
    assert(try(server, "password")):close()
    assert.are.equal("LOGIN-DELAY", select(2, try(server, "password")).code)
  end)

  it("is there in a test server too", function()
    for _, background in ipairs { false, true } do
      local server <close> = assert(testing.Server {
        users = { alice = "secret" }, login_delay = 30, background = background,
      })
      assert(try(server, "password")):quit()
      assert.are.equal("LOGIN-DELAY", select(2, try(server, "password")).code)
      server.clock:advance(30)
      assert(try(server, "password")):close()
    end
  end)
end)
