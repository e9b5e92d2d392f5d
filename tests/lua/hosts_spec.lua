--- poplin in the event loops of others: luv, cqueues, copas.

local lfs = require "lfs"
local poplin = require "poplin"
local socket = require "socket"
local testing = require "poplin.testing"
local hosts = require "hosts"
local support = require "support"

local MESSAGES = 3

-- A server that never says a word: its URL, and a function that ends it.
local function silent_server()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  return "pop3://127.0.0.1:" .. port, function() listener:close() end
end

-- Garbage of other tests has some, too.
local function open_descriptors()
  for _ = 1, 3 do
    collectgarbage()
    poplin.step(0)
  end
  local count = 0
  for _ in lfs.dir("/proc/self/fd") do
    count = count + 1
  end
  return count
end

-- Counts the steps from here on; the second function ends that.
local function counting_steps()
  local genuine, steps = poplin.step, 0
  poplin.step = function(...)
    steps = steps + 1
    return genuine(...)
  end
  return function() return steps end, function() poplin.step = genuine end
end

local function all_of(pop)
  local texts = {}
  for message in pop:retr_all() do
    texts[message.number] = message.data
  end
  return texts
end

local function expected_texts()
  local texts = {}
  for i, message in ipairs(support.messages(MESSAGES)) do
    texts[i] = message[2]
  end
  return texts
end

