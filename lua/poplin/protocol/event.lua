--- An event of poplin.protocol: a table, which tostring shows without secrets. Its fields are told in poplin.protocol.

local Event = { __name = "poplin.protocol.event" }

local HIDDEN = { password = true, token = true }

local function shown(name, value)
  if HIDDEN[name] then
    return "****"
  elseif name == "data" then
    return #value .. " octets"
  elseif name == "uids" then
    return #value .. " messages"
  elseif type(value) ~= "string" then
    return tostring(value)
  end
  return '"' .. value:gsub("[%c\128-\255\\\"]", function(c) return string.format("\\x%02X", c:byte()) end) .. '"'
end

function Event:__tostring()
  local names = {}
  for name in pairs(self) do
    if name ~= "type" and type(name) == "string" then
      table.insert(names, name)
    end
  end
  table.sort(names)
  local words = { tostring(self.type) }
  for _, name in ipairs(names) do
    table.insert(words, name .. "=" .. shown(name, self[name]))
  end
  return table.concat(words, " ")
end

return Event
