--- Tasks, the driver, and how another loop hosts it.

local poplin = require "poplin"
local support = require "support"

describe("a task", function()
  it("hands over what its function returned", function()
    local task = poplin.spawn(function(...) return select("#", ...), ... end, nil, 2, nil)
    assert.are.same({ n = 4, 3, nil, 2, nil }, table.pack(task:join()))
    assert.is_true(task.finished)
    assert.are.same({ n = 4, 3, nil, 2, nil }, table.pack(task:join()))
  end)

  it("raises its error where it is joined, and closes what it left open", function()
    local closed = false
    local task = poplin.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      error({ mine = true })
    end)
    local ok, problem = pcall(task.join, task)
    assert.is_false(ok)
    assert.is_true(problem.mine)
    assert.is_true(closed)
    poplin.step(0)
    poplin.run()
  end)

  it("is not warned of where the main program joins it", function()
    local warnings = support.warnings(function()
      local task = poplin.spawn(function()
        coroutine.yield()
        error("mine", 0)
      end)
      assert.is_false(pcall(task.join, task))
      assert.is_false(pcall(poplin.run, error, "mine"))
    end)
    assert.are.same({}, warnings)
    poplin.run()
  end)

  it("that failed tells where, in its own coroutine", function()
    local function guilty()
      error("mine")
    end
    local task = poplin.spawn(function()
      coroutine.yield()
      guilty()
    end)
    assert.is_false(pcall(task.join, task))
    assert.is_truthy(task.traceback:find("^[^\n]*task_spec.lua:%d+: mine\nstack traceback:\n.*in upvalue 'guilty'"))
    assert.is_nil(task.traceback:find("xpcall", 1, true))
  end)

  it("may wait where it closes what it left open, whether it failed or not", function()
    local server <close> = support.fixture(support.maildrop(support.messages(2)))
    local pop <close> = assert(support.connect(server))
    for _, failing in ipairs { true, false } do
      local count
      local task = poplin.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() count = pop:stat() end })
        if failing then
          error("mine", 0)
        end
      end)
      local ok, problem = pcall(task.join, task)
      assert.are.equal(2, count)
      assert.are.same({ not failing, failing and "mine" or nil }, { ok, problem })
    end
  end)

  it("has the error of what it closed last", function()
    local task = poplin.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() error("second", 0) end })
      error("first", 0)
    end)
    local ok, problem = pcall(task.join, task)
    assert.are.same({ false, "second" }, { ok, problem })
    assert.is_truthy(task.traceback:find("^second\n"), task.traceback)
  end)

  it("may fail of what has no text", function()
    local evil = setmetatable({}, { __tostring = function() error("evil") end })
    local task = poplin.spawn(error, evil)
    local other = poplin.spawn(function() return pcall(task.join, task) end)
    assert.are.same({ false, evil }, { other:join() })
    assert.is_truthy(task.traceback:find("an error object whose __tostring fails", 1, true))
  end)

  it("may be joined by others", function()
    local first = poplin.spawn(function()
      coroutine.yield()
      return "done"
    end)
    local failing = poplin.spawn(function()
      coroutine.yield()
      error("mine", 0)
    end)
    local second = poplin.spawn(function() return first:join(), pcall(failing.join, failing) end)
    assert.are.same({ "done", false, "mine" }, { poplin.run(second.join, second) })
  end)

  it("gives way to others by a yield of its own", function()
    local order = {}
    for i = 1, 2 do
      poplin.spawn(function()
        for j = 1, 2 do
          table.insert(order, i .. "." .. j)
          coroutine.yield()
        end
      end)
    end
    poplin.run()
    assert.are.same({ "1.1", "2.1", "1.2", "2.2" }, order)
  end)

  it("that fails with nobody to join it fails run, with a traceback", function()
    poplin.spawn(function() error("forgotten") end)
    local ok, problem = pcall(poplin.run)
    assert.is_false(ok)
    assert.is_truthy(problem:find("forgotten", 1, true))
    assert.is_truthy(problem:find("stack traceback", 1, true))
    poplin.run()
  end)

  it("that fails in run(f) fails it with a traceback, but for what is no text", function()
    local function guilty()
      coroutine.yield()
      error("mine")
    end
    local ok, problem = pcall(poplin.run, function() guilty() end)
    assert.is_false(ok)
    assert.is_truthy(problem:find("mine\nstack traceback:\n.*in upvalue 'guilty'"), problem)
    ok, problem = pcall(poplin.run, error, { mine = true })
    assert.is_false(ok)
    assert.is_true(problem.mine)
  end)

  it("that failed is not kept without end where others go on", function()
    local failures = setmetatable({}, { __mode = "k" })
    local resume
    poplin.spawn(poplin.suspend, function(f) resume = f end)
    support.warnings(function()
      for i = 1, 1100 do
        failures[poplin.spawn(error, "number " .. i)] = true
      end
      poplin.step(0)
    end)
    collectgarbage()
    local kept = 0
    for _ in pairs(failures) do
      kept = kept + 1
    end
    assert.are.equal(1000, kept)
    resume()
    for _ = 1, 1000 do
      assert.is_false(pcall(poplin.run))
    end
    poplin.run()
  end)

  it("that fails meanwhile is no other call's failure, but warned of, and told by the next step", function()
    local server <close> = support.fixture(support.maildrop {})
    local pop <close> = assert(support.connect(server))
    local warnings = support.warnings(function()
      poplin.spawn(function() error("aside") end)
      assert.are.equal(0, (pop:stat()))
    end)
    assert.are.equal(1, #warnings)
    assert.is_truthy(warnings[1]:find("aside", 1, true))
    local ok, problem = pcall(poplin.step, 0)
    assert.is_false(ok)
    assert.is_truthy(problem:find("aside", 1, true))
  end)

  it("shares a connection with others", function()
    local server <close> = support.fixture(support.maildrop(support.messages(20)))
    local pop <close> = assert(support.connect(server))
    local tasks = {}
    for i = 1, 20 do
      tasks[i] = poplin.spawn(function()
        local text = assert(pop:retr(i))
        local count = assert(pop:stat())
        return text, count
      end)
    end
    for i = 20, 1, -1 do
      assert.are.same({ "Subject: message " .. i .. "\r\n\r\nbody " .. i .. "\r\n", 20 }, { tasks[i]:join() })
    end
  end)

  it("that waits is told when another closes the connection", function()
    local drop = support.maildrop(support.messages(1))
    local pop
    function drop.retr()
      pop:close()
      return ""
    end
    local server <close> = support.fixture(drop)
    pop = assert(support.connect(server))
    local text, err = poplin.spawn(function() return pop:retr(1) end):join()
    assert.is_nil(text)
    assert.are.equal("state", err.kind)
  end)
end)