for _, name in ipairs { "luv", "cqueues", "copas" } do
  describe("poplin in " .. name, function()
    local host, stop

    before_each(function()
      host = hosts[name]()
      stop = host.host()
    end)

    after_each(function()
      host.tick = nil
      stop()
      assert.is_true(host.empty())
      poplin.run()
    end)

    -- Calls f as a task from the host's own, drives the host until it has its outcome, and returns that.
    local function called(f)
      local outcome
      host.call(f, function(...) outcome = table.pack(...) end)
      host.drive(function() return outcome end)
      return table.unpack(outcome, 1, outcome.n)
    end

    it("fetches", function()
      local server <close> = assert(testing.Server { users = { alice = "secret" }, background = true })
      for _, message in ipairs(support.messages(MESSAGES)) do
        assert(server:deliver("alice", message[2]))
      end
      local ok, texts = called(function()
        local pop <close> = assert(support.connect(server))
        return all_of(pop)
      end)
      assert.is_true(ok, texts)
      assert.are.same(expected_texts(), texts)
    end)

    it("serves", function()
      local drop = support.maildrop(support.messages(MESSAGES))
      local server <close> = support.serve(drop)
      local client = assert(io.popen("exec env -u LD_PRELOAD python3 -c '" .. [[
import poplib, sys
pop = poplib.POP3(sys.argv[1], int(sys.argv[2]))
pop.user("alice")
pop.pass_("secret")
print(*pop.retr(2)[1], sep="|")
pop.dele(2)
pop.quit()
]] .. "' 127.0.0.1 " .. server.port))
      host.drive(function() return drop.closed[1] end)
      assert.are.equal("b'Subject: message 2'|b''|b'body 2'\n", client:read("a"))
      client:close()
      assert.are.same({ "committed" }, drop.closed)
      assert.are.same({ "uid-2" }, drop.deleted)
    end)

    it("does both at once, over TLS, while the host's own timer ticks", function()
      local drop = support.maildrop(support.messages(MESSAGES))
      local server <close> = support.serve(drop, support.tls("stls"))
      local ticks, ticked = 0, {}
      host.tick = function() ticks = ticks + 1 end
      local ok, problem = called(function()
        local pop <close> = assert(support.connect(server))
        for message in pop:retr_all() do
          local begun = ticks
          while ticks < begun + 2 do
            assert(pop:noop())
          end
          assert(message:dele())
          table.insert(ticked, message.number)
        end
        assert(pop:quit())
      end)
      assert.is_true(ok, problem)
      assert.are.same({ 1, 2, 3 }, ticked)
      assert.are.same({ "uid-1", "uid-2", "uid-3" }, drop.deleted)
    end)

    it("is asked again when a callback of the host's called poplin", function()
      local ran, ticks = false, 0
      host.tick = function()
        ticks = ticks + 1
        if ticks == 3 then
          host.tick = nil -- from here on the host waits for poplin alone
          poplin.spawn(function() ran = true end)
        end
      end
      host.drive(function() return ran end)
      assert.is_true(ran)
    end)

    it("has its time-outs while the host is idle", function()
      local url, finish = silent_server()
      finally(finish)
      local ok, pop, err = called(function()
        return poplin.connect(url, { user = "alice", password = "secret", timeout = 0.05 })
      end)
      assert.is_true(ok, pop)
      assert.is_nil(pop)
      assert.are.equal("timeout", err.kind)
    end)

    it("has its time-outs while the host is idle, though they began in a call that drove by itself", function()
      local url, finish = silent_server()
      finally(finish)
      local server <close> = support.serve(support.maildrop {})
      local pop <close> = assert(support.connect(server))
      local outcome, ticks = nil, 0
      host.tick = function()
        ticks = ticks + 1
        if ticks == 3 then
          host.tick = nil
          poplin.spawn(function()
            outcome = table.pack(poplin.connect(url, { user = "alice", password = "secret", timeout = 0.05 }))
          end)
          for _ = 1, 5 do
            assert(pop:noop())
          end
        end
      end
      host.drive(function() return outcome end)
      assert.are.equal("timeout", outcome[2].kind)
    end)

    it("has tasks that wait for what is the host's", function()
      local server <close> = support.serve(support.maildrop(support.messages(MESSAGES)))
      local outcome = table.pack(called(function()
        local pop <close> = assert(support.connect(server))
        local napped = table.pack(host.nap(1, nil))
        return pop:stat(), table.unpack(napped, 1, napped.n)
      end))
      assert.are.same({ n = 4, true, MESSAGES, 1, nil }, outcome)
    end)

    it("lets the host's timers run while a client waits, and does not go round in circles", function()
      local url, finish = silent_server()
      local steps, genuine = counting_steps()
      local outcome, ticks = nil, 0
      host.call(function()
        return poplin.connect(url, { user = "alice", password = "secret" })
      end, function(...) outcome = table.pack(...) end)
      host.tick = function() ticks = ticks + 1 end
      local rounds = host.drive(function() return ticks >= 100 end)
      genuine()
      assert.is_nil(outcome)
      assert.is_true(steps() <= 10, steps() .. " steps")
      assert.is_true(rounds <= 2 * ticks + 20, rounds .. " rounds")
      finish() -- resets the connection
      host.drive(function() return outcome end)
      assert.are.same({ true, nil }, { outcome[1], outcome[2] })
    end)

    it("hands over what a task returned, nil and all, or its error", function()
      assert.are.same({ n = 4, true, nil, 2, nil }, table.pack(called(function() return nil, 2, nil end)))
      local ok, problem = called(function() error({ mine = true }) end)
      assert.is_false(ok)
      assert.is_true(problem.mine)
    end)

    it("is hosted once at a time", function()
      local ok, problem = pcall(host.host)
      assert.is_false(ok)
      assert.is_truthy(problem:find("hosted by " .. name .. " already", 1, true), problem)
    end)

    it("leaves nothing in the host when that ends with connections open, which live on", function()
      local drop = support.maildrop(support.messages(1))
      local function round()
        local server <close> = support.serve(drop)
        local ok, pop = called(function() return assert(support.connect(server)) end)
        assert.is_true(ok, pop)
        stop()
        assert.is_true(host.empty())
        local steps, genuine = counting_steps()
        assert(server.url)
        host.empty()
        genuine()
        assert.are.equal(0, steps())
        assert.are.equal(1, (pop:stat()))
        assert.is_true(pop:quit())
        stop = host.host()
      end
      round()
      local before = open_descriptors()
      for _ = 1, 3 do
        round()
      end
      assert.are.equal(before, open_descriptors())
    end)

    it("tells those who wait that the hosting has ended", function()
      local url, finish = silent_server()
      local outcome
      local ticks = 0
      host.call(function()
        return poplin.connect(url, { user = "alice", password = "secret" })
      end, function(...) outcome = table.pack(...) end)
      host.tick = function() ticks = ticks + 1 end
      host.drive(function() return ticks >= 2 end)
      stop()
      stop()
      host.drive(function() return outcome end)
      assert.is_false(outcome[1])
      assert.is_truthy(outcome[2]:find(name .. " ended to be its host", 1, true))
      finish()
    end)
  end)
end

