--- What a server announces, as a client reads it.
--
-- A table from each capability's name, in upper case, to an array of its parameters. What is often asked for has a
-- field in lower case, which is worked out when it is asked for:
--   login_delay     seconds that have to pass between two logins; nil: the server names no delay
--   expire          days for which mail stays on the server at least; nil: it stays, or the server does not say
--   sasl            the mechanisms of AUTH, in upper case
--   implementation  what the server calls itself; nil: it does not say
--   user, stls, top, uidl, pipelining, utf8, utf8_user, lang: whether the server has that

local capabilities = {}

local function number_of(self, name)
  local word = (rawget(self, name) or {})[1] or ""
  return word:find("^%d+$") and #word <= 10 and math.tointeger(tonumber(word)) or nil
end

local FIELDS = {
  login_delay = function(self) return number_of(self, "LOGIN-DELAY") end,
  expire = function(self) return number_of(self, "EXPIRE") end,
  sasl = function(self)
    local names = {}
    for i, name in ipairs(rawget(self, "SASL") or {}) do
      names[i] = name:upper()
    end
    return names
  end,
  implementation = function(self)
    local words = rawget(self, "IMPLEMENTATION")
    return words and table.concat(words, " ")
  end,
  utf8_user = function(self)
    return (" " .. table.concat(rawget(self, "UTF8") or {}, " "):upper() .. " "):find(" USER ", 1, true) ~= nil
  end,
}
for _, name in ipairs { "user", "stls", "top", "uidl", "pipelining", "utf8", "lang" } do
  FIELDS[name] = function(self) return rawget(self, name:upper()) ~= nil end
end

local Capabilities = { __name = "poplin.capabilities" }

function Capabilities:__index(name)
  local field = FIELDS[name]
  return field and field(self)
end

--- From a table of names and parameters, these in one string.
function capabilities.of(announced)
  local self = {}
  for name, parameters in pairs(announced) do
    local words = {}
    for word in parameters:gmatch("[^ ]+") do
      table.insert(words, word)
    end
    self[name] = words
  end
  return setmetatable(self, Capabilities)
end

return capabilities