describe("suspend", function()
  it("waits until it is told to go on, and returns what it is told", function()
    local resume
    local task = poplin.spawn(function()
      return poplin.suspend(function(...)
        resume = ...
        coroutine.yield()
      end)
    end)
    poplin.step(0)
    poplin.step(0)
    assert.is_false(task.finished)
    resume(nil, 2, nil)
    resume("too late")
    assert.are.same({ n = 3, nil, 2, nil }, table.pack(task:join()))
    resume("too late")
    poplin.run()
  end)

  it("does not wait where it was told before", function()
    local task = poplin.spawn(function()
      return poplin.suspend(function(resume) resume("at once") end)
    end)
    assert.are.equal("at once", task:join())
  end)

  it("is for tasks that may yield", function()
    local called = false
    local function begin() called = true end
    assert.is_false(pcall(poplin.suspend, begin))
    poplin.run(function()
      assert.is_false(pcall(coroutine.wrap(poplin.suspend), begin))
      assert.is_false(pcall(table.sort, { 1, 2 }, function() poplin.suspend(begin) end))
      assert.is_false(pcall(poplin.suspend, function() error("mine") end))
    end)
    assert.is_false(called)
  end)

  it("passes through generators of poplin.wrap", function()
    local task = poplin.spawn(function()
      return poplin.wrap(function()
        return poplin.suspend(function(resume) poplin.spawn(resume, 5) end)
      end)()
    end)
    assert.are.equal(5, task:join())
  end)
end)

