--- Where a call may wait: the rule at the head of poplin/task.lua, case by case.

local poplin = require "poplin"
local support = require "support"

describe("a call that has to wait", function()
  local server, pop

  before_each(function()
    server = support.fixture(support.maildrop(support.messages(5)))
    pop = assert(support.connect(server))
  end)

  after_each(function()
    pop:close()
    server:stop()
  end)

  local function in_task(f)
    return poplin.run(f)
  end

  local function refused(ok, problem)
    assert.is_false(ok)
    assert.is_truthy(tostring(problem):find("poplin.wrap", 1, true), tostring(problem))
  end

  -- ---- (a) ----

  it("drives where no task runs", function()
    assert.are.equal(5, (pop:stat()))
  end)

  it("drives inside a coroutine of the script's own", function()
    local generator = coroutine.wrap(function()
      for message in pop:retr_all() do
        coroutine.yield(message.number)
      end
    end)
    local numbers = {}
    for number in generator do
      table.insert(numbers, number)
    end
    assert.are.same({ 1, 2, 3, 4, 5 }, numbers)
  end)

  it("drives inside sort where no task runs", function()
    local numbers = { 1, 2, 3 }
    table.sort(numbers, function(a, b) return pop:uidl(a) > pop:uidl(b) end)
    assert.are.same({ 3, 2, 1 }, numbers)
  end)

  -- ---- (b) ----

  it("lets other tasks run in a task", function()
    local order = {}
    local other = assert(support.connect(support.fixture(support.maildrop(support.messages(1)))))
    poplin.spawn(function()
      table.insert(order, "first begins")
      pop:stat()
      table.insert(order, "first ends")
    end)
    poplin.spawn(function()
      table.insert(order, "second begins")
      other:stat()
      table.insert(order, "second ends")
    end):join()
    other:close()
    assert.are.same({ "first begins", "second begins" }, { order[1], order[2] })
  end)

  it("yields across pcall, metamethods and iterators in a task", function()
    in_task(function()
      local counting = setmetatable({}, { __index = function() return (pop:stat()) end })
      local ok, count = pcall(function() return counting.messages end)
      assert.is_true(ok)
      assert.are.equal(5, count)
      local numbers = {}
      for message in pop:retr_all() do
        table.insert(numbers, message.number)
      end
      assert.are.same({ 1, 2, 3, 4, 5 }, numbers)
    end)
  end)

  -- ---- (c) ----

  it("raises in a coroutine of the script's own on top of a task", function()
    in_task(function()
      refused(coroutine.resume(coroutine.create(function() return pop:stat() end)))
      refused(pcall(coroutine.wrap(function() return pop:stat() end)))
      assert.are.equal(5, (pop:stat()))
    end)
  end)

  it("raises inside sort and gsub in a task, before anything is sent", function()
    in_task(function()
      refused(pcall(table.sort, { 1, 2, 3 }, function(a, b) return pop:uidl(a) > pop:uidl(b) end))
      refused(pcall(string.gsub, "1 2", "%d", function(n) return pop:uidl(math.tointeger(n)) end))
      refused(pcall(table.sort, { 1, 2 }, function() return pop:quit() end))
      refused(pcall(table.sort, { 1, 2 }, function() return poplin.connect(server.url) end))
      assert.are.equal(5, (pop:stat()))
    end)
  end)

  it("raises in a coroutine of the script's own under poplin.wrap", function()
    in_task(function()
      local generator = coroutine.wrap(function()
        poplin.wrap(function() pop:stat() end)()
      end)
      refused(pcall(generator))
    end)
  end)

  it("raises in a finalizer, with and without a task", function()
    local function collect()
      local ok, problem
      setmetatable({}, { __gc = function() ok, problem = pcall(pop.stat, pop) end })
      collectgarbage()
      assert.is_false(ok)
      assert.is_truthy(problem:find("__gc", 1, true))
    end
    collect()
    in_task(collect)
    assert.are.equal(5, (pop:stat()))
  end)

  it("raises for run and step in a task, and for a task that joins itself", function()
    in_task(function()
      assert.is_false(pcall(poplin.run))
      assert.is_false(pcall(poplin.step, 0))
    end)
    local own
    own = poplin.spawn(function() return own:join() end)
    assert.is_false(pcall(own.join, own))
  end)

  it("raises inside a debug hook in a task", function()
    local problem
    in_task(function()
      debug.sethook(function()
        debug.sethook()
        problem = table.pack(pcall(pop.stat, pop))
      end, "l")
      local done = true
      return done
    end)
    refused(problem[1], problem[2])
  end)

  it("drives inside a debug hook where no task runs, and raises where the driver is at work", function()
    local waited = { [true] = 0, [false] = 0 }
    local at, hooked, lines = 0, false, nil
    local function hook()
      lines = lines + 1
      hooked = lines == at
      if hooked then
        debug.sethook()
        local ok, answer = pcall(pop.stat, pop)
        waited[ok] = waited[ok] + 1
        assert.is_truthy(answer == 5 or answer:find("driver is at work", 1, true), answer)
      end
    end
    repeat -- at the first line of what uidl does, at the second, ...
      at, hooked, lines = at + 1, false, 0
      debug.sethook(hook, "l")
      local uid = pop:uidl(2)
      debug.sethook()
      assert.are.equal("uid-2", uid)
    until at > lines and not hooked or waited[true] >= 10 and waited[false] >= 10
    assert.is_true(waited[true] >= 10 and waited[false] >= 10)
  end)

  -- ---- poplin.wrap ----

  it("waits inside a generator of poplin.wrap in a task", function()
    in_task(function()
      local generator = poplin.wrap(function(first)
        assert.are.equal("first", first)
        for message in pop:retr_all() do
          assert.are.equal("next", coroutine.yield(message.number, pop:uidl(message.number)))
        end
        return "end"
      end)
      assert.are.same({ 1, "uid-1" }, { generator("first") })
      for i = 2, 5 do
        assert.are.same({ i, "uid-" .. i }, { generator("next") })
      end
      assert.are.equal("end", generator("next"))
      assert.is_false(pcall(generator))
    end)
  end)

  it("waits inside generators of poplin.wrap on top of each other", function()
    in_task(function()
      local inner = poplin.wrap(function()
        for number = 1, 3 do
          coroutine.yield(pop:uidl(number))
        end
      end)
      local outer = poplin.wrap(function()
        for uid in inner do
          coroutine.yield(uid, (pop:stat()))
        end
      end)
      local uids = {}
      for uid, count in outer do
        assert.are.equal(5, count)
        table.insert(uids, uid)
      end
      assert.are.same({ "uid-1", "uid-2", "uid-3" }, uids)
    end)
  end)

  it("inside a generator of poplin.wrap raises where that is called from sort", function()
    in_task(function()
      local generator = poplin.wrap(function() return pop:stat() end)
      refused(pcall(table.sort, { 1, 2 }, function() return generator() end))
    end)
  end)

  it("drives inside a generator of poplin.wrap where no task runs", function()
    local generator = poplin.wrap(function() coroutine.yield((pop:stat())) end)
    assert.are.equal(5, generator())
  end)

  it("lets a generator's error through, and closes what it left open", function()
    in_task(function()
      local closed = false
      local generator = poplin.wrap(function()
        local _ <close> = setmetatable({}, { __close = function() closed = true end })
        pop:stat()
        error("mine", 0)
      end)
      local ok, problem = pcall(generator)
      assert.is_false(ok)
      assert.are.equal("mine", problem)
      assert.is_true(closed)
    end)
  end)

  it("keeps a generator for the task that waits in it", function()
    local generator = poplin.wrap(function() return pop:stat() end)
    local first = poplin.spawn(generator)
    local second = poplin.spawn(function() return pcall(generator) end)
    assert.are.equal(5, (first:join()))
    assert.is_false((second:join()))
  end)
end)

