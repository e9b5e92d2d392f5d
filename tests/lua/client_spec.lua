--- The client's verbs, against a server of the same script.

local poplin = require "poplin"
local support = require "support"

local TEXT = "Subject: dots\n\n.\n..two\nlast line without end"
local WIRE = "Subject: dots\r\n\r\n.\r\n..two\r\nlast line without end\r\n"

for _, mode in ipairs { "never", "stls", "implicit" } do
  describe("a client over tls = " .. mode, function()
    local server, drop, pop

    before_each(function()
      drop = support.maildrop { { "first", "Subject: one\r\n\r\n1\r\n" }, { "second", TEXT }, { "third", "" } }
      server = support.fixture(drop, support.tls(mode))
      pop = assert(support.connect(server, { tls = mode == "implicit" and "auto" or mode }))
    end)

    after_each(function()
      pop:close()
      server:stop()
      assert.are.same({}, server.errors)
    end)

    it("knows how it is connected", function()
      assert.are.equal("poplin test server, not for production", pop.greeting)
      assert.are.equal("PLAIN", pop.mechanism)
      if mode == "never" then
        assert.is_nil(pop.tls)
      else
        assert.is_truthy(tostring(pop.tls):find("TLS1.3", 1, true))
      end
    end)

    it("counts, lists and names messages", function()
      local count, octets = pop:stat()
      assert.are.same({ 3, #"Subject: one\r\n\r\n1\r\n" + #WIRE }, { count, octets })
      assert.are.same({ number = 2, octets = #WIRE }, assert(pop:list())[2])
      assert.are.equal(#WIRE, pop:list(2))
      assert.are.same({ number = 3, uid = "third" }, assert(pop:uidl())[3])
      assert.are.equal("first", pop:uidl(1))
    end)

    it("fetches with CRLF line ends and dots as they are", function()
      assert.are.equal(WIRE, pop:retr(2))
      assert.are.equal("", pop:retr(3))
      assert.are.equal("Subject: dots\r\n\r\n.\r\n", pop:top(2, 1))
      assert.are.equal("Subject: dots\r\n\r\n", pop:top(2))
    end)

    it("deletes at quit and not before", function()
      assert.is_true(pop:dele(1))
      assert.is_true(pop:dele(2))
      assert.are.equal(1, (pop:stat()))
      assert.is_true(pop:rset())
      assert.is_true(pop:dele(3))
      assert.are.same({}, drop.deleted)
      assert.is_true(pop:quit())
      assert.are.same({ "third" }, drop.deleted)
      assert.are.same({ "committed" }, drop.closed)
    end)

    it("tells what the server can do", function()
      local capabilities = assert(pop:capa())
      assert.are.same({}, capabilities.UIDL)
      assert.are.same({}, capabilities.PIPELINING)
      assert.is_true(pop:noop())
    end)
  end)
end

describe("messages", function()
  local server, drop, pop

  before_each(function()
    drop = support.maildrop(support.messages(300))
    server = support.fixture(drop)
    pop = assert(support.connect(server))
  end)

  after_each(function()
    support.warnings(function() pop:close() end)
    server:stop()
  end)

  it("are listed without being fetched", function()
    local messages = assert(pop:messages())
    assert.are.equal(300, #messages)
    assert.are.same({ 7, "uid-7" }, { messages[7].number, messages[7].uid })
    assert.is_nil(messages[7].data)
    assert.are.equal("Subject: message 7\r\n\r\nbody 7\r\n", messages[7]:retr())
    assert.are.equal("Subject: message 7\r\n\r\n", messages[7]:top())
    assert.are.equal(#messages[7]:retr(), messages[7].octets)
  end)

  it("come one after the other from retr_all", function()
    local count = 0
    for message in pop:retr_all() do
      count = count + 1
      assert.are.equal(count, message.number)
      assert.are.equal("uid-" .. count, message.uid)
      assert.are.equal("Subject: message " .. count .. "\r\n\r\nbody " .. count .. "\r\n", message.data)
    end
    assert.are.equal(300, count)
  end)

  it("allow other commands inside the loop", function()
    local count = 0
    for message in pop:retr_all() do
      count = count + 1
      if message.number % 100 == 0 then
        assert.are.equal(300, (pop:stat()))
        assert.are.equal("Subject: message 5\r\n\r\nbody 5\r\n", pop:retr(5))
      end
    end
    assert.are.equal(300, count)
  end)

  it("may be left early", function()
    for message in pop:retr_all() do
      if message.number == 3 then
        break
      end
    end
    assert.is_true(pop:noop())
    local first = pop:retr_all()
    assert.is_function(first)
    assert.are.equal("uid-300", pop:uidl(300))
  end)

  it("raise a refused deletion at one of the loop's next steps", function()
    local slow = assert(support.connect(support.fixture(drop), { limits = { window_commands = 2 } }))
    local ok, err = pcall(function()
      for message in slow:retr_all() do
        if message.number <= 2 then
          assert.is_true(slow:dele(1))
        end
      end
    end)
    assert.is_false(ok)
    assert.are.equal("refused", err.kind)
    assert.are.equal("DELE 1", err.doing)
    support.warnings(function() slow:close() end)
  end)

  it("raise when the server goes", function()
    local ok, err = pcall(function()
      for message in pop:retr_all() do
        if message.number == 1 then
          server:stop()
        end
      end
    end)
    assert.is_false(ok)
    assert.are.equal("closed", err.kind)
  end)
end)

describe("retr with into", function()
  local LARGE = ("0123456789abcdef"):rep(4096 * 20, "") .. "\r\n"
  local server, pop

  before_each(function()
    server = support.fixture(support.maildrop { { "large", LARGE }, { "small", "x\r\n" } })
    pop = assert(support.connect(server))
  end)

  after_each(function()
    pop:close()
    server:stop()
  end)

  it("hands pieces to a function", function()
    local pieces = {}
    assert.are.equal(#LARGE, pop:retr(1, function(piece) table.insert(pieces, piece) end))
    assert.is_true(#pieces > 1)
    for i = 1, #pieces - 1 do
      assert.is_true(#pieces[i] >= 65536)
    end
    assert.is_true(table.concat(pieces) == LARGE)
  end)

  it("writes to a file", function()
    local file <close> = io.tmpfile()
    assert.are.equal(#LARGE, pop:retr(1, file))
    file:seek("set")
    assert.is_true(file:read("a") == LARGE)
  end)

  it("tells of a file that cannot be written, and goes on", function()
    local file <close> = assert(io.open("/dev/full", "w"))
    file:setvbuf("no")
    local octets, err = pop:retr(1, file)
    assert.is_nil(octets)
    assert.are.equal("io", err.kind)
    assert.are.equal("x\r\n", pop:retr(2))
  end)

  -- holds: T-API-1 C
  it("lets the function's error through, and goes on", function()
    local ok, err = pcall(pop.retr, pop, 1, function() error({ mine = true }) end)
    assert.is_false(ok)
    assert.is_true(err.mine)
    assert.are.equal("x\r\n", pop:retr(2))
  end)

  it("answers a refusal before anything is written", function()
    local called = false
    local octets, err = pop:retr(3, function() called = true end)
    assert.is_nil(octets)
    assert.are.equal("refused", err.kind)
    assert.is_false(called)
  end)
end)

describe("a failure", function()
  it("is a value with kind, code and text", function()
    local server <close> = support.fixture(support.maildrop {})
    local pop, err = support.connect(server, { password = "wrong" })
    assert.is_nil(pop)
    assert.are.equal("auth", err.kind)
    assert.are.equal("AUTH", err.code)
    assert.are.equal(err.text, tostring(err))
    assert.is_nil(err.text:find("wrong", 1, true))
  end)

  it("of a refused login leaves a connection that may try again", function()
    local server <close> = support.fixture(support.maildrop {})
    local pop <close> = assert(poplin.connect(server.url))
    local ok, err = pop:login("alice", "wrong")
    assert.is_nil(ok)
    assert.are.equal("auth", err.kind)
    ok, err = pop:stat()
    assert.is_nil(ok)
    assert.are.equal("state", err.kind)
    assert.is_true(pop:login("alice", "secret"))
    assert.are.equal("PLAIN", pop.mechanism)
    assert.are.equal(0, (pop:stat()))
  end)

  it("of connecting says to whom", function()
    local server = support.serve(support.maildrop {})
    local url = server.url
    server:stop()
    local pop, err = poplin.connect(url)
    assert.is_nil(pop)
    assert.are.equal("io", err.kind)
    assert.is_truthy(err.text:find(url:match("//(.*)"), 1, true))
  end)

  it("is what every verb answers after close", function()
    local server <close> = support.fixture(support.maildrop {})
    local pop = assert(support.connect(server))
    pop:close()
    for _, verb in ipairs { "stat", "list", "uidl", "messages", "noop", "rset", "capa", "quit" } do
      local ok, err = pop[verb](pop)
      assert.is_nil(ok)
      assert.are.equal("state", err.kind)
    end
  end)

  -- holds: T-TLS-1 C
  it("of verification comes before any credential is asked for", function()
    local asked = false
    local server <close> = support.serve(support.maildrop {}, {
      tls = "implicit", cert_pem = support.certificate.cert_pem, key_pem = support.certificate.key_pem,
      password = function() asked = true end,
    })
    local pop, err = poplin.connect(server.url, { user = "alice", password = "secret" })
    assert.is_nil(pop)
    assert.are.equal("certificate", err.kind)
    assert.is_false(asked)
    pop = assert(poplin.connect(server.url, { verify = false }))
    pop:close()
  end)

  -- holds: T-TLS-2 C
  it("of verification: another name", function()
    local testing = require "poplin.testing"
    local other = assert(testing.certificate("mail.example.org"))
    local server <close> = support.serve(support.maildrop {}, {
      tls = "implicit", cert_pem = other.cert_pem, key_pem = other.key_pem,
    })
    local pop, err = support.connect(server, { ca_pem = other.ca_pem })
    assert.is_nil(pop)
    assert.are.equal("certificate", err.kind)
    assert.is_truthy(err.reason:find("127.0.0.1", 1, true))
  end)

  it("of a server without STLS where it is demanded", function()
    local server <close> = support.fixture(support.maildrop {})
    local pop, err = support.connect(server, { tls = "stls" })
    assert.is_nil(pop)
    assert.are.equal("unsupported", err.kind)
    assert.is_truthy(err.reason:find("STLS", 1, true))
  end)

  it("of time: the deadline passes while a callback is at work", function()
    local testing = require "poplin.testing"
    local drop = support.maildrop(support.messages(1))
    function drop.retr()
      testing.advance(61)
      while true do
        coroutine.yield()
      end
    end
    local server <close> = support.fixture(drop)
    local pop <close> = assert(support.connect(server))
    local text, err = pop:retr(1)
    assert.is_nil(text)
    assert.are.equal("timeout", err.kind)
  end)

  it("of a server that breaks the protocol", function()
    local port, finished = support.peer [[
      send "+OK hi\r\n" cuts each
      expect "CAPA\r\n"
      send "-ERR\r\n"
      expect "USER alice\r\n"
      send "+OK\r\n"
      expect "PASS secret\r\n"
      send "+OK\r\n"
      expect "STAT\r\n"
      send "+OK many\r\n"
      expect-eof
    ]]
    local pop = assert(poplin.connect("pop3://127.0.0.1:" .. port, { user = "alice", password = "secret" }))
    local count, err = pop:stat()
    assert.is_nil(count)
    assert.are.equal("protocol", err.kind)
    pop:close()
    local ok, transcript = finished()
    assert.is_true(ok, transcript)
  end)
end)

describe("misuse", function()
  local server

  setup(function()
    server = support.fixture(support.maildrop {})
  end)

  teardown(function()
    server:stop()
  end)

  local function refused(pattern, url, options)
    local ok, problem = pcall(poplin.connect, url, options)
    assert.is_false(ok)
    assert.is_truthy(tostring(problem):find(pattern), tostring(problem))
  end

  it("of connect raises", function()
    refused("unknown option: pasword", server.url, { pasword = "x" })
    refused("no password", server.url, { user = "alice" })
    refused("no user", server.url, { password = "x" })
    refused("tls must be", server.url, { tls = "maybe" })
    refused("timeout must be", server.url, { timeout = 0 })
    refused("timeout must be", server.url, { timeout = 0 / 0 })
    refused("verify must be", server.url, { verify = "yes" })
    refused("unknown option: window", server.url, { limits = { window = 1 } })
    refused("URL or host")
  end)

  -- holds: T-API-3 C
  it("with a NUL or a line end in what a command carries sends nothing", function()
    refused("ca_file holds a NUL", server.url, { ca_file = "a\0b" })
    for _, password in ipairs { "a\0b", "a\r\nQUIT" } do
      local pop, err = poplin.connect(server.url, { user = "alice", password = password })
      assert.is_nil(pop)
      assert.are.equal("protocol", err.kind)
    end
    assert.are.equal(0, #server.errors)
  end)

  -- holds: T-API-3 C
  it("of a message number raises before anything is sent", function()
    local pop <close> = assert(support.connect(server))
    for _, number in ipairs { 0, -1, 2 ^ 31, 1.5, "one", math.huge, {} } do
      assert.is_false(pcall(pop.retr, pop, number))
      assert.is_false(pcall(pop.dele, pop, number))
    end
    assert.is_false(pcall(pop.top, pop, 1, -1))
    assert.is_true(pop:noop())
  end)

  it("of a URL is a value: it may come from a person", function()
    for _, url in ipairs { "http://example.org", "pop3://alice:secret@example.org", "pop3://host:99999" } do
      local pop, err = poplin.connect(url)
      assert.is_nil(pop)
      assert.are.equal("protocol", err.kind)
      assert.is_nil(err.text:find("secret", 1, true))
    end
  end)
end)

describe("a password", function()
  it("may be a function, which is told the user", function()
    local server <close> = support.fixture(support.maildrop {})
    local told
    local pop = assert(support.connect(server, { password = function(user)
      told = user
      return "secret"
    end }))
    assert.are.equal("alice", told)
    pop:close()
  end)

  it("that is asked for in vain is misuse", function()
    local server <close> = support.fixture(support.maildrop {})
    assert.is_false(pcall(support.connect, server, { password = function() end }))
  end)

  it("that cannot be had leads to the function's own reason", function()
    local server <close> = support.fixture(support.maildrop {})
    for _, why in ipairs { "the vault is locked", { kind = "vault" } } do
      local found, err = support.connect(server, { password = function() return nil, why end })
      assert.is_nil(found)
      assert.are.equal(why, err)
    end
  end)
end)

describe("a Unix socket", function()
  it("joins client and server", function()
    local path = os.tmpname()
    os.remove(path)
    local server <close> = support.fixture(support.maildrop(support.messages(1)), { path = path })
    assert.is_nil(server.url)
    local pop <close> = assert(poplin.connect(nil, { path = path, user = "alice", password = "secret" }))
    assert.are.equal(1, (pop:stat()))
  end)
end)
