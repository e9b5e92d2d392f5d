--- A fault of a test server, or a quirk or attack, which are several under one name.

local core = require "poplin.core"
local misuse = require "poplin.misuse"

local Fault = { __name = "poplin.testing.fault" }
Fault.__index = Fault

-- A number without an exponent, whatever the locale.
local function number_text(name, value)
  local whole = math.tointeger(value)
  if whole then
    return string.format("%d", whole)
  elseif value ~= value or math.abs(value) >= 1e9 then
    misuse.error("poplin: %s is no number that can be written as a decimal", name)
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
  misuse.error("poplin: %s must be a number, a boolean or a string, not a %s", name, type(value))
end

-- Settings by name, as an array of name and value.
local function flattened(settings)
  local flat = {}
  for name, value in pairs(settings) do
    if type(name) ~= "string" then
      misuse.error("poplin: settings are named, and %s is no name", tostring(name))
    end
    table.insert(flat, name)
    table.insert(flat, text_of(name, value))
  end
  return flat
end

-- Takes the id and the name of what was added, or nil and an error.
local function made(kit, id, name)
  if not id then
    misuse.error("poplin: %s", name.reason or name.text)
  end
  return setmetatable({ name = name, _kit = kit, _id = id }, Fault)
end

--- A fault from a command (nil: any) and settings by name, or from text alone. Raises where they make no fault.
function Fault.new(kit, command, settings)
  local text = settings == nil
  if type(command) ~= "string" and (text or command ~= nil) or not text and type(settings) ~= "table" then
    misuse.error("poplin: a fault is a command (nil: any) and a table of settings, or all of it as text")
  elseif text then
    return made(kit, kit:fault_text(command))
  end
  return made(kit, kit:fault(command, flattened(settings)))
end

-- By kind, tables from name to meaning.
local PROFILES = { quirk = core.quirks(), attack = core.attacks() }

--- All faults of a quirk or an attack. Raises where there is none of this name, or it is the other kind of the two.
function Fault.of_profile(kit, kind, name)
  if type(name) ~= "string" then
    misuse.error("poplin: a quirk or an attack has a name, not a %s", type(name))
  end
  local other = kind == "quirk" and "attack" or "quirk"
  if PROFILES[other][name] then
    misuse.error("poplin: '%s' is no %s: server:%s('%s')", name, kind, other, name)
  end
  return made(kit, kit:profile(name))
end

--- How often it took effect.
function Fault:fired()
  return self._fired or self._kit:fired(self._id)
end

--- Takes it away, whatever else has its name; what it has begun goes on. Doing that twice is peaceful.
function Fault:remove()
  self._fired = self._kit:remove(self._id) or self._fired
end

function Fault:__close()
  self:remove()
end

function Fault:__tostring()
  return "poplin.testing.fault " .. self.name
end

return Fault
