--- Returns functions to play, each of which uses all that there is of one kind of test server.

package.path = "lua/?.lua;lua/?/init.lua"
local poplin = require "poplin"
local protocol = require "poplin.protocol"
local testing = require "poplin.testing"

local users = { alice = "secret" }
local certificate = assert(testing.certificate())
local maildrop = {
  list = function() return { { "a" }, { "b" } } end,
  retr = function(_, uid) return uid end,
  dele = function() end,
}
local backend = {
  password = function() return "secret" end,
  maildrop = function() return maildrop end,
}
local by_token = {
  token = function(_, _, token) return token == "secret" and "alice" end,
  login_failed = function(_, user, address) assert(user == "alice" and address == "127.0.0.1") end,
  maildrop = backend.maildrop,
}

local function play(options, credential)
  local server <close> = assert(testing.Server(options))
  credential = credential or "password"
  local function connect()
    return assert(poplin.connect(server.url, { user = "alice", [credential] = "secret", ca_pem = server.ca_pem }))
  end
  if not options.backend then
    assert(server:deliver("alice", "one\n"))
    assert(server:deliver("alice", "two\n"))
    assert(#server:messages("alice") == 2)
  end
  local fault <close> = server:fault("RETR", { nth = 2, drop_after = 10 })
  do
    local pop <close> = connect()
    assert(pop:retr(1))
    pop:retr(2)
  end
  assert(server:wait_for(function() return server.sessions[1].outcome end))
  local session = server.sessions[1]:assert_outcome("dropped")
  assert(#session.retrieved == 1 and #session.exchanges > 1 and server.transcript ~= "")
  assert(not pcall(session.assert_quit, session))
  fault:remove()
  poplin.run(function()
    local pop <close> = connect()
    for message in pop:retr_all() do
      message:dele()
    end
    assert(pop:quit())
    server.sessions[2]:assert_quit()
  end)
  server:reset()
end

-- Takes the next event, and once more where memory ran out over it: nothing of it may be lost.
local function next_event(of)
  local ok, event, err = pcall(of.next_event, of)
  if not ok then
    event, err = of:next_event()
  end
  if event == nil then
    error(err, 0)
  end
  return event
end

local ANSWERS = {
  check_password = function(session, event) return session:accept(event) end,
  open_maildrop = function(session, event) return session:open(event, { { "a", 5 }, { "b" } }) end,
  send_body = function(session, event) return session:body(event, event.uid .. "\n..", event.uid == "a") end,
  commit = function(session, event)
    assert(#event.uids == 1 and event.uids[1] == "b")
    return session:accept(event)
  end,
}

-- Both ends of a connection by themselves. The second body comes in pieces, once to be counted and once to be sent.
local function play_protocol()
  local pop <close> = assert(protocol.client { tls = "stls", host = "pop.example.org" })
  local session <close> = assert(protocol.session { tls = "stls" })
  local told, got, started, pieces, rounds = {}, "", 0, 0, 0
  local function answer(event)
    if event.type == "send_body" and event.uid == "b" then
      pieces = pieces + 1
      return session:body(event, pieces % 3 == 0 and "" or "b\n", pieces % 3 == 0)
    end
    return ANSWERS[event.type] == nil or ANSWERS[event.type](session, event)
  end
  assert(pop:open("alice", "secret"))
  repeat
    for event in function() return session.phase and next_event(session) or nil end do
      assert(answer(event))
      started = started + (event.type == "start_tls" and 1 or 0)
    end
    local data = session:data_to_send()
    for i = 1, #data, 400 do -- and so some of it has to wait
      assert(pop:receive_data(data:sub(i, i + 399)))
    end
    for event in function() return next_event(pop) or nil end do
      told[event.type] = (told[event.type] or 0) + 1
      got = got .. (event.data or "")
      if event.type == "opened" then
        assert(event.ok and pop:list() and pop:uidl() and pop:retr_all { 1, 2 } and pop:retr(9))
      elseif event.type == "reply" and event.number == 9 then
        assert(event.error.kind == "refused")
      elseif told["end"] == 4 and event.type == "end" then
        assert(pop:dele(2) and pop:quit())
      elseif event.type == "start_tls" then
        started = started + 1
      end
    end
    assert(session:receive_data(pop:data_to_send()))
    if started == 2 then
      assert(pop:tls_started() and session:tls_started())
      started = 0
    end
    rounds = rounds + 1
    assert(rounds < 100, "something was lost")
  until not session.phase
  assert(told.listing == 2 and told.unique_id == 2 and told["end"] == 4)
  assert(got == "a\r\n..\r\nb\r\nb\r\n", got)
end

-- The machines wait for nobody: nothing may come up but that there was no memory. What else does is remembered, and
-- fails the next time, when there is.
local broken
local function play_machines()
  assert(not broken, broken)
  local ok, problem = pcall(play_protocol)
  if not ok then
    local as_told = type(problem) == "string" and problem:find("not enough memory", 1, true)
    broken = not as_told and (type(problem) == "string" and problem or "an error object")
    error(problem, 0)
  end
end

return {
  function() play { users = users } end,
  function() play { users = users, background = true } end,
  function() play { users = users, certificate = certificate } end,
  function() play { backend = backend } end,
  function()
    local server <close> = assert(testing.Server { backend = by_token })
    assert(not poplin.connect(server.url, { user = "alice", token = "guess" }))
    play({ backend = by_token }, "token")
  end,
  play_machines,
}
