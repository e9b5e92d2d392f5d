--- Where to connect: URLs, the servers that a domain names, and how carefully they are used.

local poplin = require "poplin"
local support = require "support"
local testing = require "poplin.testing"

describe("a URL", function()
  -- holds: POP-URL-1 C, POP-URL-2 C
  it("is written as it is read", function()
    local parts = assert(poplin.parse_url("pop://alice%40example.org;auth=%2Bapop@[::1]:1110"))
    assert.are.same({ scheme = "pop", host = "::1", port = 1110, user = "alice@example.org", auth = "+APOP" }, parts)
    assert.are.equal("pop://alice%40example.org;AUTH=+APOP@[::1]:1110", poplin.format_url(parts))
    assert.are.equal("pop3s://mail.example.org", poplin.format_url { host = "mail.example.org" })
    assert.are.same({ scheme = "pop3", host = "h", port = 110 }, poplin.parse_url("pop3://h"))
    assert.are.same({ scheme = "pop3s", host = "h", port = 995 }, poplin.parse_url("h"))
  end)

  it("survives any name that it can hold", function()
    local octets = { "a", "@", ":", ";", "/", "%", "?", "#", " ", "+", "ü", "€" }
    for first = 1, #octets do
      for second = 1, #octets do
        local user = octets[first] .. octets[second]
        local text = assert(poplin.format_url { host = "h", user = user, auth = "*" })
        assert.are.equal(user, assert(poplin.parse_url(text)).user)
      end
    end
  end)

  -- holds: POP-URL-2 C, T-INJ-2 C
  it("is refused with what to do", function()
    for _, text in ipairs { "", "a:secret@h", "h/x", "a%0D%0A@h", "a;AUTH=@h", "imap://h", "h:0", "\xFF@h" } do
      local parts, err = poplin.parse_url(text)
      assert.is_nil(parts)
      assert.are.equal("protocol", err.kind)
      assert.is_nil(err.text:find("secret", 1, true))
    end
    for _, parts in ipairs { {}, { host = "" }, { host = "h", auth = "PLAIN" }, { host = "h", scheme = "imap" },
      { host = "h", user = "a\nb" }, { host = ("h"):rep(300) } } do
      local text, err = poplin.format_url(parts)
      assert.is_nil(text)
      assert.are.equal("protocol", err.kind)
    end
    assert.has_error(function() poplin.format_url { host = "h", port = 65536 } end)
    assert.has_error(function() poplin.format_url { hots = "h" } end)
    assert.has_error(function() poplin.parse_url(5) end)
  end)

  -- holds: POP-URL-3 C
  it("says which mechanism is used, and options may not say another", function()
    local server <close> = testing.Server { users = { alice = "secret" } }
    local url = server:url_for("alice"):gsub("@", ";AUTH=PLAIN@")
    local pop <close> = assert(poplin.connect(url, { password = "secret", auth = { "plain" } }))
    assert.are.same({ "PLAIN", "alice" }, { pop.mechanism, pop.user })
    local other, err = poplin.connect(url:gsub("PLAIN", "CRAM-MD5"), { password = "secret" })
    assert.is_nil(other)
    assert.are.equal("unsupported", err.kind)
    for _, auth in ipairs { "LOGIN", "PLAIN LOGIN", "*" } do
      local ok, problem = pcall(poplin.connect, url, { password = "secret", auth = auth })
      assert.is_false(ok)
      assert.is_truthy(problem:find("leave one of them out", 1, true))
    end
    assert.has_error(function() poplin.connect("pop://alice;AUTH=*@h", { password = "secret", tls = "never" }) end)
  end)
end)

-- Candidates of answers by name.
local function found(answers, options, address)
  return poplin.discover(address or "alice@example.org", function(name) return answers[name] end, options)
end

local POP3S, POP3 = "_pop3s._tcp.example.org", "_pop3._tcp.example.org"

local function record(target, port, priority, weight)
  return { target = target, port = port or 995, priority = priority or 0, weight = weight or 0 }
end

