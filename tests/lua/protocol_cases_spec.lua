--- The cases of poplin.protocol that drive the Python tests too: tests/cases/README.md. One machine and no connection:
-- what a case has received is given as it is, or octet by octet; behind each step stand its events and what it sends.

local cases = require "cases"
local protocol = require "poplin.protocol"
local words = require "case_words"

local null, octets, same, show, contains = cases.null, cases.octets, cases.same, words.show, words.contains

local KNOWN, known = cases.FORMAT.protocol, {} -- lists of names, and the same as tables from name to true
for name, list in pairs(KNOWN) do
  known[name] = {}
  for key, value in pairs(list) do
    known[name][math.type(key) and value or key] = true
  end
end

local WAYS = { "whole", "octet by octet" }

-- ---- reading ----

local function verb_of(step, where)
  local verb
  for key in pairs(step) do
    if known.verbs[key] then
      assert(not verb, where .. ": a step has one verb")
      verb = key
    else
      cases.check_keys({ [key] = true }, known.modifiers, where)
    end
  end
  return assert(verb, where .. ": a step without a verb")
end

local function check(case, where)
  cases.check_keys(case, known.case, where)
  for _, feature in ipairs(case.shows) do
    cases.check_keys({ [feature] = true }, known.features, where)
  end
  cases.check_keys({ [case.from or "a client"] = true }, known.beginnings, where)
  for _, step in ipairs(case.steps) do
    verb_of(step, where)
    cases.check_keys(step.fails or {}, known.fails, where)
    for _, event in ipairs(step.events or {}) do
      cases.check_keys(event.error ~= null and event.error or {}, known.fails, where)
    end
  end
end

-- Without JSON's null, as deep as arguments go.
local function given(value)
  if value == null then
    return nil
  elseif type(value) ~= "table" then
    return value
  end
  local copy = {}
  for key, one in pairs(value) do
    copy[key] = given(one)
  end
  return copy
end

-- ---- whether it is what the case says ----

local function judge_error(expected, problem, where)
  assert(type(problem) == "table" and problem.kind, where .. " did not fail: " .. show(problem))
  where = where .. ": " .. tostring(problem)
  assert(problem.kind == expected.kind, where .. " is " .. problem.kind)
  for _, name in ipairs { "code", "answer" } do
    assert(expected[name] == nil or same(expected[name], problem[name] == nil and null or problem[name]), where)
  end
  for _, part in ipairs(expected.text or {}) do
    contains(problem, part, where)
  end
  for _, part in ipairs(expected.without or {}) do
    assert(not (show(words.copied(problem)) .. tostring(problem)):find(part, 1, true), where)
  end
end

local function judge(step, result, problem)
  local where = show(step)
  if step.fails then
    judge_error(step.fails, problem, where)
  elseif step.invalid then
    assert(problem ~= nil, where)
    contains(type(problem) == "table" and problem.text or problem, step.invalid, where)
  elseif problem ~= nil then
    error(where .. ": " .. tostring(problem), 0)
  elseif step.gives ~= nil then
    assert(same(step.gives, result), where .. " gave " .. show(result))
  end
end

