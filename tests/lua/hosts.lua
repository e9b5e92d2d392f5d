--- The event loops that poplin has adapters for, each as the tests of the adapters use it.
--
-- new() makes one, with
--   host()        hosts poplin in it; the function that ends that
--   call(f, done) runs f as a task, from a callback or a coroutine of the host's: done(ok, ...) is told the outcome
--   nap(...)      in a task: waits for something of the host's, and returns the arguments
--   drive(done)   runs the loop, which waits as long as it likes, until done() or an error; how often it went round
--   tick          a function that a timer of the host's calls all the time, while it is set
--   errors        what the host was told of
--   empty()       whether nothing is left in it
-- Debian has copas where Lua 5.1 looks.

local path = package.path
package.path = path .. ";/usr/share/lua/5.1/?.lua"
local copas = require "copas"
package.path = path
local cqueues = require "cqueues"
local poplin = require "poplin"
local socket = require "socket"
local uv = require "luv"
local in_copas = require "poplin.copas"
local in_cqueues = require "poplin.cqueues"
local in_luv = require "poplin.luv"

local INTERVAL = 0.001 -- seconds

local hosts = {}

-- Calls the coroutine's own call, and hands over what it returns or raises.
local function settle(done, call, f)
  return function() done(pcall(call, f)) end
end

function hosts.luv()
  local self = { host = in_luv.host, errors = {} }

  function self.nap(...)
    local arguments = table.pack(...)
    return poplin.suspend(function(resume)
      local timer = uv.new_timer()
      timer:start(1, 0, function()
        timer:close()
        resume(table.unpack(arguments, 1, arguments.n))
        resume("too late")
      end)
    end)
  end

  function self.call(f, done)
    in_luv.call(f, function(err, ...)
      if err then
        done(false, err)
      else
        done(true, ...)
      end
    end)
  end

  function self.drive(done)
    local timer = self.tick and uv.new_timer()
    if timer then
      timer:start(1, 1, function()
        if self.tick then
          self.tick()
        else
          timer:stop()
        end
      end)
    end
    local rounds = 0
    while not done() do
      uv.run("once")
      rounds = rounds + 1
    end
    if timer then
      timer:close()
    end
    return rounds
  end

  function self.empty()
    uv.run("nowait")
    local left = 0
    uv.walk(function() left = left + 1 end)
    return left == 0
  end

  return self
end

function hosts.cqueues()
  local controller = cqueues.new()
  local self = { errors = {} }

  function self.host()
    return in_cqueues.host(controller)
  end

  function self.nap(...)
    return in_cqueues.await(function(...)
      cqueues.sleep(INTERVAL)
      return ...
    end, ...)
  end

  function self.call(f, done)
    controller:wrap(settle(done, in_cqueues.call, f))
  end

  local ticking = false

  local function tick()
    while self.tick do
      self.tick()
      cqueues.sleep(INTERVAL)
    end
    ticking = false
  end

  function self.drive(done)
    if self.tick and not ticking then
      ticking = true
      controller:wrap(tick)
    end
    local rounds = 0
    while not done() do
      local ok, problem = controller:step()
      if not ok then
        table.insert(self.errors, problem)
      end
      rounds = rounds + 1
    end
    return rounds
  end

  function self.empty()
    self.tick = nil
    while ticking do
      controller:step()
    end
    controller:step(0)
    return controller:empty()
  end

  return self
end

function hosts.copas()
  local self = { host = in_copas.host, errors = {} }

  function self.nap(...)
    local listener = assert(socket.bind("127.0.0.1", 0))
    local address, port = listener:getsockname()
    local one = assert(socket.connect(address, port))
    local other = assert(listener:accept())
    one:settimeout(0)
    local function received(...)
      assert(other:send("x\n"))
      assert(copas.receive(one) == "x")
      for _, each in ipairs { listener, one, other } do
        each:close()
      end
      return ...
    end
    return in_copas.await(received, ...)
  end

  function self.call(f, done)
    copas.addthread(settle(done, in_copas.call, f))
  end

  -- copas prints what went wrong.
  local function collected(f, ...)
    local genuine = _G.print
    _G.print = function(problem) table.insert(self.errors, problem) end
    local ok, problem = pcall(f, ...)
    _G.print = genuine
    assert(ok, problem)
  end

  function self.drive(done)
    local rounds, next_tick = 0, socket.gettime()
    while not done() do
      -- A little more than what is left, since select() cuts off microseconds.
      collected(copas.step, self.tick and math.max(next_tick - socket.gettime(), 0) + INTERVAL / 10)
      rounds = rounds + 1
      if self.tick and socket.gettime() >= next_tick then
        next_tick = socket.gettime() + INTERVAL
        self.tick()
      end
    end
    return rounds
  end

  function self.empty()
    copas.step(0)
    return not copas.finished or copas.finished()
  end

  return self
end

return hosts
