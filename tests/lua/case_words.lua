--- What cases say and what it stands for, and whether what came is that.

local cases = require "cases"

local null, octets, same, map = cases.null, cases.octets, cases.same, cases.map

local words = {}

--- For people.
function words.show(value)
  return require "pl.pretty".write(value)
end

--- Raises unless `part` stands in what was said.
function words.contains(text, part, where)
  assert(tostring(text):find(part, 1, true), where .. ": " .. tostring(text))
end

local function fact(self, name)
  if name == "folder" then
    return self.folder
  elseif name == "pin" then
    return self.clients.pop.tls.pin
  elseif name == "host" then
    return self.server.host or "127.0.0.1"
  end
  return tostring(self.server[name])
end

--- <1> is the first message's unique-id; {url} and the like are those of the server.
function words.filled(self, value)
  if cases.is_array(value) then
    return setmetatable(map(value, function(one) return words.filled(self, one) end), getmetatable(value))
  elseif type(value) ~= "string" then
    return value
  end
  value = value:gsub("<(%d+)>", function(number) return self.uids[math.tointeger(number)] end)
  return (value:gsub("{(%l+)}", function(name)
    return ("url host port folder pin "):find(name .. " ", 1, true) and fact(self, name) or nil
  end))
end

--- A unique-id as cases write it.
function words.named(self, uid)
  for number, known in ipairs(self.uids) do
    if known == uid then
      return "<" .. number .. ">"
    end
  end
  return uid == nil and null or uid
end

--- Another table of the same.
function words.copied(table_of)
  local copy = {}
  for name, value in pairs(table_of) do
    copy[name] = value
  end
  return copy
end

-- ---- judging ----

local function judge_failure(expected, problem, where)
  assert(type(problem) == "table" and problem.kind, where .. " did not fail: " .. words.show(problem))
  where = where .. ": " .. tostring(problem)
  assert(problem.kind == expected.kind, where .. " is " .. problem.kind)
  for _, name in ipairs { "code", "doing", "answer" } do
    if expected[name] ~= nil then
      assert(same(expected[name], problem[name] == nil and null or problem[name]), where)
    end
  end
  if expected.peer then
    words.contains(problem.peer, expected.peer, where)
  end
  for _, part in ipairs(expected.text or {}) do
    words.contains(problem, part, where)
  end
  for _, part in ipairs(expected.without or {}) do
    assert(not words.show(words.copied(problem)):find(part, 1, true), where)
  end
end

--- What a verb answered, or raised, is what the step says.
function words.judge(self, step, ok, value, problem)
  local where = words.show(step)
  if step.fails then
    judge_failure(step.fails, ok and value == nil and problem or not ok and value, where)
  elseif step.raised then
    assert(not ok, where)
    words.contains(value, step.raised, where)
  elseif step.misuse then
    assert(not ok and type(value) == "string", where)
    words.contains(value, step.misuse, where)
  elseif step.invalid then
    assert(not ok or value == nil, where)
    words.contains(ok and problem or value, step.invalid, where)
  elseif not ok then
    error(value, 0)
  elseif value == nil and problem ~= nil then
    error(where .. ": " .. tostring(problem), 0)
  elseif step.gives ~= nil then
    value = value == nil and null or value
    local is_url = type(value) == "string" and value:find("://", 1, true)
    local expected = is_url and words.filled(self, step.gives) or step.gives
    assert(same(expected, value), where .. " gave " .. words.show(value))
  end
end

--- Raises unless a raw peer has heard this line; null: the end.
function words.judge_line(self, expected, line, said)
  local where = string.format("after %s: %s, not %s", words.show(said), tostring(line), words.show(expected))
  if expected == null then
    assert(line == nil, where)
  elseif type(expected) == "table" and expected.begins then
    local begins = octets(words.filled(self, expected.begins))
    assert(line and line:sub(1, #begins) == begins, where)
  else
    assert(line == octets(words.filled(self, expected)), where)
  end
end

--- What the books say of a session, as cases have it.
function words.seen(self, session, name)
  if name == "tls" then
    return session.tls ~= nil
  elseif name == "leaked" or name == "faults" then
    local leaked, faults = false, {}
    for _, exchange in ipairs(session.exchanges) do
      leaked = leaked or exchange.leaked
      table.insert(faults, (exchange.fault or "") ~= "" and exchange.fault or nil)
    end
    return name == "leaked" and leaked or name == "faults" and faults
  end
  local value = session[name]
  if name == "retrieved" or name == "marked" or name == "deleted" then
    return map(value, function(uid) return words.named(self, uid) end)
  end
  return (value == nil or value == "") and null or value
end

return words