-- What an error in a callback does to luv itself is in the subprocess's hands.
for _, name in ipairs { "cqueues", "copas" } do
  describe("poplin in " .. name, function()
    it("has the host tell of each task that failed, and goes on", function()
      local host = hosts[name]()
      local stop = host.host()
      support.warnings(function()
        for i = 1, 2 do
          poplin.spawn(function() error("forgotten " .. i) end)
        end
        host.drive(function() return host.errors[2] end)
      end)
      for i = 1, 2 do
        assert.is_truthy(host.errors[i]:find("forgotten " .. i, 1, true))
        assert.is_truthy(host.errors[i]:find("stack traceback", 1, true))
      end
      local ran = false
      poplin.spawn(function() ran = true end)
      host.drive(function() return ran end)
      stop()
      assert.is_true(host.empty())
    end)

    it("is left alone after a fork, when nothing works any more", function()
      local host = hosts[name]()
      host.host()
      local step, fileno = poplin.step, poplin.fileno
      poplin.step, poplin.fileno = function() error("forked", 0) end, function() return -1 end
      poplin.spawn(function() end)
      host.drive(function() return host.errors[1] end)
      local left = host.empty()
      poplin.step, poplin.fileno = step, fileno
      assert.is_true(left)
      assert.are.same({ "forked" }, host.errors)
      poplin.run()
    end)

    it("has tasks wait for coroutines of the host's, which may use poplin, raise, or lose their host", function()
      local host, adapter = hosts[name](), require("poplin." .. name)
      assert.are.equal(5, adapter.await(function(n) return n end, 5)) -- in no task
      local _, problem = poplin.run(pcall, adapter.await, function() end)
      assert.is_truthy(problem:find("no host", 1, true), problem)
      local stop = host.host()
      local server <close> = support.serve(support.maildrop(support.messages(MESSAGES)))
      local pop <close> = assert(support.connect(server))
      local outcome
      host.call(function()
        return (adapter.await(pop.stat, pop)), pcall(adapter.await, error, { mine = true })
      end, function(...) outcome = table.pack(...) end)
      host.drive(function() return outcome end)
      assert.are.same({ true, MESSAGES, false }, { outcome[1], outcome[2], outcome[3] })
      assert.is_true(outcome[4].mine)
      local stopped = false
      local task = poplin.spawn(pcall, adapter.await, function()
        stop()
        stopped = true
      end)
      host.drive(function() return stopped end)
      _, problem = task:join()
      assert.is_truthy(problem:find("ended to be its host", 1, true), problem)
      assert.is_true(host.empty())
    end)

    it("is not asked for what another host has to do", function()
      local host, adapter = hosts[name](), require("poplin." .. name)
      local other = hosts.luv()
      local stop = other.host()
      local _, problem = poplin.run(pcall, adapter.await, function() end)
      assert.is_truthy(problem:find("hosted by luv, and not by " .. name, 1, true), problem)
      local outcome
      host.call(function() end, function(...) outcome = table.pack(...) end)
      host.drive(function() return outcome end)
      stop()
      assert.is_true(other.empty())
      assert.is_truthy(outcome[2]:find("hosted by luv, and not by " .. name, 1, true), outcome[2])
    end)

    it("takes calls from coroutines of the host's, and from tasks, which just call", function()
      local host, adapter = hosts[name](), require("poplin." .. name)
      local _, problem = pcall(adapter.call, function() end)
      assert.is_truthy(problem:find("call is for the", 1, true), problem)
      local outcome
      host.call(function() end, function(...) outcome = table.pack(...) end)
      host.drive(function() return outcome end)
      assert.is_false(outcome[1])
      assert.is_truthy(outcome[2]:find("no host", 1, true))
      local stop = host.host()
      assert.are.equal(7, poplin.run(function() return adapter.call(function() return 7 end) end))
      stop()
      assert.is_true(host.empty())
    end)
  end)
end

describe("poplin in luv", function()
  it("has luv end the program with what a task failed of", function()
    local process = assert(io.popen("exec 2>&1; lua5.4 -e '" .. [[
      local poplin = require "poplin"
      require("poplin.luv").host()
      poplin.spawn(function() error("forgotten") end)
      require("luv").run()
      print("not reached")]] .. "'"))
    local said = process:read("a")
    assert.is_nil((process:close()))
    assert.is_truthy(said:find("Uncaught Error.*forgotten.*stack traceback"), said)
    assert.is_nil(said:find("not reached", 1, true))
  end)

  it("takes no call without a host", function()
    local ok, problem = pcall(require("poplin.luv").call, function() end, function() end)
    assert.is_false(ok)
    assert.is_truthy(problem:find("no host", 1, true))
  end)
end)