describe("a discovery", function()
  -- holds: DISC-1 C, DISC-3 C, T-DSC-2 C
  it("makes candidates of answers, those with TLS first", function()
    local answers = { [POP3S] = { record("pop.example.org.", 995, 9) }, [POP3] = { record("pop.example.org", 1110) } }
    local users = { "alice@example.org", "alice" }
    local first = { host = "pop.example.org", port = 995, tls = "implicit", verified = true, users = users,
      url = "pop3s://pop.example.org" }
    local second = { host = "pop.example.org", port = 1110, tls = "stls", verified = true, users = users,
      url = "pop3://pop.example.org:1110" }
    assert.are.same({ first, second }, found(answers))
    local all = found(answers, { cleartext = true })
    assert.are.same({ 3, "never" }, { #all, all[3].tls })
    assert.is_nil(found(answers, nil, "example.org")[1].users)
    assert.are.same({}, found {})
  end)

  -- holds: DISC-2 C
  it("leaves equals to chance", function()
    local answers = { [POP3S] = {
      record("a.example.org", 995, 0, 1), record("z.example.org"), record("b.example.org", 995, 0, 9),
    } }
    local function hosts(random)
      local order = {}
      for i, candidate in ipairs(found(answers, { random = random })) do
        order[i] = candidate.host:sub(1, 1)
      end
      return table.concat(order)
    end
    assert.are.equal("zab", hosts(function(least) return least end))
    assert.are.equal("baz", hosts(function(_, most) return most end))
    assert.are.equal(3, #hosts())
  end)

  -- holds: DISC-4 C, T-DSC-1 C, T-DSC-4 C
  it("marks targets elsewhere, and skips what makes no sense", function()
    local answers = { [POP3S] = {
      record("evil.test", 995, 1), record("."), record("a.example.org", 0), record("a\0b"), { port = 995 },
      { target = "signed.test", port = 995, priority = 2, signed = true },
    } }
    local candidates = found(answers)
    assert.are.equal(2, #candidates)
    assert.are.same({ "evil.test", false }, { candidates[1].host, candidates[1].verified })
    assert.are.same({ "signed.test", true }, { candidates[2].host, candidates[2].verified })
  end)

  it("passes on why a look-up failed, and refuses what cannot be meant", function()
    assert.are.same({ nil, "no answer" }, { poplin.discover("example.org", function() return nil, "no answer" end) })
    assert.are.same({ nil, "no answer" }, { poplin.discover("example.org", function() return false, "no answer" end) })
    assert.are.same({}, poplin.discover("example.org", function() return false end))
    local none, err = poplin.discover("a@b\r\nc", function() error("looked up") end)
    assert.is_nil(none)
    assert.are.equal("protocol", err.kind)
    for _, answers in ipairs { 5, { 5 }, { record("h", 70000) }, { record("h", "995") }, { record(5) } } do
      assert.has_error(function() poplin.discover("example.org", function() return answers end) end)
    end
    assert.has_error(function() poplin.discover("example.org") end)
    assert.has_error(function() found({}, { cleartxt = true }) end)
  end)
end)

describe("two names to try", function()
  local both = { "alice@example.org", "alice" }

  local function tls_server()
    return testing.Server { users = { alice = "secret" }, certificate = support.certificate }
  end

  local function connect(server, options)
    local settings = { user = both, password = "secret", ca_pem = support.certificate.ca_pem }
    for name, value in pairs(options or {}) do
      settings[name] = value
    end
    return poplin.connect(server.url, settings)
  end

  -- holds: DISC-5 C, T-DSC-5 C
  it("are the address and then its local part", function()
    local server <close> = tls_server()
    local pop <close> = assert(connect(server))
    assert.are.equal("alice", pop.user)
    assert.are.equal(2, #server.sessions)
  end)

  -- holds: T-DSC-5 C
  it("are left at what is no wrong name or password", function()
    for refusal, sessions in pairs { ["[AUTH] no"] = 2, ["[IN-USE] no"] = 1, ["[SYS/TEMP] no"] = 1 } do
      local server <close> = tls_server()
      server:fault("AUTH", { refuse = refusal })
      assert.is_nil((connect(server)))
      assert.are.equal(sessions, #server.sessions)
    end
  end)

  -- holds: DISC-6 C, T-DSC-5 C
  it("need TLS and a verified certificate", function()
    local server <close> = tls_server()
    for _, options in ipairs { { verify = false }, { tls = "never" }, { user = { "a", "b", "c" } }, { user = {} } } do
      assert.has_error(function() connect(server, options) end)
    end
    assert.are.equal(0, #server.sessions)
    local clear <close> = testing.Server { users = { alice = "secret" } }
    local pop, err = connect(clear)
    assert.is_nil(pop)
    assert.are.equal("unsupported", err.kind)
  end)
end)
