--- Every way to log in, client and server in one script: who gets in, and what a server offers.

local poplin = require "poplin"
local testing = require "poplin.testing"
local support = require "support"

local KEYS = assert(poplin.scram_keys("secret"))

-- What a script may know of alice, by the function that tells it.
local KNOWS = {
  password = function(_, user) return user == "alice" and "secret" or nil end,
  scram_keys = function(_, user) return user == "alice" and KEYS or nil end,
  authenticate = function(_, user, password) return user == "alice" and password == "secret" end,
  token = function(_, user, token) return user == "alice" and token == "ya29.new" end,
}

-- By which names each function lets somebody in.
local WAYS = {
  password = {
    "USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256",
    "SCRAM-SHA-256-PLUS",
  },
  scram_keys = { "USER", "PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS" },
  authenticate = { "USER", "PLAIN", "LOGIN" },
  token = { "OAUTHBEARER", "XOAUTH2" },
}

local function serve(options)
  local of = { maildrop = function() return support.maildrop(support.messages(1)) end, failed_login_delay = 0 }
  for name, value in pairs(options) do
    of[name] = value
  end
  return assert(poplin.serve(of))
end

local function connect(server, options)
  options.ca_pem = support.certificate.ca_pem
  return poplin.connect(server.url, options)
end

-- What is right, or not.
local function credentials(name, right)
  if name == "token" then
    return { user = "alice", token = right and "ya29.new" or "ya29.old" }
  end
  return { user = "alice", password = right and "secret" or "guess" }
end

-- -PLUS needs TLS, and a client trusts no timestamp of a greeting that came before STLS.
local function fits(way, tls)
  return not (way:find("PLUS", 1, true) and tls == "never" or way == "APOP" and tls == "stls")
end

local function login(server, tls, way, name, right)
  local options = credentials(name, right)
  options.auth, options.tls = way, tls
  return connect(server, options)
end

-- What a server offers on this connection: whether USER, and the mechanisms.
local function offers(pop)
  local capabilities = assert(pop:capa())
  return (capabilities.USER and "USER " or "") .. table.concat(capabilities.SASL or {}, " ")
end

