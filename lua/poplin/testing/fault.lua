--- A fault of a test server, or a quirk or attack, which are several under one name.

local Fault = { __name = "poplin.testing.fault" }
Fault.__index = Fault

-- A number without an exponent, whatever the locale.
local function number_text(name, value)
  local whole = math.tointeger(value)
  if whole then
    return string.format("%d", whole)
  elseif value ~= value or math.abs(value) >= 1e9 then
    error(name .. " is no number that can be written as a decimal", 0)
  end
  local billionths = math.tointeger(math.floor(math.abs(value) * 1e9 + 0.5))
  return string.format("%s%d.%09d", value < 0 and "-" or "", billionths // 1000000000, billionths % 1000000000)
end

local function text_of(name, value)
  if type(value) == "string" then
    return value
  elseif type(value) == "boolean" then
    return value and "yes" or "no"
  elseif type(value) == "number" then
    return number_text(name, value)
  end
  error(tostring(name) .. " must be a number, a boolean or a string, not a " .. type(value), 0)
end

-- Settings by name, as an array of name and value.
local function flattened(settings)
  local flat = {}
  for name, value in pairs(settings) do
    if type(name) ~= "string" then
      error("settings are named, and " .. tostring(name) .. " is no name", 0)
    end
    table.insert(flat, name)
    table.insert(flat, text_of(name, value))
  end
  return flat
end

local function made(kit, name, err)
  if not name then
    error(err.reason or err.text, 0)
  end
  return setmetatable({ name = name, _kit = kit }, Fault)
end

--- A fault from a command (nil: any) and settings by name, or from text alone. Raises where they make no fault.
function Fault.new(kit, command, settings)
  if settings == nil then
    return made(kit, kit:fault_text(command))
  end
  return made(kit, kit:fault(command, flattened(settings)))
end

--- All faults of a quirk or an attack. Raises where there is none of this name.
function Fault.of_profile(kit, name)
  return made(kit, kit:profile(name))
end

--- How often it took effect.
function Fault:fired()
  return self._kit:fired(self.name)
end

--- Takes whatever has this name away; what it has begun goes on. Doing that twice is peaceful.
function Fault:remove()
  self._kit:remove(self.name)
end

function Fault:__close()
  self:remove()
end

function Fault:__tostring()
  return "poplin.testing.fault " .. self.name
end

return Fault
