--- Every way to log in, as connect() takes it: against our own server, and against scripted ones for what that does not
-- do.

local poplin = require "poplin"
local testing = require "poplin.testing"
local support = require "support"

local OFFER = [[
send "+OK hi <1896.697170952@dbc.mtview.ca.us>\r\n"
expect "CAPA\r\n"
send "+OK\r\nRESP-CODES\r\nUSER\r\nSASL LOGIN CRAM-MD5 PLAIN XOAUTH2 ANONYMOUS\r\n.\r\n"
]]
local OLD = 'expect "AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciBvbGQBAQ==\\r\\n"\n'

local function connect(script, options, url)
  local port, ended = support.peer(OFFER .. script)
  local pop, err = poplin.connect((url or "pop3://localhost") .. ":" .. port, options)
  if pop then
    pop:close()
  end
  local ok, transcript = ended()
  assert(ok, transcript)
  return pop, err
end

describe("a login", function()
  it("goes by what auth names, and tells the mechanism", function()
    local names = { "USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256" }
    local server <close> = assert(testing.Server { users = { alice = "secret" }, auth = names })
    for i, name in ipairs(names) do
      local pop <close> = assert(poplin.connect(server.url, { user = "alice", password = "secret", auth = name }))
      assert.are.equal(name, pop.mechanism)
      assert.are.equal(name, server.sessions[i].mechanism)
    end
  end)

  it("goes by the strongest of several, and by no weak one that is not named", function()
    local names = { "USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256" }
    local server <close> = assert(testing.Server { users = { alice = "secret" }, auth = names })
    local function mechanism(auth)
      local pop <close> = assert(poplin.connect(server.url, { user = "alice", password = "secret", auth = auth }))
      return pop.mechanism
    end
    assert.are.equal("SCRAM-SHA-256", mechanism())
    assert.are.equal("SCRAM-SHA-256", mechanism("*"))
    assert.are.equal("SCRAM-SHA-256", mechanism { "USER", "SCRAM-SHA-256" })
    assert.are.equal("PLAIN", mechanism("USER plain CRAM-MD5"))
    assert.are.equal("APOP", mechanism("+APOP"))
  end)

  -- holds: POP-URL-3 C
  it("takes auth for a policy, and a URL's for one where there is no other", function()
    local plain, login = 'expect "AUTH PLAIN AGFsaWNlAHNlY3JldA==\\r\\n"', 'expect "AUTH LOGIN\\r\\n"'
    for _, row in ipairs {
      { nil, "", plain }, { "*", "", plain }, { nil, ";AUTH=*", plain }, { nil, ";AUTH=login", login },
      { nil, ";AUTH=+APOP", 'expect "APOP alice 3f18b52881e44c0cc6067f46e0ced7bc\\r\\n"' },
      { "LOGIN", ";AUTH=login", login }, { "CRAM-MD5 user", "", 'expect "USER alice\\r\\n"' },
      { { "LOGIN", "CRAM-MD5" }, "", login }, { { "+APOP", "USER" }, "", 'expect "USER alice\\r\\n"' },
    } do
      local auth, of_url, line = table.unpack(row, 1, 3)
      local pop, err = connect(line .. '\nsend "-ERR [AUTH] no\\r\\n"', { password = "secret", auth = auth },
        "pop3://alice" .. of_url .. "@localhost")
      assert.is_nil(pop)
      assert.are.equal("auth", err.kind)
      assert.is_nil(err.answer)
    end
  end)

  -- holds: POP-AUTH-24 C
  it("that fits nothing tells what was offered and why it was not taken", function()
    local server <close> = assert(testing.Server { users = { alice = "secret" }, auth = "LOGIN CRAM-MD5 APOP" })
    local pop, err = poplin.connect(server.url, { user = "alice", password = "secret" })
    assert.is_nil(pop)
    assert.are.equal("unsupported", err.kind)
    local offered = "the server offers LOGIN, CRAM-MD5, APOP (it is used only where it is named)"
    assert.is_truthy(err.text:find(offered, 1, true))
  end)

  -- holds: SASL-XOA-3 C
  it("may send its initial response in a line of its own", function()
    local server <close> = assert(testing.Server {
      users = { alice = "secret" }, tokens = { alice = "ya29.new" }, auth = "PLAIN XOAUTH2",
    })
    for _, options in ipairs { { password = "secret" }, { token = "ya29.new" } } do
      for _, initial in ipairs { true, false } do
        options.user, options.initial_response = "alice", initial
        local pop <close> = assert(poplin.connect(server.url, options))
        assert(pop:quit())
        local session = server.sessions[#server.sessions]:assert_quit()
        local split = session.commands[2] == "AUTH " .. pop.mechanism
        assert.are.equal(initial, not split, session.transcript)
      end
    end
  end)

  it("says whose maildrop it is for", function()
    local pop = connect('expect "AUTH PLAIN Ym9iAGFsaWNlAHNlY3JldA==\\r\\n"\nsend "+OK\\r\\n"',
      { user = "alice", password = "secret", authorize = "bob" })
    assert.are.equal("PLAIN", assert(pop).mechanism)
    local server <close> = assert(testing.Server { users = { alice = "secret", bob = "x" } })
    local none, err = poplin.connect(server.url, { user = "alice", password = "secret", authorize = "bob" })
    assert.is_nil(none)
    assert.are.same({ "auth", "AUTH" }, { err.kind, err.code })
    assert(poplin.connect(server.url, { user = "alice", password = "secret", authorize = "alice" })):close()
  end)
end)

describe("a login by a token", function()
  local server

  before_each(function()
    server = assert(testing.Server { users = { alice = "secret" }, tokens = { alice = "ya29.new" } })
  end)

  after_each(function()
    server:close()
  end)

  -- A function that returns these one after the other, and an array of what it was called with.
  local function provider(...)
    local tokens, asked = { ... }, { n = 0 }
    return function(...)
      asked.n = asked.n + 1
      asked[asked.n] = ...
      return table.remove(tokens, 1)
    end, asked
  end

  local function login(options)
    options.user = "alice"
    return poplin.connect(server.url, options)
  end

  for _, way in ipairs { "OAUTHBEARER", "XOAUTH2" } do
    -- holds: T-OAU-1 C
    it("that is refused asks for another with the server's answer, on a new connection" .. ": " .. way, function()
      local token, asked = provider("ya29.old", "ya29.new")
      local pop <close> = assert(login { token = token, auth = way })
      assert.are.equal(way, pop.mechanism)
      assert.are.equal(2, asked.n)
      assert.is_nil(asked[1])
      assert.is_truthy(asked[2]:find('^{"status":".*"}$'), asked[2])
      assert.are.equal(2, #server.sessions)
      server.sessions[1]:assert_outcome("dropped")
    end)
  end

  it("goes by the token that the user has now", function()
    assert.is_true(server:set_token("alice", "ya29.newer"))
    local none, err = login { token = "ya29.new" }
    assert.are.same({ nil, "auth" }, { none, err.kind })
    assert(login { token = "ya29.newer" }):close()
    assert.is_true(server:set_token("alice"))
    assert.is_nil((login { token = "ya29.newer" }))
    assert.are.equal("refused", select(2, server:set_token("nobody", "ya29.new")).kind)
    assert.is_nil(server.transcript:find("ya29", 1, true))
    assert.is_false(pcall(server.set_token, server, "alice", 12))
  end)

  -- holds: T-OAU-1 C
  it("that is refused twice asks for no third", function()
    local token, asked = provider("ya29.old", "ya29.older")
    local pop, err = login { token = token }
    assert.is_nil(pop)
    assert.are.same({ "auth", "AUTH", '{"status":"invalid_token"}' }, { err.kind, err.code, err.answer })
    assert.are.equal(2, asked.n)
    assert.are.equal(2, #server.sessions)
  end)

  it("that is a string is not repeated, and the error has the answer", function()
    local pop, err = login { token = "ya29.old", auth = "XOAUTH2" }
    assert.is_nil(pop)
    assert.is_truthy(err.answer:find('"status":"401"', 1, true))
    assert.are.equal(1, #server.sessions)
  end)

  it("asks for no other where the server told nothing of it", function()
    for _, line in ipairs { "-ERR [AUTH] no", "-ERR [SYS/TEMP] later" } do
      local token, asked = provider("old")
      local pop, err = connect(OLD .. 'send "' .. line .. '\\r\\n"', { user = "alice", token = token })
      assert.is_nil(pop)
      assert.is_nil(err.answer)
      assert.are.equal(1, asked.n)
    end
    local token, asked = provider("ya29.new")
    server:fault("AUTH", { refuse = "[SYS/TEMP] later" })
    assert.are.equal("temporary", select(2, login { token = token }).kind)
    assert.are.equal(1, asked.n)
  end)

  it("raises what a function raises, and where it returns none", function()
    local problem = {}
    for _, at in ipairs { 1, 2 } do
      local count = 0
      local ok, raised = pcall(login, {
        token = function()
          count = count + 1
          if count == at then
            error(problem)
          end
          return "ya29.old"
        end,
      })
      assert.is_false(ok)
      assert.are.equal(problem, raised)
    end
    for _, answer in ipairs { 12, false } do
      assert.is_false(pcall(login, { token = function() return answer end }))
    end
    local _, raised = pcall(login, { token = function() end })
    assert.is_truthy(raised:find("token must be a string", 1, true))
  end)

  it("that cannot be had leads to the function's own reason", function()
    for _, at in ipairs { 1, 2 } do
      local count = 0
      local found, err = login { token = function()
        count = count + 1
        if count == at then
          return nil, "no grant"
        end
        return "ya29.old"
      end }
      assert.is_nil(found)
      assert.are.equal("no grant", err)
    end
  end)

  it("takes long ones", function()
    local long = ("x"):rep(10240)
    local other <close> = assert(testing.Server { users = { alice = "secret" }, tokens = { alice = long } })
    for _, auth in ipairs { "OAUTHBEARER", "XOAUTH2" } do
      local pop <close> = assert(poplin.connect(other.url, { user = "alice", token = long, auth = auth }))
      assert.are.equal(auth, pop.mechanism)
    end
  end)

  it("shares a server in the background with one by a password", function()
    local other <close> = assert(testing.Server {
      users = { alice = "secret" }, tokens = { alice = "ya29.new" }, background = true,
    })
    local pop = assert(poplin.connect(other.url, { user = "alice", token = "ya29.new" }))
    assert.are.equal("OAUTHBEARER", pop.mechanism)
    other:fault("NOOP", { refuse = "what about ya29.new?", name = "leak" })
    assert.is_nil((pop:noop()))
    assert(pop:quit())
    pop = assert(poplin.connect(other.url, { user = "alice", password = "secret" }))
    assert.are.equal("PLAIN", pop.mechanism)
    assert(pop:quit())
    assert.is_nil(other.transcript:find("ya29", 1, true))
  end)

  -- holds: T-SEC-1 C
  it("that comes back is in no error", function()
    local _, err = connect(OLD .. 'send "-ERR not old at all\\r\\n"', { user = "alice", token = "old" })
    for _, text in pairs(err) do
      assert.is_nil(text:find("old", 1, true), text)
    end
  end)
end)

describe("a login that cannot be meant", function()
  -- holds: T-API-3 C
  it("is refused before anything is sent", function()
    local server <close> = assert(testing.Server { users = { alice = "secret" } })
    local url, password = server.url, "secret"
    for _, row in ipairs {
      { auth = "" }, { auth = {} }, { auth = "GSSAPI" }, { auth = "PLAIN,LOGIN" }, { authorize = "" },
      { authorize = ("b"):rep(256) }, { password = false, token = "" }, { password = false, token = "a\r\nb" },
      { password = false, token = ("t"):rep(65537) },
    } do
      row.user, row.password = "alice", row.password == nil and password or nil
      local pop, err = poplin.connect(url, row)
      assert.is_nil(pop)
      assert.is_truthy(err.kind == "unsupported" or err.kind == "protocol" or err.kind == "limit", err.text)
    end
    for _, row in ipairs {
      { auth = 1 }, { auth = { "PLAIN", 1 } }, { token = 1 }, { user = "alice" }, { token = "t" }, { auth = "PLAIN\0" },
      { user = "alice", auth = "PLAIN" },
    } do
      local ok, problem = pcall(poplin.connect, url, row)
      assert.is_false(ok)
      assert.is_truthy(problem:find("poplin.connect: ", 1, true), problem)
    end
    assert.are.equal(0, #server.sessions)
  end)
end)