describe("a login", function()
  for name, ways in pairs(WAYS) do
    for _, tls in ipairs { "never", "stls", "implicit" } do
      it("goes by all that " .. name .. " can tell, tls = " .. tls, function()
        local options = support.tls(tls)
        options[name], options.auth = KNOWS[name], ways
        local server <close> = serve(options)
        for _, way in ipairs(ways) do
          if fits(way, tls) then
            local pop <close> = assert(login(server, tls, way, name, true))
            assert.are.equal(way, pop.mechanism)
            assert.are.equal(1, (pop:stat()))
            local refused, err = login(server, tls, way, name, false)
            assert.is_nil(refused)
            assert.are.same({ "auth", "AUTH" }, { err.kind, err.code })
          end
        end
        assert.are.same({}, server.errors)
      end)
    end
  end

  it("is answered late by functions that fetch mail themselves", function()
    local upstream <close> = assert(testing.Server { users = { bob = "x" } })
    for name, ways in pairs(WAYS) do
      local options = { auth = ways }
      options[name] = function(...)
        local pop <close> = assert(poplin.connect(upstream.url, { user = "bob", password = "x" }))
        assert(pop:stat())
        return KNOWS[name](...)
      end
      local server <close> = serve(options)
      for _, way in ipairs(ways) do
        if fits(way, "never") then
          assert(login(server, "never", way, name, true)):close()
          assert.is_nil((login(server, "never", way, name, false)))
        end
      end
      assert.are.same({}, server.errors)
    end
  end)

  it("asks for keys where there is no password", function()
    local asked = {}
    local server <close> = serve {
      password = function(_, user)
        table.insert(asked, "password")
        return user == "bob" and "hunter2" or nil
      end,
      scram_keys = function(_, user)
        table.insert(asked, "scram_keys")
        return user == "alice" and KEYS or nil
      end,
    }
    for _, way in ipairs { "PLAIN", "SCRAM-SHA-256" } do
      asked = {}
      assert(connect(server, { user = "alice", password = "secret", auth = way })):close()
      assert.are.same({ "password", "scram_keys" }, asked)
      asked = {}
      assert(connect(server, { user = "bob", password = "hunter2", auth = way })):close()
      assert.are.same({ "password" }, asked)
      assert.is_nil((connect(server, { user = "carol", password = "secret", auth = way })))
    end
    assert.are.same({}, server.errors)
  end)

  it("asks for the password rather than for a check, and for a check rather than for keys", function()
    local function fail()
      error("not to be asked")
    end
    local first <close> = serve { password = KNOWS.password, authenticate = fail, scram_keys = fail }
    assert(login(first, "never", "PLAIN", "password", true)):close()
    local second <close> = serve { authenticate = KNOWS.authenticate, scram_keys = KNOWS.scram_keys }
    assert(login(second, "never", "PLAIN", "password", true)):close()
    assert(login(second, "never", "SCRAM-SHA-256", "password", true)):close()
    assert.are.same({}, { first.errors[1], second.errors[1] })
  end)

  it("by SCRAM-SHA-1 takes keys of that hash", function()
    local keys = assert(poplin.scram_keys("secret", { hash = "SHA-1" }))
    local server <close> = serve { scram_keys = function() return keys end, auth = "SCRAM-SHA-1" }
    local pop <close> = assert(login(server, "never", "SCRAM-SHA-1", "password", true))
    assert.are.equal("SCRAM-SHA-1", pop.mechanism)
  end)

  it("is that of whom authenticate and token name", function()
    local seen = {}
    local server <close> = serve {
      authenticate = function(_, user) return user:lower() end,
      token = function(_, user) return user:lower() end,
      maildrop = function(_, user)
        table.insert(seen, user)
        return support.maildrop {}
      end,
    }
    for _, options in ipairs {
      { auth = "USER", password = "x" }, { auth = "PLAIN", password = "x" }, { auth = "OAUTHBEARER", token = "x" },
      { auth = "XOAUTH2", token = "x" },
    } do
      options.user = "Alice"
      assert(connect(server, options)):quit()
    end
    assert.are.same({ "alice", "alice", "alice", "alice" }, seen)
  end)

  it("by a token without a name is that of whom token names", function()
    local named
    local drop = support.maildrop {}
    local server <close> = support.fixture(drop, {
      raise_errors = false,
      backend = {
        token = function(_, user, token)
          assert(user == nil and token == "ya29.new")
          return named
        end,
        maildrop = function(_, user) return user == "alice" and drop or nil, poplin.TEMPORARY end,
      },
    })
    local script = [[
      match "\\+OK .*\r\n"
      send "AUTH OAUTHBEARER biwsAWF1dGg9QmVhcmVyIHlhMjkubmV3AQE=\r\n"
      match "%s .*\r\n"
    ]]
    named = "alice"
    support.talk(server, script:format("\\\\+OK"))
    assert.are.equal("alice", server.sessions[1].user)
    server:reset()
    named = true
    support.talk(server, script:format("-ERR \\\\[SYS/TEMP\\\\]"))
    assert.is_truthy(tostring(server.errors[1]):find("the client gave none", 1, true))
  end)

  -- holds: SASL-ANON-1 B, T-RES-8 S
  it("by ANONYMOUS needs no function but maildrop, and deletes nothing", function()
    local drop = support.maildrop(support.messages(1))
    local server <close> = serve { auth = "PLAIN ANONYMOUS", maildrop = function() return drop end }
    local pop = assert(connect(server, { auth = "ANONYMOUS", user = "me@example.org" }))
    assert.are.equal("ANONYMOUS", offers(pop))
    assert.is_truthy(pop:retr(1))
    local ok, err = pop:dele(1)
    assert.is_nil(ok)
    assert.are.equal("refused", err.kind)
    assert(pop:quit())
    assert.are.same({}, drop.deleted)
  end)
end)

