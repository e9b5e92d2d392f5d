--- poplin in luv: client and server on libuv's loop, beside the program's own handles.
--
--    local stop = require("poplin.luv").host()
--    poplin.spawn(function() ... stop() end)
--    uv.run()
--
-- `host()` puts a poll handle for poplin's descriptor, a timer and a prepare handle on the default loop of this Lua
-- state; they keep `uv.run` going until `stop()`, which closes them; that is done in the loop's next round, and a
-- program that ends before it may crash in luv, as with all its handles. Connections that are open then stay open,
-- until they are closed or something drives again.
--
-- Where a call to poplin may be made: in tasks (`poplin.spawn`, a server's functions), which wait for poplin; for what
-- has a callback in luv by `poplin.suspend(function(resume) timer:start(100, 0, resume) end)`. In a callback of luv's,
-- too, where it has to wait for nothing; one that waits there holds up the whole loop. So there `call(f, callback)`
-- runs f as a task, and then callback(err) or callback(nil, ...) with what f returned, in a callback of luv's own.
-- Where the hosting ends before, that is an error too.
--
-- Errors: that of a task that nobody joined is raised in a callback of luv's own. `lua5.4` with luv ends with it, as
-- with any error in a callback; a host that only tells of those goes on, and poplin with it.

local uv = require "luv"
local poplin = require "poplin"
local host = require "poplin.host"

local luv = {}

-- Calls f in a callback of its own, outside of poplin's tasks.
local function later(f)
  local timer = uv.new_timer()
  timer:start(0, 0, function()
    timer:close()
    f()
  end)
end

-- luv tells only texts.
local function report(problem)
  later(function() error(tostring(problem), 0) end)
end

local function step()
  host.step(report)
end

--- Hosts poplin. Returns the function that ends that.
function luv.host()
  local handles = {}
  local stop = host.begin("luv", function()
    for _, handle in ipairs(handles) do
      if not handle:is_closing() then
        handle:close()
      end
    end
  end)
  local readable, problem = uv.new_poll(poplin.fileno())
  if not readable then
    stop()
    error("poplin.luv: " .. problem, 2)
  end
  local timer, prepare = uv.new_timer(), uv.new_prepare()
  handles = { readable, timer, prepare }
  readable:start("r", step)
  prepare:start(function() -- before each wait
    local seconds = poplin.timeout()
    if seconds then
      timer:start(math.ceil(seconds * 1000), 0, step)
    else
      timer:stop()
    end
  end)
  return stop
end

--- Runs f() as a task, and callback(err, ...) in a callback of luv's when it has finished.
function luv.call(f, callback)
  host.start("luv", function(ok, ...)
    local results = table.pack(...)
    later(function()
      if ok then
        callback(nil, table.unpack(results, 1, results.n))
      else
        callback(results[1] == nil and "nil" or results[1])
      end
    end)
  end, f)
end

return luv
