--- A session of poplin.protocol: its questions, and how they are answered.

local poplin = require "poplin"
local kit = require "protocol_kit"
local protocol = require "poplin.protocol"

local of_type, events, talk, opened = kit.of_type, kit.events, kit.talk, kit.opened
local asked, fails, raises = kit.asked, kit.fails, kit.raises

describe("a question", function()
  it("is answered no in many ways", function()
    for _, case in ipairs {
      { "-ERR [IN-USE]", poplin.IN_USE }, { "-ERR [IN-USE] busy", poplin.IN_USE, "busy" },
      { "-ERR [SYS/TEMP] later", poplin.TEMPORARY, "later" }, { "-ERR [SYS/PERM] no", poplin.REFUSED, "no" },
      { "-ERR [SYS/PERM]" }, { "-ERR [LOGIN-DELAY] too soon", poplin.TEMPORARY, "too soon", "LOGIN-DELAY" },
    } do
      local session, question = asked()
      assert(session:accept(question))
      assert(session:refuse(session:next_event(), case[2], case[3], case[4]))
      events(session)
      local last = session:data_to_send():match("([^\n]*)\n$")
      assert.are.equal(case[1], last:sub(1, #case[1]))
      assert.are.equal("authorization", session.phase)
    end
  end)

  it("is answered once, now or later, by its number too", function()
    local session, check = asked { failed_logins = true }
    assert.are.same({ "check_password", "alice", "secret", "USER" },
      { check.type, check.user, check.password, check.mechanism })
    fails("state", "takes another kind of answer", session:body(check, "x"))
    assert(session:refuse(check.question, poplin.AUTH))
    fails("state", "not open any more", session:accept(check))
    fails("state", "not open any more", session:refuse(check))
    fails("state", "not open any more", session:accept(999999))
    fails("state", "not open any more", session:accept(-1))
    local failed = session:next_event()
    assert.are.same({ "failed_login", "alice", 1, "USER" },
      { failed.type, failed.user, failed.failures, failed.mechanism })
    assert.is_nil(session:data_to_send():find("-ERR", 1, true))
    assert(session:accept(failed))
    assert.are.same({ false, "need_data" }, { session:next_event() })
    assert.is_truthy(session:data_to_send():find("-ERR", 1, true))
    assert.are.equal(2, session.commands)
  end)

  it("may wait for its answer while other sessions go on", function()
    local sessions, waiting = {}, {}
    for i = 1, 3 do
      local session, question = asked(nil, "STAT\r\n")
      sessions[i], waiting[i] = session, question
    end
    for i = 3, 1, -1 do
      local answerer = coroutine.wrap(function()
        assert(sessions[i]:accept(waiting[i]))
        coroutine.yield()
        assert(sessions[i]:open(sessions[i]:next_event(), { { "a", i } }))
      end)
      answerer()
      answerer()
      events(sessions[i])
      assert.is_truthy(sessions[i]:data_to_send():find("+OK 1 " .. i .. "\r\n", 1, true))
    end
  end)

  it("about a maildrop wants one", function()
    for _, messages in ipairs { { { "a", 1 }, { "a", 1 } }, { { "", 1 } }, { { "a b" } } } do
      local session, question = asked()
      assert(session:accept(question))
      fails("protocol", "a unique-id must be", session:open(session:next_event(), messages))
      assert.are.equal("authorization", session.phase)
    end
    local session, question = asked { limits = { max_messages = 2 } }
    assert(session:accept(question))
    local open = session:next_event()
    raises("element 2 must be", session.open, session, open, { { "a" }, "b" })
    raises("element 1 must be", session.open, session, open, { { "a", -1 } })
    raises("must be an array", session.open, session, open, "a")
    fails("limit", "more messages than max_messages", session:open(open, { { "a" }, { "b" }, { "c" } }))
  end)

  it("about a body takes pieces, and minds sizes", function()
    local session, question = asked(nil, "STAT\r\nRETR 1\r\n")
    local pieces, told = { "Subject: x\n", "\n", "body\n" }, {}
    assert(session:accept(question))
    for event in session:events() do
      table.insert(told, event)
      if event.type == "open_maildrop" then
        assert(session:open(event, { { "uid-1", 5 }, { "uid-2" } }))
      elseif event.type == "send_body" and event.index == 2 then
        assert(session:body(event, "12345\r\n")) -- asked for, to be counted
      elseif event.type == "send_body" then
        local piece = table.remove(pieces, 1)
        assert(session:body(event, piece, #pieces == 0))
        fails("state", "", session:body(event, piece))
      end
    end
    local sent = session:data_to_send()
    assert.are.equal("+OK 2 12\r\n+OK 5 octets\r\nSubject: x\r\n\r\nbody\r\n.\r\n", sent:match("messages\r\n(.*)"))
    assert.are.same({ { type = "mismatch", index = 1, uid = "uid-1", announced = 5, octets = 20 } },
      of_type("mismatch", told))
    assert.are.same({ type = "body_done", index = 1, uid = "uid-1" }, of_type("body_done", told)[2])
  end)

  it("about a body is answered by a string that is kept as long as it is needed, and no longer", function()
    local session, question = asked(nil, "RETR 1\r\n")
    local content = ("Subject: large\r\n\r\n" .. ("x"):rep(70) .. "\r\n"):rep(5000)
    assert(session:accept(question))
    assert(session:open(session:next_event(), { { "uid-1", #content } }))
    assert(session:body(session:next_event(), (content:gsub("", "")))) -- a string of its own, which nobody else keeps
    local sent, done = {}, false
    while not done do
      collectgarbage()
      for event in session:events() do
        done = done or event.type == "body_done"
      end
      table.insert(sent, session:data_to_send())
    end
    assert.is_truthy(table.concat(sent):find(content, 1, true))
    collectgarbage()
    local before = collectgarbage("count")
    assert(session:receive_data("RETR 1\r\n"))
    assert(session:body(session:next_event(), (" "):rep(1 << 22) .. "\n"))
    while session:data_to_send() ~= "" do
      events(session)
    end
    collectgarbage()
    assert.is_true(collectgarbage("count") - before < 2048)
    assert.are.equal("transaction", session.phase)
  end)

  it("about keys wants keys", function()
    local session, question = asked { asks = "scram_keys" }
    local err = fails("protocol", "no SCRAM keys", session:keys(question, "SCRAM-SHA-256$hushhush"))
    assert.is_nil(err.text:find("hushhush", 1, true))
    assert(session:keys(question, assert(poplin.scram_keys("secret"))))
    assert.are.equal("open_maildrop", session:next_event().type)
  end)

  it("may be about one user's terms", function()
    local session = assert(protocol.session { protected = true, login_delay = 60, login_delay_by_user = true,
      expire = 5, expire_by_user = true })
    assert(session:receive_data("CAPA\r\nUSER alice\r\nPASS secret\r\nCAPA\r\n"))
    assert(session:accept(session:next_event()))
    local open = session:next_event()
    raises("_by_user", session.open, session, open, {}, { login_delay = 61 })
    raises("expire must be", session.open, session, open, {}, { expire = "ever" })
    raises("unknown term: expires; did you mean expire?", session.open, session, open, {}, { expires = 1 })
    assert(session:open(open, {}, { login_delay = 10, expire = "never" }))
    events(session)
    local sent = session:data_to_send()
    for _, line in ipairs { "LOGIN-DELAY 60 USER", "EXPIRE 5 USER", "LOGIN-DELAY 10\r", "EXPIRE NEVER\r" } do
      assert.is_truthy(sent:find(line, 1, true), line)
    end
  end)
end)

describe("a session", function()
  it("ends in many ways", function()
    for outcome, end_ in pairs {
      ["timed out"] = function(session) return session:timeout() end,
      failed = function(session) return session:abort("the server stops") end,
      dropped = function(session) return session:receive_eof(false) end,
      left = function(session) return session:receive_data("QUIT\r\n") end,
    } do
      local session = assert(protocol.session {})
      assert(end_(session))
      local closed = events(session)
      assert.are.same({ 1, outcome }, { #closed, closed[1].outcome })
      if outcome == "failed" then
        assert.are.same({ "cancelled", "the server stops" }, { closed[1].error.kind, closed[1].error.reason })
      end
      assert.is_nil(session.phase)
      fails("state", "over", session:next_event())
      fails("state", "over", session:timeout())
      fails("state", "over", session:receive_data("x"))
    end
  end)

  it("learns of mail that somebody else deleted", function()
    local pop, host = opened()
    assert(host.session:gone { "uid-2", "not there" })
    assert(pop:retr(2) and pop:retr(1))
    local replies = of_type("reply", talk(pop, host))
    assert.are.same({ false, true }, { replies[1].ok, replies[2].ok })
    fails("state", "no maildrop", protocol.session({}):gone { "uid-1" })
    raises("a unique-id must be", host.session.gone, host.session, { 1 })
  end)
end)