describe("a login by EXTERNAL", function()
  local ca, server, users, trusted

  before_each(function()
    ca, users = assert(testing.ca()), {}
    trusted = assert(ca:client("alice"))
    local options = support.tls("implicit")
    options.password, options.auth, options.client_ca_pem = KNOWS.password, "EXTERNAL PLAIN", trusted.ca_pem
    options.maildrop = function(_, user)
      table.insert(users, user)
      return support.maildrop {}
    end
    server = serve(options)
  end)

  after_each(function()
    server:stop()
  end)

  -- A client with this certificate.
  local function show(certificate, options)
    local path, remove = support.file(certificate.cert_pem .. certificate.key_pem)
    finally(remove)
    options.client_cert = path
    return connect(server, options)
  end

  -- holds: SASL-EXT-1 B, SASL-EXT-2 S
  it("is that of whom the client's certificate names", function()
    for _, user in ipairs { "alice", "bob@example.org" } do
      local pop <close> = assert(show(assert(ca:client(user)), { auth = "EXTERNAL" }))
      assert.are.equal("EXTERNAL", pop.mechanism)
      assert(pop:quit())
    end
    assert(show(trusted, { auth = "EXTERNAL", user = "alice" })):close()
    assert.are.same({ "alice", "bob@example.org", "alice" }, users)
  end)

  it("is nobody else's", function()
    local pop, err = show(trusted, { auth = "EXTERNAL", user = "bob" })
    assert.is_nil(pop)
    assert.are.same({ "auth", "AUTH" }, { err.kind, err.code })
  end)

  -- holds: SASL-EXT-2 S
  it("is not offered to who shows no certificate, nor where the server trusts none", function()
    local pop <close> = assert(connect(server, { user = "alice", password = "secret" }))
    assert.are.equal("PLAIN", offers(pop))
    local options = support.tls("implicit")
    options.password = KNOWS.password
    local other <close> = serve(options)
    local path, remove = support.file(trusted.cert_pem .. trusted.key_pem)
    finally(remove)
    local second <close> = assert(connect(other, { user = "alice", password = "secret", client_cert = path }))
    assert.is_nil(offers(second):find("EXTERNAL", 1, true))
  end)

  it("is not for another CA's certificates, with which there is no connection", function()
    local pop, err = show(assert(assert(testing.ca()):client("alice")), { auth = "EXTERNAL" })
    assert.is_nil(pop)
    assert.are.equal("tls", err.kind)
    assert.are.same({}, users)
  end)

  it("takes the CAs from a file", function()
    local path, remove = support.file(trusted.ca_pem)
    finally(remove)
    server:stop()
    local options = support.tls("implicit")
    options.auth, options.client_ca_file = "EXTERNAL", path
    server = serve(options)
    assert(show(trusted, { auth = "EXTERNAL" })):close()
    options.client_ca_file = "/nonexistent.pem"
    options.maildrop = function() end
    local none, err = poplin.serve(options)
    assert.is_nil(none)
    assert.are.equal("certificate", err.kind)
  end)

  it("is for certificates of names that a certificate can have", function()
    local certificate, err = ca:client("")
    assert.is_nil(certificate)
    assert.are.equal("certificate", err.kind)
    assert.is_false(pcall(ca.client, ca))
  end)
end)

