--- The header of a message: its fields as a list that is also a table by name.

local core = require "poplin.core"
local misuse = require "poplin.misuse"

local headers = {}

-- What makes a list answer to names too, in upper or lower case.
local function by_name(fields)
  local first = {}
  for _, field in ipairs(fields) do
    local name = field.name:lower()
    first[name] = first[name] or field.value
  end
  return {
    __name = "poplin.headers",
    __index = function(_, name)
      return type(name) == "string" and first[name:lower()] or nil
    end,
  }
end

local function fields_of(text, name)
  local fields, err = core.fields(text, name)
  if not fields or name ~= nil then
    return fields, err
  end
  return setmetatable(fields, by_name(fields))
end

local function check_string(what, value)
  if type(value) ~= "string" then
    misuse.error("%s must be a string, not %s", what, type(value))
  end
end

--- The fields of a text that begins with a header, in its order: a list of { name = s, value = s, raw = s }, which
-- indexed by a name gives the value of the first field of that name. With a name, an array of the values of all
-- fields of that name. Or nil and an error.
function headers.headers(text, name)
  check_string("poplin.headers: the text", text)
  if name ~= nil then
    check_string("poplin.headers: the name of a field", name)
  end
  return fields_of(text, name)
end

-- The headers that were fetched, by message: what a script sees in a message are its own fields.
local fetched = setmetatable({}, { __mode = "k" })

-- The text that a message's header stands in: its data, or what `fetch` brings, once.
local function text_of(message, fetch)
  if message.data then
    return message.data
  end
  local text, err = fetched[message], nil
  if not text then
    text, err = fetch(message._client, message.number)
    fetched[message] = text
  end
  return text, err
end

--- The methods header and headers of messages; `fetch` answers the header of a client's message by number, or nil and
-- an error.
function headers.methods(fetch)
  local function header(message, name)
    check_string("message:header: the name of a field", name)
    local text, err = text_of(message, fetch)
    if not text then
      return nil, err
    end
    return core.header(text, name)
  end

  local function all(message, name)
    if name ~= nil then
      check_string("message:headers: the name of a field", name)
    end
    local text, err = text_of(message, fetch)
    if not text then
      return nil, err
    end
    return fields_of(text, name)
  end

  return header, all
end

return headers
