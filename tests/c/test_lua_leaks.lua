--- Returns an array of what may leak: a name, and a function that makes the function to be called again and again.
-- `slow` divides how often.

package.path = "lua/?.lua;lua/?/init.lua"
local poplin = require "poplin"
local host = require "poplin.host"
local testing = require "poplin.testing"

warn "@off"

local function tester(options)
  options = options or {}
  options.users, options.keep_sessions, options.exclusive = { alice = "secret" }, 4, false
  local server = assert(testing.Server(options))
  for i = 1, 5 do
    assert(server:deliver("alice", ("Subject: message %d\n\nbody\n"):format(i)))
  end
  return server
end

local function connect(server, options)
  options = options or {}
  options.user, options.password, options.ca_pem = "alice", options.password or "secret", server.ca_pem
  return poplin.connect(server.url, options)
end

local function failing(kind, ok, err)
  assert(not ok and err.kind == kind, err)
end

local work = {}

local function add(name, make, slow)
  table.insert(work, { name = name, make = make, slow = slow })
end

add("connects", function()
  local server = tester()
  return function()
    local pop <close> = assert(connect(server))
    assert(pop:stat() == 5 and pop:quit())
  end
end)

add("connects to a server in the background", function()
  local server = tester { background = true }
  return function()
    local pop <close> = assert(connect(server))
    assert(pop:stat() == 5)
  end
end)

add("connects by TLS", function()
  local server = tester { tls = "implicit" }
  return function()
    local pop <close> = assert(connect(server))
    assert(pop.tls and pop:quit())
  end
end, 2)

add("fetches", function()
  local server = tester()
  return function()
    local pop <close> = assert(connect(server))
    local size, count = 0, 0
    local messages = pop:messages()
    assert(pop:retr(1, function(piece) size = size + #piece end) == size and #pop:retr(1) == size)
    for message in pop:retr_all() do
      count = count + (message:header "subject" and 1 or 0)
    end
    for _ in pop:retr_all() do
      break
    end
    assert(count == 5 and messages[1]:headers().subject == "message 1" and messages[2]:header "subject")
  end
end)

add("failures", function()
  local server, dropped = tester(), tester()
  dropped:fault("RETR", { drop_after = 9 })
  return function()
    failing("auth", connect(server, { password = "wrong" }))
    failing("io", poplin.connect "pop3://127.0.0.1:1")
    failing("protocol", poplin.parse_url "pop3://")
    assert(not pcall(poplin.connect, server.url, { unknown = true }))
    local pop <close> = assert(connect(server))
    failing("refused", pop:retr(99))
    assert(not pcall(pop.retr, pop, 1, error))
    local other <close> = assert(connect(dropped))
    failing("closed", other:retr(1))
    failing("closed", other:stat())
  end
end)

add("time-outs", function()
  local server = tester()
  local silence = server:fault "STAT stall_before=yes"
  local seen = 0
  return function()
    local pop <close> = assert(connect(server))
    local waiting = poplin.spawn(pop.stat, pop)
    seen = seen + 1
    assert(server:wait_for(function() return silence:fired() == seen end))
    testing.advance(61)
    failing("timeout", waiting:join())
  end
end)

add("callbacks that raise", function()
  local drop = {
    list = function() return { { "good", 4 }, { "bad", 4 }, { "pieces", 4 }, { "worse", 4 } } end,
    retr = function(_, uid)
      local piece = "good"
      return uid == "good" and piece or uid == "worse" and {} or uid == "pieces" and function()
        piece = piece and nil or error(piece)
      end or error(uid)
    end,
    dele = function() error "dele" end,
    close = function() error "close" end,
  }
  local fails = false
  local server = assert(poplin.serve {
    password = function(_, user) return user == "alice" and "secret" or error(user) end,
    maildrop = function() return fails and error "maildrop" or drop end,
    failed_login_delay = 0, exclusive = false,
  })
  return function()
    server.errors = {} -- which are kept on purpose
    failing("temporary", poplin.connect(server.url, { user = "bob", password = "x" }))
    fails = true
    failing("temporary", connect(server))
    fails = false
    local pop <close> = assert(connect(server))
    assert(pop:retr(1))
    failing("temporary", pop:retr(2))
    failing("temporary", pop:retr(4))
    assert(pop:dele(1))
    failing("temporary", pop:quit())
  end
end)

add("tasks, those that fail too", function()
  local server = tester()
  return function()
    local good = poplin.spawn(function()
      local pop <close> = assert(connect(server))
      return pop:stat()
    end)
    local bad = poplin.spawn(function()
      local pop <close> = assert(connect(server))
      good:join()
      error { pop }
    end)
    local numbers = poplin.spawn(function()
      for number in poplin.wrap(function()
        for message in assert(connect(server)):retr_all() do
          coroutine.yield(message.number)
        end
      end) do
        if number == 3 then
          break
        end
      end
    end)
    assert(poplin.run(good.join, good) == 5)
    assert(not pcall(bad.join, bad))
    numbers:join()
    poplin.spawn(function() error "nobody joins" end)
    assert(not pcall(function()
      repeat
        poplin.step(0)
      until false
    end))
  end
end)

add("what is forgotten", function()
  local server, rounds = tester(), 0
  return function()
    local pop = assert(connect(server))
    pop.itself = pop
    pop.loop = pop:retr_all()
    pop.loop()
    local left = assert(poplin.serve { password = function() end, maildrop = function() end })
    left.itself = left
    left:stop()
    testing.Server({ users = { alice = "secret" } }):close()
    coroutine.resume(coroutine.create(function()
      local _ <close> = assert(connect(server))
      coroutine.yield()
    end))
    rounds = rounds + 1
    if rounds % 20 == 0 then
      collectgarbage()
      poplin.step(0)
    end
  end
end, 2)

add("servers", function()
  return function()
    local server = tester { background = true }
    local pop = assert(connect(server))
    assert(pop:retr(1))
    server:close()
    pop:close()
    local near <close> = tester()
    local other <close> = assert(connect(near))
    assert(near.sessions[1].transcript ~= "")
  end
end, 2)

add("the trace", function()
  local server, lines = tester(), 0
  return function()
    poplin.trace = function() lines = lines + 1 end
    local pop <close> = assert(connect(server))
    poplin.trace = error
    assert(pop:stat())
    assert(lines > 0 and poplin.trace == nil)
  end
end)

add("other event loops", function()
  local server = tester()
  return function()
    local stop = host.begin("a test", function() end)
    local outcome
    host.start("a test", function(...) outcome = { ... } end, function()
      local pop <close> = assert(connect(server))
      return pop:stat()
    end)
    host.start("a test", function() end, function() error "mine" end)
    while not outcome do
      host.step(error)
    end
    assert(host.returned(outcome) == 5)
    stop()
  end
end)

return work