describe("a server offers", function()
  local PLUS = "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"

  -- What a server with this function offers over a network, in clear, and when TLS stands.
  local function offered(name, options)
    for setting, value in pairs(support.tls("stls")) do
      options[setting] = value
    end
    options[name], options.loopback_protected = KNOWS[name], false
    local server <close> = serve(options)
    local pop <close> = assert(connect(server, { tls = "never" }))
    local in_clear = offers(pop)
    assert(pop:stls())
    return in_clear, offers(pop)
  end

  -- holds: POP-AUTH-21 S, POP-CAPA-5 S, POP-CAPA-4 S
  it("what the backend's functions can tell and the link permits", function()
    assert.are.same({ "SCRAM-SHA-256 SCRAM-SHA-1", "USER SCRAM-SHA-256 SCRAM-SHA-1 PLAIN" },
      { offered("password", { auth = "USER SCRAM-SHA-1 SCRAM-SHA-256 PLAIN" }) })
    assert.are.same({ "SCRAM-SHA-256", "USER SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN" },
      { offered("scram_keys", {}) })
    assert.are.same({ "", "USER PLAIN" }, { offered("authenticate", {}) })
    assert.are.same({ "", "OAUTHBEARER XOAUTH2" }, { offered("token", {}) })
    local options = support.tls("implicit")
    options.password = KNOWS.password
    local server <close> = serve(options)
    local pop <close> = assert(connect(server, {}))
    assert.are.equal("USER " .. PLUS, offers(pop))
    assert(pop:login("alice", "secret"))
    assert.are.equal("USER " .. PLUS, offers(pop))
  end)

  it("what auth names", function()
    assert.are.same({ "", "PLAIN LOGIN" }, { offered("authenticate", { auth = { "login", "PLAIN", "SCRAM-SHA-1" } }) })
    assert.are.same({ "CRAM-MD5", "CRAM-MD5" }, { offered("password", { auth = "CRAM-MD5 +APOP" }) })
    assert.are.same({ "", "USER PLAIN" }, { offered("authenticate", { auth = "*" }) })
  end)

  -- holds: POP-APOP-4 S
  it("a timestamp in its greeting only where APOP is on and there are passwords", function()
    local function greeting(options)
      local server <close> = serve(options)
      local pop <close> = assert(connect(server, {}))
      return pop.greeting
    end
    assert.is_nil(greeting({ password = KNOWS.password }):find("<", 1, true))
    assert.is_nil(greeting({ scram_keys = KNOWS.scram_keys, auth = "APOP PLAIN" }):find("<", 1, true))
    local named = greeting { password = KNOWS.password, auth = "APOP", name = "mail.example.org" }
    assert.is_truthy(named:find("^poplin ready <%d+@mail%.example%.org>$"), named)
    assert.is_truthy(greeting({ password = KNOWS.password, auth = "APOP" }):find("@localhost>", 1, true))
  end)

  it("tokens a server of another name in vain", function()
    local server <close> = serve { token = KNOWS.token, name = "mail.example.org" }
    assert.is_nil((login(server, "never", "OAUTHBEARER", "token", true)))
    assert(login(server, "never", "XOAUTH2", "token", true)):close()
  end)

  it("no way to log in that makes no sense", function()
    local certified = support.tls("implicit")
    local ca_pem = support.certificate.ca_pem
    for problem, options in pairs {
      ["known are SCRAM-SHA-256-PLUS "] = { auth = "PLAIN GSSAPI" },
      ["a way to log in is not known, or none is named"] = { auth = {} },
      ["auth must be the names"] = { auth = 12 },
      ["in a string or an array"] = { auth = { "PLAIN", 12 } },
      ["nobody could log in"] = { authenticate = KNOWS.authenticate, auth = "APOP" },
      ["password, scram_keys, authenticate or token"] = {},
      ["scram_keys must be a function, not a string"] = { password = KNOWS.password, scram_keys = KEYS },
      ["login_failed must be a function"] = { password = KNOWS.password, login_failed = true },
      ["EXTERNAL with one of them"] = { auth = "EXTERNAL" },
      ["goes with EXTERNAL in auth"] = { password = KNOWS.password, client_ca_pem = ca_pem },
      ["not both"] = { auth = "EXTERNAL", client_ca_pem = ca_pem, client_ca_file = "x" },
      ["go with a certificate of its own"] = { auth = "EXTERNAL", client_ca_pem = ca_pem },
      ["go with a certificate"] = { password = KNOWS.password, staple = "x" },
      ["login_delay must be a whole number"] = { password = KNOWS.password, login_delay = 0.5 },
      ["failed_login_delay must be a number of seconds"] = { password = KNOWS.password, failed_login_delay = -1 },
      ["iterations must be a whole number"] = { password = KNOWS.password, iterations = "many" },
      ["iterations are fewer than 4096"] = { password = KNOWS.password, iterations = 4095 },
      ["from 0 to 4294967, not"] = { password = KNOWS.password, failed_login_delay = 1e12 },
      ["pepper is empty"] = { password = KNOWS.password, pepper = "" },
      ["what the server is called is no host name"] = { password = KNOWS.password, name = "" },
      ["pepper must be a string"] = { password = KNOWS.password, pepper = 12 },
      ["name must be a string"] = { password = KNOWS.password, name = 12 },
    } do
      options.maildrop = print
      local ok, text = pcall(function() return (poplin.serve(options)) end)
      assert.is_false(ok, problem)
      assert.is_truthy(text:find("^tests/lua/logins_spec.lua:%d+: poplin.serve: "), text)
      assert.is_truthy(text:find(problem, 1, true), text)
    end
    certified.auth = "anonymous external"
    certified.client_ca_pem = ca_pem
    serve(certified):stop()
  end)
end)