describe("poplin", function()
  it("never resumes a coroutine that it did not start", function()
    local server <close> = support.fixture(support.maildrop(support.messages(1)))
    local pop <close> = assert(support.connect(server))
    local own = coroutine.create(function()
      coroutine.yield("mine")
      return (pop:stat())
    end)
    assert.are.same({ true, "mine" }, { coroutine.resume(own) })
    assert.is_true(pop:noop())
    assert.are.equal("suspended", coroutine.status(own))
    assert.are.same({ true, 1 }, { coroutine.resume(own) })
  end)

  it("ends an interrupted wait with the connection, and without QUIT", function()
    local drop = support.maildrop(support.messages(1))
    local server <close> = support.fixture(drop)
    local pop = assert(support.connect(server))
    assert.is_true(pop:dele(1))
    debug.sethook(function() -- as lua's own handler of Ctrl-C: an error out of the driver
      if debug.getinfo(2, "n").name == "step" then
        debug.sethook()
        error("interrupted!", 0)
      end
    end, "c")
    local ok, problem = pcall(pop.noop, pop)
    debug.sethook()
    assert.is_false(ok)
    assert.are.equal("interrupted!", problem)
    local after, err = pop:noop()
    assert.is_nil(after)
    assert.are.equal("cancelled", err.kind)
    support.warnings(function() pop:close() end)
    local other <close> = assert(support.connect(server))
    assert.are.equal(1, (other:stat()))
    assert.are.same({}, drop.deleted)
  end)
end)
