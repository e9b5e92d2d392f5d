--- poplin in copas: client and server beside copas' own threads and servers.
--
--    local hosted = require "poplin.copas"
--    local stop = hosted.host()
--    copas.addthread(function()
--      local count = hosted.call(function() return count_mail(url) end)
--      stop()
--    end)
--    copas.loop()
--
-- `host()` adds a thread that reads from a socket of which there is only the descriptor, poplin's: each time that is
-- readable, or the time-out has passed, poplin is stepped. It keeps newer versions' `copas.loop` going until `stop()`,
-- after which it ends. Connections that are open then stay open, until they are closed or something drives again.
-- `copas.step` is replaced, once for all, so that it waits no longer than poplin's time-out: while poplin is hosted, it
-- may return false before the time that it was given has passed.
--
-- Where a call to poplin may be made: in tasks (`poplin.spawn`, a server's functions), which wait for poplin; for
-- a socket of copas' or copas.sleep by `await(f, ...)`, which runs f(...) in a thread of copas'. In such a thread, too,
-- where it has to wait for nothing; one that waits there holds up the whole of copas. So there `call(f, ...)` runs
-- f(...) as a task. Both let all others go on meanwhile, and return what f returned, or raise its error. Where the
-- hosting ends before, that is an error too.
-- copas closes, after a server's handler, the socket that this waited for last; where that was a `call`, a handler has
-- to close its client itself.
--
-- Errors: that of a task that nobody joined is raised in a thread of its own, so that copas tells it like any other.
-- poplin goes on.

local copas = require "copas"
local poplin = require "poplin"
local host = require "poplin.host"

local adapter = {}

local hosting = false

local step = copas.step
function copas.step(timeout, ...)
  local due = hosting and poplin.timeout()
  return step(due and (not timeout or due < timeout) and due or timeout, ...)
end

-- What copas and LuaSocket take for a socket. It is readable when poplin's descriptor is, and when is_due() says so;
-- receive() then says "timeout" as long as there is to be more reading.
local function socket(is_due, receive)
  local descriptor = poplin.fileno()
  return {
    getfd = function() return descriptor end,
    dirty = is_due,
    receive = receive,
    settimeout = function() return 1 end,
    close = function() return 1 end,
  }
end

local function report(problem)
  copas.addthread(function() error(problem, 0) end)
end

--- Hosts poplin. Returns the function that ends that.
function adapter.host()
  local ended = false
  local stop = host.begin("copas", function()
    hosting, ended = false, true
  end)
  hosting = true
  local poplin_itself = socket(function()
    return ended or poplin.timeout() == 0
  end, function()
    if not ended then
      host.step(report)
    end
    if ended then
      return true
    end
    return nil, "timeout"
  end)
  copas.addthread(function()
    repeat
      copas.receive(poplin_itself)
    until ended
  end)
  return stop
end

--- In a thread of copas': runs f(...) as a task, waits for it, and returns what it returned or raises its error.
function adapter.call(f, ...)
  if host.in_task() then
    return f(...)
  elseif not coroutine.isyieldable() then
    error("poplin.copas: call is for the threads of copas", 2)
  end
  local outcome
  host.start("copas", function(...)
    outcome = table.pack(...)
  end, f, ...)
  local result = socket(function()
    return outcome ~= nil
  end, function()
    if outcome then
      return true
    end
    return nil, "timeout"
  end)
  repeat
    copas.receive(result)
  until outcome
  return host.returned(outcome)
end

-- Goes on in copas' next round, outside of poplin: old versions run a new thread at once.
local function next_round()
  local begun = false
  copas.receive(socket(function() return true end, function()
    if begun then
      return true
    end
    begun = true
    return nil, "timeout"
  end))
end

--- In a task: runs f(...) in a thread of copas', waits for it, and returns what it returned or raises its error.
function adapter.await(f, ...)
  if not host.in_task() then
    return f(...)
  end
  return host.await("copas", function(run)
    copas.addthread(function()
      next_round()
      run()
    end)
  end, f, ...)
end

return adapter
