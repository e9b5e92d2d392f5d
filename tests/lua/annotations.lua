--- Reads the annotations in lua/meta, as far as they go there: a line that it does not understand is an error.
--
-- read(folder) answers
--   modules   from a module's name to the name of the class that it returns
--   classes   from name to { place, parents, doc, fields, functions }
--     fields     from name to { place, type, text, optional }; those by [key] are left out
--     functions  from name to { place, doc, parameters, params, is_method }: the names in the declaration, and those of
--                @param, in their order; "..." among them
--   aliases   from name to an array of types
--   types     an array of { place, type }: all that were written

local annotations = {}

-- ---- types ----

-- Where a type ends that begins a text: at a space outside of all brackets and quotes that goes on nothing.
local function type_end(text)
  local depth, quoted = 0, false
  for i = 1, #text do
    local c = text:sub(i, i)
    if c == '"' then
      quoted = not quoted
    elseif not quoted and c:find("[%(%[{<]") then
      depth = depth + 1
    elseif not quoted and c:find("[%)%]}>]") then
      depth = depth - 1
    elseif c == " " and not quoted and depth == 0 and not text:find("^[:,|]", i - 1) then
      return i - 1
    end
  end
  return #text
end

-- The type that begins a text, and what is behind it.
local function split_type(text)
  local last = type_end(text)
  return text:sub(1, last), (text:sub(last + 1):gsub("^%s+", ""))
end

-- The types of a union; a function's type takes all that is behind it.
local function alternatives(type)
  local found, depth, quoted, start = {}, 0, false, 1
  for i = 1, #type do
    local c = type:sub(i, i)
    quoted = quoted ~= (c == '"')
    depth = depth + (c:find("[%(%[{<]") and 1 or 0) - (c:find("[%)%]}>]") and 1 or 0)
    if c == "|" and depth == 0 and not quoted and not type:find("^fun%(", start) then
      table.insert(found, type:sub(start, i - 1))
      start = i + 1
    end
  end
  table.insert(found, type:sub(start))
  return found
end

-- ---- lines ----

local tags = {}

local function add_type(state, type)
  table.insert(state.read.types, { place = state.place, type = type })
end

function tags.meta(state, rest)
  state.module = rest ~= "_" and rest or nil
end

function tags.class(state, rest)
  local name, parents = rest:match("^(%S+)%s*:?%s*(.*)$")
  assert(not state.read.classes[name], name)
  state.class = { place = state.place, name = name, parents = {}, doc = state.doc, fields = {}, functions = {} }
  for parent in parents:gmatch("[^%s,]+") do
    table.insert(state.class.parents, parent)
    add_type(state, parent)
  end
  state.read.classes[name] = state.class
end

function tags.field(state, rest)
  local name, optional, declared = rest:match("^([%a_][%w_]*)(%??) (.*)$")
  if not name then
    name, optional, declared = rest:match("^(%[.-%])(%??) (.*)$")
  end
  local type, text = split_type(declared)
  add_type(state, type)
  if name:sub(1, 1) ~= "[" then
    assert(not state.class.fields[name], name)
    state.class.fields[name] = { place = state.place, type = type, text = text, optional = optional == "?" }
  end
end

function tags.alias(state, rest)
  local name, type = rest:match("^(%S+)%s*(.*)$")
  assert(not state.read.aliases[name], name)
  state.alias = type ~= "" and alternatives(type) or {}
  state.read.aliases[name] = state.alias
  add_type(state, type)
end

function tags.param(state, rest)
  local name, declared = rest:match("^([%w_%.]+)%?? (.*)$")
  table.insert(state.params, name)
  add_type(state, (split_type(declared)))
end

tags["return"] = function(state, rest)
  add_type(state, (split_type(rest)))
end

function tags.overload(state, rest)
  assert(rest:find("^fun%("))
  add_type(state, rest)
end

for _, name in ipairs { "nodiscard", "generic", "operator", "cast" } do
  tags[name] = function() end
end

local function add_function(state, owner, mark, name, parameters)
  local class = assert(state.locals[owner], owner)
  assert(not class.functions[name], name)
  local names = {}
  for parameter in parameters:gmatch("[^%s,]+") do
    table.insert(names, parameter)
  end
  class.functions[name] = {
    place = state.place, doc = state.doc, parameters = names, params = state.params, is_method = mark == ":",
  }
end

local function add_line(state, line)
  local tag, rest = line:match("^%-%-%-@(%w+)%s*(.*)$")
  if tag then
    assert(tags[tag], "what is @" .. tag)(state, rest)
  elseif line:find("^%-%-%-|") then
    table.insert(state.alias, (split_type(line:match("^%-%-%-|%s*(.*)$"))))
  elseif line:find("^%-%-%-") then
    state.doc = (state.doc or "") .. line:sub(4)
  elseif line == "" or line:find("^%-%- ") then
    state.doc, state.params = nil, {}
  elseif line:find("^local [%w_]+ = {}$") then
    state.locals[line:match("^local ([%w_]+)")] = state.class
  elseif line:find("^return [%w_]+$") then
    state.read.modules[state.module] = state.locals[line:match("[%w_]+$")].name
  else
    local owner, mark, name, parameters = line:match("^function ([%w_]+)([.:])([%w_]+)%((.-)%) end$")
    add_function(state, assert(owner, "what is that?"), mark, name, parameters)
    state.doc, state.params = nil, {}
  end
end

local function read_file(read, path)
  assert(loadfile(path)) -- it is Lua
  local state = { read = read, locals = {}, params = {} }
  local number = 0
  for line in io.lines(path) do
    number = number + 1
    state.place = path .. ":" .. number
    local ok, problem = pcall(add_line, state, line)
    if not ok then
      error(state.place .. ": " .. line .. "\n" .. tostring(problem), 0)
    end
  end
end

function annotations.read(folder)
  local read = { modules = {}, classes = {}, aliases = {}, types = {} }
  local find <close> = assert(io.popen("find " .. folder .. " -name '*.lua'"))
  for path in find:lines() do
    read_file(read, path)
  end
  return read
end

-- ---- what they mean ----

local BASES = {
  string = "string", integer = "number", number = "number", boolean = "boolean", ["true"] = "boolean",
  ["false"] = "boolean", any = "any", ["nil"] = "nil", ["function"] = "function", ["file*"] = "userdata",
  userdata = "userdata", table = "table",
}

local function add_bases(read, declared, bases)
  for _, one in ipairs(alternatives(declared)) do
    if one:find("^fun%(") then
      bases["function"] = true
    elseif one:sub(-1) == "?" then
      bases["nil"] = true
      add_bases(read, one:sub(1, -2), bases)
    elseif one:find('^"') then
      bases.string = true
    elseif one:find("%[%]$") or one:find("^table<") or read.classes[one] then
      bases.table = true
    elseif read.aliases[one] then
      add_bases(read, table.concat(read.aliases[one], "|"), bases)
    else
      bases[assert(BASES[one], one)] = true
    end
  end
end

--- The types of Lua that a value of a declared type may have: a set.
function annotations.bases(read, declared)
  local bases = {}
  add_bases(read, declared, bases)
  return bases
end

--- A class's fields or functions, those of its parents among them.
function annotations.members(read, name, kind)
  local members = {}
  local class = assert(read.classes[name], name)
  for _, parent in ipairs(class.parents) do
    for member, one in pairs(annotations.members(read, parent, kind)) do
      members[member] = one
    end
  end
  for member, one in pairs(class[kind]) do
    members[member] = one
  end
  return members
end

return annotations
