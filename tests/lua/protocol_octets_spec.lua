--- poplin.protocol takes octets however they come, and fails for good.

local kit = require "protocol_kit"
local protocol = require "poplin.protocol"

local of_type, types, events, new_host, answer = kit.of_type, kit.types, kit.events, kit.new_host, kit.answer
local opened, asked, fails, raises = kit.opened, kit.asked, kit.fails, kit.raises

-- Reads everything; nil and an error where the session ended badly, what came before it being in the third.
local function until_failure(of)
  local found = {}
  while true do
    local event, err = of:next_event()
    if not event then
      return event, err, found
    end
    table.insert(found, event)
  end
end

describe("octets", function()
  local SERVER = {
    CAPA = "+OK\r\nUSER\r\nUIDL\r\nTOP\r\nPIPELINING\r\nRESP-CODES\r\nLANG\r\n.\r\n",
    ["USER alice"] = "+OK\r\n", ["PASS secret"] = "+OK\r\n", STAT = "+OK 2 320\r\n",
    LIST = "+OK\r\n1 120\r\n2 200\r\n.\r\n", UIDL = "+OK\r\n1 a\r\n2 b\r\n.\r\n",
    ["RETR 1"] = "+OK\r\n..\r\n...\r\nx\ry\r\n.\r\n", ["RETR 2"] = "-ERR [SYS/TEMP] no\r\n",
    LANG = "+OK\r\nde Deutsch\r\n.\r\n", ["XTND XLST"] = "+OK list\r\n1 a\r\n.\r\n", QUIT = "+OK bye\r\n",
  }

  -- What a client tells of SERVER, whose words are cut into pieces by `cut`, which is called with what is left; bodies
  -- joined.
  local function told_by_client(cut)
    local pop = assert(protocol.client { tls = "never" })
    local seen, left = {}, "+OK ready\r\n"
    local function take(event)
      local before = seen[#seen]
      if event.type == "body" and before.type == "body" then
        before.data = before.data .. event.data
      else
        table.insert(seen, event)
      end
      if event.type == "opened" then
        local _ = assert(pop:stat() and pop:list() and pop:uidl() and pop:retr(1) and pop:retr(2) and pop:lang())
        assert(pop:command("XTND XLST", { multiline = true }))
        assert(pop:quit())
      end
    end
    assert(pop:open("alice", "secret"))
    while left ~= "" do
      local size = cut(left)
      assert(pop:receive_data(left:sub(1, size)))
      left = left:sub(size + 1)
      for event in pop:events() do
        take(event)
      end
      for line in pop:data_to_send():gmatch("([^\r]*)\r\n") do
        left = left .. SERVER[line]
      end
    end
    assert(pop:receive_eof())
    take(assert(pop:next_event()))
    return seen
  end

  local CLIENT = "CAPA\r\nUSER alice\r\nPASS wrong\r\nuser alice\r\nPASS secret\r\nSTAT\r\nRETR 1\r\nTOP 3 1\r\n"
    .. "NOISE\r\nDELE 2\r\nUIDL\r\nQUIT\r\n"

  local function told_by_session(cut)
    local host = new_host { protected = true }
    local left, sent = CLIENT, ""
    while left ~= "" do
      local size = cut(left)
      assert(host.session:receive_data(left:sub(1, size)))
      left = left:sub(size + 1)
      repeat
        answer(host)
        local data = assert(host.session:data_to_send())
        sent = sent .. data
      until data == ""
    end
    table.insert(host.asked, 1, sent)
    return host.asked
  end

  -- holds: T-API-4 B
  it("mean the same however they are cut, to the client and to the session", function()
    for _, told in ipairs { told_by_client, told_by_session } do
      local as_one = told(function(left) return #left end)
      assert.are.same(as_one, told(function() return 1 end))
      for seed = 1, 20 do
        math.randomseed(seed)
        assert.are.same(as_one, told(function(left) return math.random(1, math.min(#left, 40)) end))
      end
      assert.is_truthy(as_one[#as_one].type:find("closed$"))
    end
  end)

  it("of a body are joined, though each dot cuts it", function()
    local pop = opened()
    assert(pop:retr(1))
    pop:data_to_send()
    assert(pop:receive_data("+OK\r\n" .. ("..\r\n"):rep(1000) .. ".\r\n"))
    local seen = events(pop)
    local bodies, text = of_type("body", seen), ""
    for _, event in ipairs(bodies) do
      text = text .. event.data
    end
    assert.are.equal((".\r\n"):rep(1000), text)
    assert.is_true(#bodies < 20)
    assert.are.same({ "end", 3000 }, { seen[#seen].type, seen[#seen].octets })
  end)

  -- What comes behind a body was taken from the machine already: a command in between must not hurt it.
  it("behind a body stay what they are, whatever is asked in between", function()
    local pop = opened()
    assert(pop:retr(1) and pop:stat())
    pop:data_to_send()
    assert(pop:receive_data("+OK\r\nbody\r\n.\r\n+OK 7 700 and words\r\n"))
    local seen = {}
    for event in pop:events() do
      table.insert(seen, event)
      for _ = 1, 50 do
        assert(pop:command("XTND " .. ("x"):rep(200)))
      end
      pop:data_to_send()
      collectgarbage()
    end
    assert.are.same({ "reply", "body", "end", "reply" }, types(seen))
    assert.are.same({ "body\r\n", 6, 7, 700 }, { seen[2].data, seen[3].octets, seen[4].count, seen[4].octets })
    assert.are.equal("+OK 7 700 and words", seen[4].line)
  end)

  it("that come before they are wanted wait", function()
    local pop = assert(protocol.client { tls = "never" })
    for octet in ("+OK ready\r\n"):gmatch(".") do
      assert(pop:receive_data(octet))
    end
    assert(pop:receive_data(""))
    assert.are.same({ type = "greeting", text = "ready", line = "+OK ready" }, pop:next_event())
    assert(pop:capa())
    pop:data_to_send()
    assert(pop:receive_eof())
    assert(pop:receive_eof(false)) -- only the first counts
    for _ = 1, 3 do
      fails("closed", "closed the connection before its reply", pop:next_event())
    end
    fails("closed", "", pop:noop())
    fails("closed", "", pop:receive_data("more"))
    local session = assert(protocol.session {})
    assert(session:receive_data("NOOP\r\nQUI"))
    assert(session:receive_data("T\r\n"))
    assert.are.same({ { type = "session_closed", outcome = "left" } }, events(session))
    fails("state", "over", session:receive_data("more"))
  end)

  it("that come while a question is open are read behind the answer, in their order", function()
    local session, question = asked()
    for i = 1, 200 do
      assert(session:receive_data(i % 2 == 0 and "NOOP\r\n" or "LIST " .. i .. "\r\n"))
    end
    collectgarbage()
    assert.are.equal(2, session.commands)
    assert(session:accept(question))
    assert(session:open(session:next_event(), { { "a", 7 } }))
    assert.are.same({}, events(session))
    local i = 0
    for line in session:data_to_send():match("messages\r\n(.*)"):gmatch("([^\n]*)\n") do
      i = i + 1
      assert.is_truthy(line:find(i == 1 and "^%+OK 1 7\r$" or i % 2 == 0 and "^%+OK nothing done" or "^%-ERR"), line)
    end
    assert.are.same({ 200, 202 }, { i, session.commands })
  end)
end)

describe("a failure", function()
  -- holds: T-API-7 C
  it("stays", function()
    local pop = opened()
    assert(pop:stat())
    pop:data_to_send()
    assert(pop:receive_data("+OK nonsense\r\n"))
    for _, call in ipairs { "next_event", "stat", "receive_data", "retr_all", "quit" } do
      local argument = call == "receive_data" and "+OK\r\n" or call == "retr_all" and { 1 } or nil
      local err = fails("protocol", "STAT at pop.example.org:110: ", pop[call](pop, argument))
      assert.is_truthy(err.text:find("nonsense", 1, true))
    end
    assert.are.same({ 0, "" }, { pop.outstanding, pop:data_to_send() })
    assert.is_nil(pop.phase)
    raises("nonsense", function() for _ in pop:events() do error("an event") end end)
  end)

  it("comes behind what came before it", function()
    local pop = opened()
    assert(pop:retr(1) and pop:stat())
    pop:data_to_send()
    assert(pop:receive_data("+OK\r\nbody\r\n.\r\n+OK nonsense\r\n"))
    local _, err, seen = until_failure(pop)
    assert.are.equal("protocol", err.kind)
    assert.are.same({ "reply", "body", "end" }, types(seen))
    pop = opened()
    assert(pop:retr(1))
    pop:data_to_send()
    assert(pop:receive_data("+OK\r\nbody\r\n"))
    assert(pop:receive_eof())
    _, err, seen = until_failure(pop)
    assert.are.equal("closed", err.kind)
    assert.are.same({ "reply", "body" }, types(seen))
  end)

  it("is a policy that cannot be met, before any secret is sent", function()
    local pop = assert(protocol.client { tls = "stls", host = "pop.example.org" })
    assert(pop:open("alice", "secret"))
    assert(pop:receive_data("+OK\r\n"))
    events(pop)
    assert.are.equal("CAPA\r\n", pop:data_to_send())
    assert(pop:receive_data("+OK\r\nUSER\r\n.\r\n"))
    fails("unsupported", "no STLS", pop:next_event())
    assert.are.equal("", pop:data_to_send())
  end)

  -- holds: T-API-7 B
  it("is all that any octets and any calls lead to", function()
    local answers = { "+OK\r\n", "+OK 1 2\r\n", "-ERR no\r\n", "+ \r\n", "1 2\r\n", "STLS\r\n", "SASL PLAIN\r\n",
      ".\r\n", "..\r\n", ".\r", "+O", "K\r\n", "\0", "\xff\r\n", ("x"):rep(9000) }
    local commands = { "USER alice\r\n", "PASS secret\r\n", "AUTH PLAIN\r\n", "AGFsaWNlAHNlY3JldA==\r\n", "STLS\r\n",
      "STAT\r\n", "LIST\r\n", "RETR 1\r\n", "TOP 2 1\r\n", "DELE 1\r\n", "CAPA\r\n", "QUIT\r\n", "\r", "\0\n" }
    local function any(list)
      return list[math.random(#list)]
    end
    for seed = 1, 300 do
      math.randomseed(seed)
      local pop = assert(protocol.client { tls = any { "never", "never", "stls", "implicit" }, protected = true })
      local session = assert(protocol.session { tls = any { "never", "stls", "implicit" }, protected = true,
        asks = any { "authenticate", "password", "token" }, failed_logins = any { true, false } })
      local function question()
        return math.random(-1, 6)
      end
      local calls = {
        function() return pop:open("alice", "secret") end,
        function() return pop[any { "stat", "list", "capa", "stls" }](pop) end,
        function() return pop:retr_all { 1, 2 } end,
        function() return pop:command(any { "XTND", "AUTH PLAIN", "a\n" }) end,
        function() return session:accept(question()) end,
        function() return session:password(question(), "secret") end,
        function() return session:open(question(), any { {}, { { "a", 3 }, { "b" } }, { { "a" }, { "a" } } }) end,
        function() return session:body(question(), any { "", "a\n.\n", (".\r\n"):rep(30000) }, any { true, false }) end,
        function() return session:refuse(question(), "temporary", "a\r\n+OK forged") end,
      }
      for _, end_ in ipairs { pop, session } do
        local words = end_ == pop and answers or commands
        for _ = 1, 2 do -- twice as often as the others
          table.insert(calls, function() return end_:receive_data(any(words)) end)
          table.insert(calls, function() return end_:next_event() end)
        end
        table.insert(calls, function() return end_:tls_started() end)
        table.insert(calls, function() return end_:data_to_send() end)
      end
      for _ = 1, 60 do
        local answered, err = any(calls)()
        assert.is_true(answered ~= nil or type(err) == "table" and type(err.kind) == "string")
        if type(answered) == "string" then
          assert.is_nil(answered:find("\n+OK forged", 1, true))
        end
      end
    end
  end)
end)
