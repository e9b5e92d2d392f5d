--- Errors in the name of the script's own line, however deep inside poplin they are found.

local misuse = {}

local HOME = debug.getinfo(1, "S").source:match("^(.*)misuse%.lua$") or "\0"

local function is_the_scripts_own(source)
  return source:sub(1, #HOME) ~= HOME
    and not source:find("[/\\]luassert[/\\]assert%.lua$") and not source:find("[/\\]busted[/\\]core%.lua$")
end

--- "file:line: " of the innermost function that is the script's own; empty where none is on this stack.
function misuse.place()
  for level = 2, math.huge do
    local info = debug.getinfo(level, "Sl")
    if not info then
      return ""
    elseif info.currentline > 0 and is_the_scripts_own(info.source) then
      return string.format("%s:%d: ", info.short_src, info.currentline)
    end
  end
end

--- Raises it there.
function misuse.error(format, ...)
  error(misuse.place() .. string.format(format, ...), 0)
end

--- The text of whatever was raised.
function misuse.text_of(problem)
  local ok, text = pcall(tostring, problem)
  return ok and text or "an error object whose __tostring fails"
end

local function passed_on(who, ok, ...)
  if ok then
    return ...
  end
  local problem = ...
  if problem == "not enough memory" then
    error(problem, 0)
  end
  misuse.error("%s: %s", who, tostring(problem))
end

--- What f(...), a function of the core's, answers; what it raises is a misuse of `who`.
function misuse.of(who, f, ...)
  return passed_on(who, pcall(f, ...))
end

return misuse
