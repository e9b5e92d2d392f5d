--- What a client's methods are given: misuse is an error in the name of the script's own line, before anything is sent.

local core = require "poplin.core"
local known = require "poplin.options"
local misuse = require "poplin.misuse"

local arguments = {}

local MOST = 2 ^ 31 - 1 -- that a command's number can be

local function is_whole(value, least)
  local whole = math.tointeger(tonumber(value))
  return whole and whole >= least and whole <= MOST
end

--- Raises unless `value` is the number of a message, as a method of this name takes it.
function arguments.check_number(method, value)
  if type(value) == "table" or not is_whole(value, 1) then
    misuse.error("%s: a message's number is a whole one from 1 to %d, not %s", method, MOST, tostring(value))
  end
end

--- Raises unless `value` is how many lines of a body are wanted.
function arguments.check_lines(value)
  if type(value) == "table" or not is_whole(value, 0) then
    misuse.error("top: lines are from 0 to %d, not %s", MOST, tostring(value))
  end
end

--- Raises unless it is a string. The value is not told: it may be a password.
function arguments.check_string(what, value)
  if type(value) ~= "string" then
    misuse.error("%s must be a string, not %s", what, type(value))
  end
end

--- Raises unless `given` is a table whose names are all among those of `names`. `what` they are: "option" unless told
-- otherwise.
function arguments.check_names(who, given, names, what)
  if type(given) ~= "table" then
    misuse.error("%s: the %ss must be a table, not a %s", who, what or "option", type(given))
  end
  local problem = known.unknown(given, names, what)
  if problem then
    misuse.error("%s: %s", who, problem)
  end
end

--- The numbers of an array of numbers and messages, where is_message() tells which these are.
function arguments.numbers(wanted, is_message)
  if type(wanted) ~= "table" then
    misuse.error("retr_all: an array of numbers or messages is needed, not a %s", type(wanted))
  end
  local numbers = {}
  for i, one in ipairs(wanted) do
    numbers[i] = is_message(one) and one.number or one
    arguments.check_number("retr_all", numbers[i])
  end
  return numbers
end

local function can_write(into)
  local ok, write = pcall(function() return into.write end)
  return ok and write ~= nil and io.type(into) ~= "closed file"
end

--- What takes a message's pieces, of a function or of what has a method write: true, or nil and an error.
function arguments.writer(into)
  if type(into) == "function" then
    return function(piece)
      into(piece)
      return true
    end
  elseif not can_write(into) then
    misuse.error("retr: into must be a function or an open file, not %s", io.type(into) or "a " .. type(into))
  end
  return function(piece)
    local ok, reason = into:write(piece)
    if not ok then
      return nil, core.error("io", tostring(reason))
    end
    return true
  end
end

return arguments
