--- The function that a script has shown what is said, and when it is called.
--
-- It is the script's own, and stands in the midst of whatever the script does: so each time it runs in a coroutine of
-- its own, from which no yield gets out, and what it raises stays there too. It may set another one, or nil.

local misuse = require "poplin.misuse"

local trace = {}

local shown -- the function; nil: there is none
local at_work = false

--- Whether the function is being called.
function trace.is_at_work()
  return at_work
end

local function show_lines(loop, line, fields)
  while line do
    if shown then
      shown(line, fields)
    end
    line, fields = loop:traced()
  end
end

-- An error in the function is nobody's: it is warned of, once, and the trace is off.
local function give_up(loop, problem)
  shown = nil
  loop:trace(false)
  show_lines(loop, loop:traced()) -- to nobody
  warn("poplin: the trace function failed, and is off now: ", problem)
end

--- Shows what was said since the last call.
function trace.show(loop)
  local line, fields
  if shown and not at_work then
    line, fields = loop:traced()
  end
  if not line then
    return
  end
  local co = coroutine.create(show_lines)
  at_work = true
  local ok, problem = coroutine.resume(co, loop, line, fields)
  at_work = false
  if coroutine.status(co) == "suspended" then
    ok, problem = false, "it must not yield"
  end
  if not ok then
    local traceback = debug.traceback(co, misuse.text_of(problem))
    at_work = true
    coroutine.close(co)
    at_work = false
    give_up(loop, traceback)
  end
end

--- The function, or nil.
function trace.get()
  return shown
end

--- Sets it; nil: none. loop: nil where there is none yet, and nothing to be shown.
function trace.set(f, loop)
  if f ~= nil and type(f) ~= "function" then
    error("poplin.trace must be a function or nil", 4)
  elseif loop then
    trace.show(loop)
    shown = f
    loop:trace(f ~= nil)
  end
end

return trace
