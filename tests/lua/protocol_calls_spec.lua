--- What calls of poplin.protocol may not do, what is shown of it, and how it is closed.

local kit = require "protocol_kit"
local protocol = require "poplin.protocol"

local events, answer, opened, greeted = kit.events, kit.answer, kit.opened, kit.greeted
local asked, fails, raises = kit.asked, kit.fails, kit.raises

describe("what is shown", function()
  -- holds: T-SEC-1 B
  it("holds no secret", function()
    local pop, host = opened(nil, { asks = { "authenticate", "token" } })
    local session, check = asked()
    local other = assert(protocol.session { protected = true, asks = "token" })
    assert(other:receive_data("AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciB0b2tlbi1nb29kAQE=\r\n"))
    local token = assert(other:next_event())
    assert.are.equal("token-good", token.token)
    local shown = { tostring(pop), tostring(host.session), tostring(session), tostring(check), tostring(token) }
    for _, event in ipairs(host.asked) do
      table.insert(shown, tostring(event))
    end
    local text = table.concat(shown, "\n")
    assert.is_nil(text:find("secret", 1, true))
    assert.is_nil(text:find("good", 1, true))
    assert.are.equal("poplin.protocol.client pop.example.org (transaction, no TLS)", shown[1])
    assert.are.equal("poplin.protocol.session (transaction, no TLS)", shown[2])
    assert.are.equal('check_password mechanism="USER" password=**** question=' .. check.question .. ' user="alice"',
      shown[4])
    assert.are.equal("poplin.protocol.client (no session, no TLS)", tostring(protocol.client {}))
  end)

  it("holds no control characters", function()
    local pop = assert(protocol.client { tls = "never" })
    assert(pop:receive_data("+OK \27[2J\xff\r\n"))
    local text = tostring(pop:next_event())
    assert.is_nil(text:find("[%c\128-\255]"))
    assert.is_truthy(text:find("\\x1B[2J\\xFF", 1, true))
  end)
end)

describe("misuse", function()
  it("of options raises, on the script's own line", function()
    for _, case in ipairs {
      { "tls must be one of", "client", { tls = "tls" } }, { "no mechanism", "client", { auth = "NOTHING" } },
      { "port must be", "client", { port = 65536 } }, { "host holds a NUL", "client", { host = "a\0b" } },
      { "a limit must be 1 or more", "client", { limits = { max_line = 0 } } },
      { "unknown limit: max_lines; did you mean max_line?", "client", { limits = { max_lines = 1 } } },
      { "unknown option: timeout", "client", { timeout = 1 } }, { "must be a table", "client", "pop.example.org" },
      { "tls must be one of", "session", { tls = "auto" } }, { "asks must be one of", "session", { asks = "nothing" } },
      { "nobody could log in", "session", { asks = {} } }, { "no mechanism", "session", { auth = "NOTHING" } },
      { "nobody could log in", "session", { asks = {}, auth = "ANONYMOUS PLAIN" } },
      { "too small", "session", { limits = { max_line = 1 } } }, { "is a time", "session", { limits = { stall = 1 } } },
      { "languages is an array", "session", { languages = { { tag = "d e" } } } },
      { "pepper is empty", "session", { pepper = "" } }, { "unknown option: backend", "session", { backend = {} } },
    } do
      local problem = raises(case[1], protocol[case[2]], case[3])
      assert.is_truthy(problem:find("^[^\n]*protocol_kit%.lua:%d+: poplin%.protocol%." .. case[2]), problem)
    end
  end)

  -- holds: T-API-3 C
  it("of arguments raises before anything is sent", function()
    local pop, host = opened()
    local session = host.session
    for _, number in ipairs { 0, -1, 2 ^ 31, 1.5, "1", {} } do
      for _, verb in ipairs { "retr", "top", "dele", "list", "uidl" } do
        raises("message number must be", pop[verb], pop, number)
      end
      raises("message number must be", pop.retr_all, pop, { number })
    end
    raises("message number must be", pop.retr, pop)
    raises("message number must be", pop.retr_all, pop, { { octets = 1 } })
    raises("lines must be", pop.top, pop, 1, -1)
    raises("octets must be", pop.retr, pop, 1, -1)
    raises("must be an array", pop.retr_all, pop, 1)
    raises("data must be a string", pop.receive_data, pop, 7)
    raises("clean must be", pop.receive_eof, pop, "yes")
    raises("a line is needed", pop.command, pop)
    raises("line must be a string", pop.command, pop, {})
    raises("unknown option: secrets", pop.command, pop, "XTND", { secrets = true })
    raises("secret must be", pop.command, pop, "XTND", { secret = "yes" })
    raises("password must be a string", pop.login, pop, "alice", 7)
    raises("a question is an event", session.accept, session, "1")
    raises("a question is an event", session.accept, session, { type = "body_done" })
    raises("data must be a string", session.body, session, 1)
    raises("user is empty", session.accept_as, session, 1, "")
    raises("the kind must be one of", session.refuse, session, 1, "maybe")
    raises("the code must be", session.refuse, session, 1, "auth", nil, "IN-USE")
    local problem = raises("", pop.retr, pop, 0)
    assert.is_truthy(problem:find("protocol_kit.lua", 1, true), problem)
    assert.are.equal("", pop:data_to_send())
    assert.are.equal("transaction", pop.phase)
  end)
end)

