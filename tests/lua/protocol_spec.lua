--- The machines by themselves: poplin.protocol, both ends in one script and no connection between them.

local poplin = require "poplin"
local kit = require "protocol_kit"
local protocol = require "poplin.protocol"

local MAIL, wire, of_type, types = kit.MAIL, kit.wire, kit.of_type, kit.types
local answer, events, new_host, talk = kit.answer, kit.events, kit.new_host, kit.talk
local plain, opened, greeted, asked = kit.plain, kit.opened, kit.greeted, kit.asked
local fails, raises = kit.fails, kit.raises

describe("the documentation comment", function()
  it("has examples that do what it says", function()
    local file <close> = assert(io.open("lua/poplin/protocol.lua"))
    local example, said = {}, {}
    for line in file:read("a"):match("^(.-)\n%-%- The rhythm"):gmatch("[^\n]+") do
      table.insert(example, line:match("^%-%-    (.*)"))
    end
    local environment = setmetatable({ print = function(...) table.insert(said, (table.concat({ ... }))) end },
      { __index = _G })
    assert(load(table.concat(example, "\n"), "=example", "t", environment))()
    assert.are.same({ "2 messages, 320 octets", "+OK 15 octets\r\nSubject: hi\r\n\r\n.\r\n" }, said)
  end)
end)

describe("docs/lua.md", function()
  it("has an example that counts", function()
    local file <close> = assert(io.open("docs/lua.md"))
    local code = file:read("a"):match('```lua\n(local protocol = require "poplin.protocol"\n.-)```')
    local count = assert(load(code .. "\nreturn count"))()
    local host = new_host { protected = true }
    local sock, arrived = {}, ""
    function sock.send(_, data)
      return host.session:receive_data(data)
    end
    function sock.receive()
      answer(host)
      arrived = arrived .. host.session:data_to_send()
      local line, rest = arrived:match("^(.-)\r\n(.*)$")
      arrived = rest or ""
      return line
    end
    local all = #wire(MAIL[1][2]) + #wire(MAIL[3][2])
    assert.are.same({ 3, all }, { count(sock, "alice", "secret") })
    host = new_host { protected = true }
    raises("did not accept the credentials", count, sock, "alice", "wrong")
  end)
end)

