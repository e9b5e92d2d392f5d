--- poplin in cqueues: client and server on a controller of cqueues', beside its own coroutines.
--
--    local controller = cqueues.new()
--    local hosted = require "poplin.cqueues"
--    local stop = hosted.host(controller)
--    controller:wrap(function()
--      local count = hosted.call(function() return count_mail(url) end)
--      stop()
--    end)
--    assert(controller:loop())
--
-- `host(controller)` wraps a coroutine that waits for poplin's descriptor and time-out; it keeps `controller:loop`
-- going until `stop()`, after which it ends. Connections that are open then stay open, until they are closed or
-- something drives again. The class method `step` of controllers is interposed, once for all, so that the time-out is
-- asked for anew before each wait.
--
-- Where a call to poplin may be made: in tasks (`poplin.spawn`, a server's functions), which wait for poplin; for
-- cqueues.sleep or a socket of cqueues' by `await(f, ...)`, which runs f(...) in a coroutine of the controller's. In
-- such a coroutine, too, where it has to wait for nothing; one that waits there holds up the whole controller. So there
-- `call(f, ...)` runs f(...) as a task. Both let all others go on meanwhile, and return what f returned, or raise its
-- error. Where the hosting ends before, that is an error too.
--
-- Errors: that of a task that nobody joined is raised in a coroutine of its own, so that `controller:step`, `loop` and
-- `errors` tell it like any other. poplin goes on.

local cqueues = require "cqueues"
local condition = require "cqueues.condition"
local poplin = require "poplin"
local host = require "poplin.host"

local adapter = {}

local hosting -- the controller
local changed -- a condition: the time-out is to be asked for anew, or the hosting has ended
local due -- when the time-out passes that was asked for last

-- poplin counts milliseconds: what seems sooner by one may be the same.
local function is_due_sooner()
  local seconds = poplin.timeout()
  return seconds and (seconds == 0 or cqueues.monotime() + seconds < due - 0.002)
end

local step
step = cqueues.interpose("step", function(self, timeout)
  if self == hosting and is_due_sooner() then
    changed:signal()
  end
  return step(self, timeout)
end)

local function ask_timeout()
  local seconds = poplin.timeout()
  due = seconds and cqueues.monotime() + seconds or math.huge
  return seconds
end

--- Hosts poplin on this controller. Returns the function that ends that.
function adapter.host(controller)
  if cqueues.type(controller) ~= "controller" then
    error("poplin.cqueues: host takes a controller, as cqueues.new() makes one", 2)
  end
  local stop = host.begin("cqueues", function()
    hosting = nil
    changed:signal()
  end)
  local own = condition.new()
  hosting, changed, due = controller, own, math.huge
  local poplin_itself = { pollfd = poplin.fileno(), events = "r", timeout = ask_timeout }
  local function report(problem)
    controller:wrap(function() error(problem, 0) end)
  end
  controller:wrap(function()
    while changed == own and hosting do
      host.step(report)
      cqueues.poll(poplin_itself, own)
    end
  end)
  return stop
end

--- In a coroutine of cqueues': runs f(...) as a task, waits for it, and returns what it returned or raises its error.
function adapter.call(f, ...)
  if host.in_task() then
    return f(...)
  elseif not cqueues.running() then
    error("poplin.cqueues: call is for the coroutines of a controller", 2)
  end
  local settled, outcome = condition.new(), nil
  host.start("cqueues", function(...)
    outcome = table.pack(...)
    settled:signal()
  end, f, ...)
  while not outcome do
    settled:wait()
  end
  return host.returned(outcome)
end

--- In a task: runs f(...) in a coroutine of the controller's, waits for it, and returns what it returned or raises its
-- error.
function adapter.await(f, ...)
  if not host.in_task() then
    return f(...)
  end
  return host.await("cqueues", function(run) hosting:wrap(run) end, f, ...)
end

return adapter