local function judge_events(self, expected, seen, where)
  where = where .. " is told " .. show(seen)
  assert(#expected == #seen, where)
  for i, wanted in ipairs(expected) do
    for name, value in pairs(wanted) do
      local found = seen[i][name]
      if name == "error" and value ~= null then
        judge_error(value, found, where)
      elseif name == "tag" then
        assert(found and self.tags[value] == found, where)
      else
        assert(same(value, found == nil and null or found), where .. ": " .. name)
      end
    end
  end
end

-- ---- playing ----

-- Takes the events that there are; pieces of one body are joined. An error, where it ends badly.
local function drain(self, seen)
  local ok, problem = pcall(function()
    for event in self.machine:events() do
      local before = seen[#seen]
      if event.type == "body" and before and before.type == "body" then
        before.data = before.data .. event.data
      else
        table.insert(seen, event)
      end
      if event.question then
        self.questions[event.type] = event
      end
    end
  end)
  return not ok and problem or nil
end

local verbs = {}

function verbs.receive(self, _, value, seen)
  local data = octets(value)
  local size = self.piecewise and 1 or math.max(#data, 1)
  for at = 1, #data, size do
    local ok, err = self.machine:receive_data(data:sub(at, at + size - 1))
    err = not ok and err or drain(self, seen)
    if err then
      return nil, err
    elseif seen[1] and seen[#seen].type == "session_closed" then
      break -- octets of the same step that come behind the end are nobody's
    end
  end
  return true
end

-- Calls a method; an error that it raises is a problem too.
local function call(self, step, method, ...)
  local arguments = table.pack(...)
  if step.options then
    arguments.n = arguments.n + 1
    arguments[arguments.n] = given(step.options)
  end
  local f = self.machine[method] or error("no such method: " .. method, 0)
  local ok, result, problem = pcall(f, self.machine, table.unpack(arguments, 1, arguments.n))
  if not ok then
    return nil, result
  elseif step.as then
    self.tags[step.as] = result
  end
  return result, result == nil and problem or nil
end

function verbs.call(self, step, value)
  local arguments = given(value)
  return call(self, step, table.unpack(arguments, 1, #value))
end

function verbs.answer(self, step, value)
  local arguments = given(value)
  if value[1] == "body" then
    arguments[3] = octets(value[3])
  end
  return call(self, step, value[1], self.questions[value[2]], table.unpack(arguments, 3, #value))
end

local function take(self, step)
  local seen, verb = {}, verb_of(step, "a step")
  local result, problem = verbs[verb](self, step, step[verb], seen)
  problem = problem or drain(self, seen)
  judge(step, result, problem)
  judge_events(self, step.events or {}, seen, show(step))
  if problem == nil or step.send then
    local sent = self.machine:data_to_send()
    assert(same(octets(step.send or ""), sent), show(step) .. " sends " .. show(sent))
  end
  for name, value in pairs(step.facts or {}) do
    local found = self.machine[name]
    assert(same(value, found == nil and null or found), show(step) .. ": " .. name)
  end
end

local function options_of(case, beginning, which)
  local options = given(beginning[which] or {})
  for name, value in pairs(case[which] or {}) do
    options[name] = given(value)
  end
  return options
end

local function play(case, way)
  local beginning = KNOWN.beginnings[case.from] or { steps = {} }
  local which = (case.client or beginning.client) and "client" or "session"
  local machine <close> = assert(protocol[which](options_of(case, beginning, which)))
  local self = { machine = machine, piecewise = way == "octet by octet", tags = {}, questions = {} }
  for _, steps in ipairs { beginning.steps, case.steps } do
    for _, step in ipairs(steps) do
      take(self, step)
    end
  end
end

describe("cases of", function()
  local played, wanted = 0, 0
  for _, file in ipairs(KNOWN.lists) do
    for _, case in ipairs(cases.decoded(file)) do
      check(case, file .. ": " .. case.name)
      for _, way in ipairs(WAYS) do
        wanted = wanted + 1
        it(file .. ": " .. case.name .. ", " .. way, function()
          played = played + 1
          play(case, way)
        end)
      end
    end
  end

  it("the machines are all played", function()
    assert.are.equal(wanted, played)
    assert.is_true(wanted > 0)
  end)
end)

describe("the cases of the machines", function()
  it("have no keys that are not known", function()
    local good = { name = "x", shows = { "protocol.client" }, from = "a client", steps = { { receive = "" } } }
    check(good, "x")
    for _, change in ipairs {
      { shwos = {} }, { shows = { "no such feature" } }, { from = "nowhere" }, { steps = { {} } },
      { steps = { { receive = "", sends = "" } } }, { steps = { { receive = "", call = { "stat" } } } },
      { steps = { { receive = "", fails = { kid = "auth" } } } },
      { steps = { { receive = "", events = { { type = "reply", error = { kid = "auth" } } } } } },
    } do
      assert.is_false(pcall(check, setmetatable(change, { __index = good }), "x"))
    end
  end)

  it("are not played where what they say is not so", function()
    local greeting = "+OK\r\n"
    for _, case in ipairs {
      { client = { tsl = "never" }, steps = {} },
      { from = "a client", steps = { { call = { "no_such_method" } } } },
      { from = "a client", steps = { { receive = greeting, events = { { type = "greeting", txet = "" } } } } },
      { from = "a client", steps = { { receive = greeting } } },
      { from = "a client", steps = { { receive = "", send = "more" } } },
      { from = "a client", steps = { { receive = "", fails = { kind = "state" } } } },
      { from = "a client", steps = { { receive = "", facts = { phase = "transaction" } } } },
    } do
      assert.is_false(pcall(play, case, "whole"))
    end
  end)
end)
