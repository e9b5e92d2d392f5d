--- poplin.sleep: who waits for a time, and what goes on meanwhile. No test waits for long: the clock is moved.

local core = require "poplin.core"
local poplin = require "poplin"
local sleepers = require "poplin.sleepers"
local testing = require "poplin.testing"
local support = require "support"

local HOUR = 3600

describe("sleep", function()
  after_each(function() poplin.run() end)

  it("lets tasks go on in the order in which their time comes", function()
    local order = {}
    for name, seconds in pairs { third = 3 * HOUR, first = HOUR, second = 2 * HOUR } do
      poplin.spawn(function()
        poplin.sleep(seconds)
        table.insert(order, name)
      end)
    end
    poplin.step(0)
    for i = 1, 3 do
      poplin.step(0)
      assert.are.equal(i - 1, #order)
      testing.advance(HOUR)
      poplin.step(0)
    end
    assert.are.same({ "first", "second", "third" }, order)
  end)

  it("is fair to those whose time comes at once", function()
    local order = {}
    for i = 1, 5 do
      poplin.spawn(function()
        poplin.sleep(HOUR - 0.5 * (i % 2))
        table.insert(order, i)
      end)
    end
    poplin.step(0)
    testing.advance(HOUR)
    poplin.step(0)
    assert.are.same({ 1, 3, 5, 2, 4 }, order)
  end)

  it("tells a host when it is due", function()
    poplin.spawn(function() poplin.sleep(HOUR) end)
    poplin.step(0)
    local timeout = poplin.timeout()
    assert.is_true(timeout > HOUR - 60 and timeout <= HOUR, timeout)
    testing.advance(HOUR - 1)
    assert.is_true(poplin.timeout() <= 1)
    testing.advance(1)
    assert.are.equal(0, poplin.timeout())
    poplin.step()
    assert.is_nil(poplin.timeout())
  end)

  it("wakes the main program, which drives meanwhile", function()
    local server <close> = support.fixture(support.maildrop(support.messages(1)))
    local count
    poplin.spawn(function()
      local pop <close> = assert(support.connect(server))
      count = pop:stat()
      testing.advance(HOUR)
    end)
    poplin.sleep(HOUR)
    assert.are.equal(1, count)
  end)

  it("takes its time", function()
    local begun = core.now()
    poplin.sleep(0.0105)
    assert.is_true(core.now() >= begun + 11) -- whole milliseconds
    begun = core.now()
    poplin.run(poplin.sleep, 0.01)
    assert.is_true(core.now() >= begun + 10)
  end)

  it("gives way once where the time is none", function()
    local order = {}
    poplin.spawn(function() table.insert(order, "other") end)
    poplin.sleep(0)
    table.insert(order, "main")
    poplin.spawn(function()
      poplin.sleep(0)
      table.insert(order, "sleeper")
    end)
    poplin.spawn(function() table.insert(order, "other") end)
    poplin.run()
    assert.are.same({ "other", "main", "other", "sleeper" }, order)
  end)

  it("holds up no server's other callbacks", function()
    local drop = support.maildrop(support.messages(1))
    function drop.retr()
      poplin.sleep(HOUR)
      return "late\r\n"
    end
    local server <close> = assert(testing.Server {
      backend = {
        password = function() return "secret" end,
        maildrop = function(_, user) return user == "alice" and drop or support.maildrop(support.messages(2)) end,
      },
      inactivity = 10 * HOUR,
    })
    local pop <close> = assert(support.connect(server, { timeout = 10 * HOUR }))
    local late = poplin.spawn(function() return pop:retr(1) end)
    local other <close> = assert(support.connect(server, { user = "bob", timeout = 10 * HOUR }))
    assert.are.equal(2, (other:stat()))
    assert(server:wait_for(function() return poplin.timeout() end))
    testing.advance(HOUR)
    assert.are.equal("late\r\n", late:join())
  end)

  it("forgets when one was to wake that was woken otherwise, and sleeps again", function()
    local hours = function(n) return sleepers.clock() + n * HOUR * 1000 // 1 end
    local sleeper, other = { finished = true }, { finished = true }
    sleepers.add(sleeper, hours(1))
    sleepers.add(other, hours(2))
    sleepers.add(sleeper, hours(3))
    assert.are.equal(other.wakes, sleepers.next())
    testing.advance(2 * HOUR)
    poplin.step(0)
    assert.are.equal(sleeper.wakes, sleepers.next())
    testing.advance(HOUR)
    poplin.step(0)
    assert.is_nil(sleepers.next())
  end)

  it("raises where a task cannot wait, and what makes no sense", function()
    poplin.run(function()
      local ok, problem = pcall(coroutine.wrap(function() poplin.sleep(0) end))
      assert.is_false(ok)
      assert.is_truthy(problem:find("poplin.wrap", 1, true))
      poplin.wrap(function() poplin.sleep(0) end)()
    end)
    for _, seconds in ipairs { -1, 0 / 0, math.huge, "1", {} } do
      local ok, problem = pcall(poplin.sleep, seconds)
      assert.is_false(ok)
      assert.is_truthy(problem:find("number of seconds", 1, true))
    end
    assert.is_false((pcall(poplin.sleep)))
  end)
end)