describe("scram_keys", function()
  -- RFC 7677 section 3, and RFC 5802 section 5.
  local SALT = "\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81"

  it("makes the keys of a password", function()
    assert.are.equal("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
      .. "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", poplin.scram_keys("pencil", { salt = SALT }))
    assert.are.equal("SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=",
      poplin.scram_keys("pencil", { hash = "SHA-1", salt = "\x41\x25\xc2\x47\xe4\x3a\xb1\xe9\x3c\x6d\xff\x76" }))
    local first, second = poplin.scram_keys("pencil"), poplin.scram_keys("pencil")
    assert.are_not.equal(first, second)
    assert.is_truthy(first:find("^SCRAM%-SHA%-256$4096:[%w+/=]+$[%w+/=]+:[%w+/=]+$"), first)
    assert.is_truthy(poplin.scram_keys("pencil", { iterations = 5000 }):find("$5000:", 1, true))
    assert.are.equal(poplin.scram_keys("IX", { salt = SALT }), poplin.scram_keys("I\u{AD}X", { salt = SALT }))
  end)

  it("answers that a password cannot be one", function()
    for _, password in ipairs { "", "a\a", "\xff", ("x"):rep(4097) } do
      local keys, err = poplin.scram_keys(password)
      assert.is_nil(keys)
      assert.are.equal("protocol", err.kind)
    end
  end)

  -- holds: T-API-3 S
  it("raises where it is misused", function()
    for problem, arguments in pairs {
      ["not a nil"] = {}, ["not a number"] = { 12 }, ["4096 or more"] = { "x", { iterations = 4095 } },
      ["1 to 64 octets"] = { "x", { salt = ("x"):rep(65) } }, ["a salt has"] = { "x", { salt = "" } },
      ["a string"] = { "x", { salt = 12 } }, ["'SHA-256' or 'SHA-1'"] = { "x", { hash = "MD5" } },
      ["unknown option: slat"] = { "x", { slat = "" } }, ["whole number"] = { "x", { iterations = 4096.5 } },
      ["table expected"] = { "x", "SHA-1" },
    } do
      local ok, text = pcall(function() return (poplin.scram_keys(table.unpack(arguments, 1, 2))) end)
      assert.is_false(ok, problem)
      assert.is_truthy(text:find("^tests/lua/logins_spec.lua:%d+: poplin.scram_keys: "), text)
      assert.is_truthy(text:find(problem, 1, true), text)
    end
  end)
end)