describe("run", function()
  it("with a function returns what that returned, whatever else goes on", function()
    local server <close> = support.serve(support.maildrop {})
    poplin.spawn(function()
      for _ = 1, 3 do
        coroutine.yield()
      end
    end)
    assert.are.same({ 1, nil, 3 }, { poplin.run(function(...) return ... end, 1, nil, 3) })
    assert.is_false(pcall(poplin.run, error, "mine"))
    assert.is_truthy(server.url)
    server:stop()
    poplin.run()
  end)

  it("without goes on while a server runs", function()
    local server = support.serve(support.maildrop(support.messages(1)))
    local fetched
    poplin.spawn(function()
      local pop <close> = assert(support.connect(server))
      fetched = pop:retr(1)
      server:stop()
    end)
    poplin.run()
    assert.are.equal("Subject: message 1\r\n\r\nbody 1\r\n", fetched)
  end)
end)

describe("another loop", function()
  it("hosts poplin by descriptor, timeout and step", function()
    local server <close> = support.fixture(support.maildrop(support.messages(3)))
    assert.is_true(poplin.fileno() >= 0)
    local task = poplin.spawn(function()
      local pop <close> = assert(support.connect(server))
      local count = 0
      for _ in pop:retr_all() do
        count = count + 1
      end
      return count
    end)
    assert.are.equal(0, poplin.timeout())
    while not task.finished do
      local timeout = poplin.timeout()
      poplin.step(timeout)
    end
    assert.are.equal(3, task:join())
  end)

  it("is told that there is nothing to wait for", function()
    for _ = 1, 3 do
      poplin.step(0)
    end
    assert.is_nil(poplin.timeout())
  end)
end)

describe("one script", function()
  it("has callbacks that fetch from the server that asks them", function()
    local inner, server = support.maildrop(support.messages(3)), nil
    local function connect()
      return assert(poplin.connect(server.url, { user = "inner", password = "secret" }))
    end
    local outer = {}
    function outer.list()
      local pop <close> = connect()
      local list = {}
      for message in pop:retr_all() do
        table.insert(list, { "outer-" .. message.number, message.octets })
      end
      return list
    end
    function outer.retr(_, uid)
      local pop <close> = connect()
      return assert(pop:retr(math.tointeger(uid:match("%d"))))
    end
    function outer.dele()
      local pop <close> = connect()
      assert(pop:dele(2))
      assert(pop:quit())
    end
    server = assert(poplin.serve {
      password = function(_, user)
        if user == "outer" then
          local pop <close> = connect()
          assert(pop:stat() == 3)
        end
        return "secret"
      end,
      maildrop = function(_, user) return user == "outer" and outer or inner end,
    })
    local pop <close> = assert(poplin.connect(server.url, { user = "outer", password = "secret" }))
    assert.are.equal(3, (pop:stat()))
    assert.are.equal("Subject: message 2\r\n\r\nbody 2\r\n", pop:retr(2))
    assert.is_true(pop:dele(1))
    assert.is_true(pop:quit())
    assert.are.same({ "uid-2" }, inner.deleted)
    assert.are.same({}, server.errors)
    server:stop()
  end)

  it("holds a hundred connections at once", function()
    local drops = {}
    local server <close> = assert(poplin.serve {
      password = function() return "secret" end,
      maildrop = function(_, user)
        drops[user] = support.maildrop { { user, "for " .. user .. "\r\n" } }
        return drops[user]
      end,
    })
    local tasks, open = {}, 0
    for i = 1, 100 do
      tasks[i] = poplin.spawn(function()
        local user = "user-" .. i
        local pop <close> = assert(poplin.connect(server.url, { user = user, password = "secret" }))
        open = open + 1
        while open < 100 do
          assert(pop:noop())
        end
        for message in pop:retr_all() do
          assert.are.equal("for " .. user .. "\r\n", message.data)
          message:dele()
        end
        assert(pop:quit())
        return user
      end)
    end
    for i = 1, 100 do
      local user = tasks[i]:join()
      assert.are.same({ user }, drops[user].deleted)
    end
    assert.are.same({}, server.errors)
  end)
end)