describe("a client against a session", function()
  it("has every command", function()
    local pop, host = opened(nil, { languages = { { tag = "de", description = "Deutsch" } }, expire = 30 })
    assert.are.same({ "transaction", "PLAIN", 30 }, { pop.phase, pop.mechanism, pop.capabilities.expire })
    assert.is_nil(pop.tls)
    local tags = {
      pop:stat(), pop:list(), pop:list(1), pop:uidl(), pop:uidl(2), pop:retr(1), pop:top(1, 1), pop:lang(),
      pop:lang("*"), pop:dele(2), pop:rset(), pop:dele(3), pop:noop(), pop:capa(), pop:retr(9), (pop:quit()),
    }
    assert.are.equal(16, pop.outstanding)
    local seen, replies = talk(pop, host), {}
    for i, reply in ipairs(of_type("reply", seen)) do
      assert.are.equal(tags[i], reply.tag)
      assert.are.equal(i ~= 15, reply.ok)
      replies[i] = reply
    end
    local sizes, all = {}, 0
    for i, message in ipairs(MAIL) do
      sizes[i] = #wire(message[2])
      all = all + sizes[i]
      assert.are.same({ type = "listing", tag = tags[2], number = i, octets = sizes[i] }, of_type("listing", seen)[i])
      assert.are.same({ type = "unique_id", tag = tags[4], number = i, uid = message[1] },
        of_type("unique_id", seen)[i])
    end
    assert.are.same({ "STAT", 3, all, 0 }, { replies[1].verb, replies[1].count, replies[1].octets, replies[1].number })
    assert.are.same({ 1, sizes[1] }, { replies[3].number, replies[3].octets })
    assert.are.same({ "uid-2", "de" }, { replies[5].text, replies[9].text })
    local languages = of_type("language", seen)
    assert.are.same({ type = "language", tag = tags[8], language = "de", description = "Deutsch" }, languages[1])
    local bodies = {}
    for _, event in ipairs(of_type("body", seen)) do
      bodies[event.tag] = (bodies[event.tag] or "") .. event.data
    end
    assert.are.equal(wire(MAIL[1][2]), bodies[tags[6]])
    assert.are.equal("Subject: one\r\n\r\n.\r\n", bodies[tags[7]])
    assert.are.same({ "uid-3" }, of_type("commit", host.asked)[1].uids)
    assert.are.equal("refused", replies[15].error.kind)
    assert.are.equal(1, (replies[15].error.text:find("RETR 9 at pop.example.org:110: the server refused", 1, true)))
    assert(pop:receive_eof())
    assert.are.same({ { type = "closed", clean = true } }, events(pop))
    assert.are.same({}, events(pop))
    fails("state", "session is over", pop:next_event())
    assert.are.same({ type = "session_closed", outcome = "committed" }, host.asked[#host.asked])
    assert.are.same({}, events(host.session))
    fails("state", "session is over", host.session:next_event())
  end)

  it("fetches in a series, and deletes in between", function()
    local pop, host = opened()
    local bodies, deleted, number = {}, {}, nil
    assert(pop:list())
    local listed = of_type("listing", talk(pop, host))
    assert(pop:retr_all { listed[1], { number = 2 }, 3 })
    talk(pop, host, function(event)
      if event.type == "reply" and event.verb == "RETR" then
        number, bodies[event.number] = event.number, ""
      elseif event.type == "body" then
        bodies[number] = bodies[number] .. event.data
      elseif event.type == "end" then
        assert(pop:dele(number))
        table.insert(deleted, number)
      end
    end)
    for i, message in ipairs(MAIL) do
      assert.are.equal(wire(message[2]), bodies[i])
    end
    assert.are.same({ 1, 2, 3 }, deleted)
    assert(pop:quit())
    talk(pop, host)
    assert.are.same({ "uid-1", "uid-2", "uid-3" }, of_type("commit", host.asked)[1].uids)
    pop = opened()
    assert(pop:retr_all { 1, 2 })
    assert.are.equal(2, pop.outstanding)
    fails("state", "has to end first", pop:retr_all { 1 })
    assert.are.equal(2, pop:retr_stop())
  end)

  it("logs in by token", function()
    for token, good in pairs { good = true, old = false } do
      local pop, host = plain { auth = "OAUTHBEARER" }, new_host { protected = true, asks = { "token", "password" } }
      assert(pop:open("alice", nil, token))
      local seen = talk(pop, host)
      local last = seen[#seen]
      assert.are.same({ "opened", good }, { last.type, last.ok })
      if not good then
        assert.are.equal("auth", last.error.kind)
        assert.is_truthy(last.error.answer:find("invalid_token", 1, true))
      end
    end
  end)

  it("logs in by keys", function()
    local pop, host = plain(), new_host { protected = true, asks = "scram_keys", auth = "SCRAM-SHA-256" }
    assert(pop:open("keys", "secret"))
    local seen = talk(pop, host)
    assert.is_true(seen[#seen].ok)
    assert.are.equal("SCRAM-SHA-256", pop.mechanism)
  end)

  it("lets anybody in where that is told by name", function()
    local pop, host = plain { auth = "ANONYMOUS" }, new_host { protected = true, auth = "ANONYMOUS", asks = {} }
    assert(pop:open())
    local seen = talk(pop, host)
    assert.is_true(seen[#seen].ok)
    assert.is_true(of_type("open_maildrop", host.asked)[1].read_only)
  end)

  it("opens without a login, and logs in later", function()
    local pop, host = opened(false)
    assert.are.equal("authorization", pop.phase)
    fails("state", "", pop:open())
    fails("state", "log in first", pop:stat())
    for _, unfit in ipairs { { "alice" }, { nil, "x" }, { "", "x" }, { "a\n", "x" } } do
      fails("protocol", "user, password or token", pop:login(unfit[1], unfit[2]))
    end
    assert(pop:login("alice", "wrong"))
    local refused = talk(pop, host)
    assert.are.same({ false, "auth" }, { refused[#refused].ok, refused[#refused].error.kind })
    assert(pop:login("alice", "secret"))
    local done = talk(pop, host)
    assert.is_true(done[#done].ok)
  end)
end)

describe("no event", function()
  it("has a reason", function()
    local pop = assert(protocol.client { tls = "never" })
    assert.are.same({ false, "need_data" }, { pop:next_event() })
    assert(pop:receive_data("+OK\r\n"))
    pop:next_event()
    assert(pop:stls())
    pop:data_to_send()
    assert(pop:receive_data("+OK\r\n"))
    assert.are.same({ "reply", "start_tls" }, types(events(pop)))
    assert.are.same({ false, "waiting" }, { pop:next_event() })
    local session, question = asked()
    assert.are.same({ false, "waiting" }, { session:next_event() })
    assert(session:refuse(question, poplin.AUTH))
    assert.are.same({ false, "need_data" }, { session:next_event() })
  end)
end)

describe("TLS", function()
  it("is started in the opening, and binds the login to it", function()
    local pop = assert(protocol.client { tls = "stls", host = "pop.example.org" })
    local host = new_host { tls = "stls", asks = "password" }
    assert(pop:open("alice", "secret"))
    local seen = talk(pop, host)
    assert.are.same({ type = "start_tls", host = "pop.example.org" }, of_type("start_tls", seen)[1])
    assert.are.same({ { type = "start_tls" } }, of_type("start_tls", host.asked))
    assert.is_true(seen[#seen].ok)
    assert.are.same({ "SCRAM-SHA-256-PLUS", "TLSv1.3", "TLSv1.3" }, { pop.mechanism, pop.tls, host.session.tls })
  end)

  it("is started by hand", function()
    local pop, host = assert(protocol.client { tls = "never" }), new_host { tls = "stls" }
    talk(pop, host)
    assert(pop:stls())
    local seen = talk(pop, host)
    assert.are.equal("start_tls", seen[#seen].type)
    assert(pop:capa())
    talk(pop, host)
    assert.is_false(pop.capabilities.stls)
    assert(pop:login("alice", "secret"))
    seen = talk(pop, host)
    assert.is_true(seen[#seen].ok)
  end)

  -- In one string with the STLS exchange, behind its event, or in strings of their own before anybody saw that.
  -- holds: T-STLS-1 S, T-STLS-4 C
  it("is not begun where octets in clear come behind STLS", function()
    for late = 0, 2 do
      local pop = greeted { host = "", protected = false }
      assert(pop:stls())
      pop:data_to_send()
      assert(pop:receive_data("+OK\r\n" .. (late == 0 and "+OK injected\r\n" or "")))
      if late == 2 then
        assert(pop:receive_data("+OK\r\n") and pop:receive_data("SASL PLAIN\r\n.\r\n"))
      end
      assert.are.equal("reply", pop:next_event().type)
      if late == 1 then
        assert.are.equal("start_tls", pop:next_event().type)
        assert(pop:receive_data("+OK injected\r\n"))
      end
      fails("protocol", "injecting", pop:next_event())
      local session = assert(protocol.session { tls = "stls", protected = true })
      assert(session:receive_data("STLS\r\n" .. (late == 0 and "USER mallory\r\n" or "")))
      if late == 2 then
        assert(session:receive_data("USER mallory\r\n") and session:receive_data("PASS secret\r\n"))
      elseif late == 1 then
        assert.are.equal("start_tls", session:next_event().type)
        assert(session:receive_data("USER mallory\r\n"))
      end
      local closed = events(session)[1]
      assert.are.same({ "session_closed", "failed", "protocol" }, { closed.type, closed.outcome, closed.error.kind })
      assert.is_nil(session:data_to_send():find("USER", 1, true))
    end
  end)

  it("comes first where it is implicit", function()
    local pop = assert(protocol.client {})
    fails("state", "", pop:receive_data("+OK\r\n"))
    assert(pop:tls_started())
    assert(pop:receive_data("+OK\r\n"))
    assert.are.same({ "greeting" }, types(events(pop)))
    assert.are.equal("TLS", pop.tls)
    local session = assert(protocol.session { tls = "implicit" })
    for _, call in ipairs { "data_to_send", "next_event", "receive_data" } do
      fails("state", "tls_started", session[call](session, ""))
    end
    assert(session:tls_started { version = "TLSv1.2" })
    assert.are.equal("+OK", session:data_to_send():sub(1, 3))
    fails("state", "", pop:tls_started())
    fails("state", "", session:tls_started())
  end)

  it("has facts of the right size", function()
    for _, new in ipairs { function() return protocol.client {} end,
      function() return protocol.session { tls = "implicit" } end } do
      local end_ = assert(new())
      raises("exporter must have 32 to 32 octets", end_.tls_started, end_, { exporter = "short" })
      raises("end_point must have", end_.tls_started, end_, { end_point = "" })
      raises("end_point must have", end_.tls_started, end_, { end_point = ("x"):rep(65) })
      raises("exporter must be a string", end_.tls_started, end_, { exporter = 32 })
      raises("verified must be", end_.tls_started, end_, { verified = "yes" })
      raises("version must be", end_.tls_started, end_, { version = 1.3 })
      raises("unknown fact: exportor; did you mean exporter?", end_.tls_started, end_, { exportor = "x" })
    end
    raises("unknown fact: identity", function() protocol.client({}):tls_started { identity = "alice" } end)
  end)

  it("lets a certificate log in", function()
    for _, verified in ipairs { true, false } do
      local session = assert(protocol.session { tls = "implicit", auth = "EXTERNAL", asks = {} })
      assert(session:tls_started { verified = verified, identity = verified and "alice" or nil })
      assert(session:receive_data("AUTH EXTERNAL =\r\n"))
      local event = session:next_event()
      assert.are.equal(verified and "alice" or false, event and event.user)
    end
  end)

  -- holds: T-SASL-12 C
  it("that is demanded is not gone without by a command of one's own", function()
    local pop = assert(protocol.client { tls = "stls" })
    assert(pop:receive_data("+OK\r\n"))
    events(pop)
    for _, line in ipairs { "PASS secret", "auth plain" } do
      fails("tls", "TLS is demanded", pop:command(line))
    end
    assert.are.equal("", pop:data_to_send())
    assert(pop:stls())
    pop:data_to_send()
    assert(pop:receive_data("+OK\r\n"))
    events(pop)
    assert(pop:tls_started())
    assert(pop:command("PASS secret"))
    assert.are.equal("PASS secret\r\n", pop:data_to_send())
  end)
end)

describe("a command of one's own", function()
  it("is answered as it is", function()
    local pop = opened()
    local listing = assert(pop:command("XTND XLST Subject", { multiline = true }))
    local refused = assert(pop:command("XOTHER"))
    pop:data_to_send()
    assert(pop:receive_data("+OK  list\r\n1 a\r\n..\r\n.\r\n-ERR [SYS/TEMP] no\r\n"))
    local first, body, last, second = table.unpack(events(pop))
    assert.are.same({ listing, 0, true, " list", "+OK  list", false },
      { first.tag, first.number, first.ok, first.text, first.line, first.complete })
    assert.is_nil(first.verb)
    assert.are.same({ type = "body", tag = listing, data = "1 a\r\n.\r\n" }, body)
    assert.are.same({ type = "end", tag = listing, octets = 8 }, last)
    assert.are.same({ refused, "SYS/TEMP", "[SYS/TEMP] no", "temporary", true },
      { second.tag, second.code, second.text, second.error.kind, second.complete })
  end)

  it("answers a challenge before all else", function()
    local pop = opened()
    assert(pop:command("AUTH PLAIN"))
    local noop = assert(pop:noop())
    pop:data_to_send()
    assert(pop:receive_data("+ \r\n"))
    assert.is_true(events(pop)[1].challenge)
    assert.are.equal("", pop:data_to_send())
    fails("state", "", pop:quit())
    assert(pop:command("*"))
    assert.are.equal("*\r\n", pop:data_to_send())
    assert(pop:receive_data("-ERR cancelled\r\n"))
    assert.is_false(events(pop)[1].ok)
    assert.are.equal("NOOP\r\n", pop:data_to_send())
    assert(pop:receive_data("+OK\r\n"))
    assert.are.equal(noop, events(pop)[1].tag)
  end)

  -- holds: T-INJ-1 C
  it("is one line", function()
    local pop = opened()
    for _, line in ipairs { "NOOP\r\nDELE 1", "NOOP\n", "NO\0OP", "STLS", "quit" } do
      fails("protocol", "a command is one line", pop:command(line))
    end
    fails("limit", "a command is one line", pop:command(("x"):rep(65537)))
    fails("protocol", "a language is a tag", pop:lang("d e"))
    assert.are.equal("", pop:data_to_send())
  end)

  -- holds: T-SEC-1 C
  it("keeps its secret", function()
    local pop = greeted()
    assert(pop:command("PASS hushhush"))
    assert.are.equal("PASS hushhush\r\n", pop:data_to_send())
    assert(pop:receive_data("-ERR hushhush is wrong\r\n"))
    local reply = events(pop)[1]
    for _, text in ipairs { reply.text, reply.line, tostring(reply), reply.error.text, reply.error.peer } do
      assert.is_nil(text:find("hushhush", 1, true))
    end
    assert(pop:command("XLOGIN aHVzaGh1c2g=", { secret = true }))
    pop:data_to_send()
    assert(pop:receive_data("aHVzaGh1c2g= ?\r\n"))
    local _, err = pop:next_event()
    assert.are.equal("protocol", err.kind)
    assert.is_nil(err.text:find("aHVz", 1, true))
  end)
end)
