--- The list of cases that drives the Python and the Lua tests alike, read and looked at: tests/cases/README.md has its
-- format. A key that is not known is an error.

local json = require "dkjson"

local cases = { null = json.null }

local FOLDER = debug.getinfo(1, "S").source:match("^@(.*)lua/cases%.lua$") .. "cases/"

--- What a file of the lists' folder says.
function cases.decoded(name)
  local file <close> = assert(io.open(FOLDER .. name))
  local value, _, problem = json.decode(file:read("a"), 1, json.null)
  return value or error(name .. ": " .. problem)
end

cases.FORMAT = cases.decoded("format.json")

local known = {} -- tables from name to true
for name, list in pairs(cases.FORMAT) do
  known[name] = {}
  for key, value in pairs(list) do
    known[name][math.type(key) and value or key] = true
  end
end
cases.known = known

--- Raises where `given` has a key that `names` has not.
function cases.check_keys(given, names, where)
  for key in pairs(given) do
    if not names[key] then
      error(where .. ": unknown: " .. tostring(key), 0)
    end
  end
end

--- What a step is to do: it has one verb.
function cases.verb_of(step, where)
  local verb
  for key in pairs(step) do
    if known.verbs[key] then
      if verb then
        error(where .. ": a step has one verb, not " .. verb .. " and " .. key, 0)
      end
      verb = key
    elseif not known.modifiers[key] then
      error(where .. ": unknown: " .. key, 0)
    end
  end
  return verb or error(where .. ": a step without a verb", 0)
end

local function check_steps(steps, where)
  for _, step in ipairs(steps) do
    cases.verb_of(step, where)
    cases.check_keys(step.fails or {}, known.fails, where)
    cases.check_keys(step.report or {}, known.report, where)
    check_steps(step.inside or {}, where)
  end
end

--- Raises where a case has a key that is not known.
function cases.check(case, where)
  cases.check_keys(case, known.case, where)
  for _, feature in ipairs(case.shows) do
    cases.check_keys({ [feature] = true }, known.features, where)
  end
  check_steps(case.steps, where)
  for _, session in ipairs(case.sessions or {}) do
    cases.check_keys(session, known.session, where)
  end
  cases.check_keys(case.trace or {}, known.trace, where)
  for _, server in ipairs { "server", "serve" } do
    cases.check_keys((case[server] or {}).backend or {}, known.backend, where)
  end
end

--- All cases of all lists, in order, each with the field `file`.
function cases.read()
  local all = {}
  for _, file in ipairs(cases.FORMAT.lists) do
    for _, case in ipairs(cases.decoded(file)) do
      cases.check(case, file .. ": " .. case.name)
      case.file = file
      table.insert(all, case)
    end
  end
  return all
end

--- Whether a table is an array in the case.
function cases.is_array(value)
  return type(value) == "table" and (getmetatable(value) or {}).__jsontype == "array"
end

--- What a text stands for: itself; { hex = … }; { ["repeat"] = text, times = n }; an array of these, joined.
function cases.octets(value)
  if type(value) == "string" then
    return value
  elseif cases.is_array(value) then
    local parts = {}
    for i, one in ipairs(value) do
      parts[i] = cases.octets(one)
    end
    return table.concat(parts)
  elseif value.hex then
    return (value.hex:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
  end
  cases.check_keys(value, { ["repeat"] = true, times = true }, "octets")
  return cases.octets(value["repeat"]):rep(value.times)
end

local function same_table(expected, actual)
  for key, value in pairs(actual) do
    if not cases.same(expected[key], value) then
      return false
    end
  end
  for key in pairs(expected) do
    if actual[key] == nil then
      return false
    end
  end
  return true
end

--- Whether what came is what a case says; in what came cases.null stands for nil.
function cases.same(expected, actual)
  if actual == cases.null or expected == cases.null then
    return actual == expected
  elseif type(actual) == "string" and type(expected) == "table" then
    return cases.octets(expected) == actual
  elseif type(actual) == "table" and type(expected) == "table" then
    return same_table(expected, actual)
  end
  return math.type(expected) == math.type(actual) and expected == actual
end

--- An array of a function's value for each element.
function cases.map(list, f)
  local mapped = {}
  for i, value in ipairs(list) do
    mapped[i] = f(value)
  end
  return mapped
end

return cases