describe("closing", function()
  it("is peaceful, twice, in the middle and not at all", function()
    for _, new in ipairs { function() return greeted() end, function() return (asked()) end } do
      local end_ = new()
      do
        local again <close> = end_
        again:close()
      end
      for _, call in ipairs { "next_event", "receive_data", "data_to_send", "receive_eof", "tls_started" } do
        fails("state", "closed", end_[call](end_, call == "receive_data" and "x" or nil))
      end
      assert.are.same({}, events(end_))
      assert.is_nil(end_.phase)
      assert.is_string(tostring(end_))
      local _ = new()
    end
    local pop = greeted()
    pop:close()
    fails("state", "closed", pop:stat())
    fails("state", "closed", pop:retr_all { 1 })
    assert.are.same({ 0 }, { pop.outstanding, pop.mechanism })
    assert.is_nil(next(pop.capabilities))
    local session, question = asked()
    session:close()
    fails("state", "closed", session:accept(question))
    fails("state", "closed", session:open(question, {}))
    pop = opened()
    assert(pop:retr(1) and pop:noop())
    pop:data_to_send()
    assert(pop:receive_data("+OK\r\nx\r\n.\r\n+OK\r\n"))
    for event in pop:events() do
      if event.type == "body" then
        pop:close()
      end
    end
    collectgarbage()
  end)

  it("is all that a finalizer may do", function()
    local pop = greeted()
    local problems = {}
    local function finalized(f)
      setmetatable({}, { __gc = function() problems[#problems + 1] = table.pack(pcall(f)) end })
      collectgarbage()
    end
    finalized(function() return pop:next_event() end)
    finalized(function() return pop:data_to_send() end)
    finalized(function() return pop:stat() end)
    for i = 1, 3 do
      assert.is_false(problems[i][1])
      assert.is_truthy(problems[i][2]:find("finalizer", 1, true))
    end
    assert(pop:capa())
    finalized(function() pop:close() end)
    assert.is_true(problems[4][1])
    fails("state", "closed", pop:capa())
  end)

  it("leaves nothing behind when nobody closes", function()
    for _ = 1, 200 do
      local pop, host = opened()
      assert(pop:retr(3))
      assert(host.session:receive_data(pop:data_to_send()))
      answer(host)
      assert(pop:receive_data(host.session:data_to_send()))
      pop:next_event()
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage("count") < 200 * 1024)
  end)
end)
