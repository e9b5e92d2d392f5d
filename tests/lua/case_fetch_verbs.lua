--- The cases' verbs of fetching: fetch, the Maildirs that it fills, and the seen store; see tests/cases/README.md. Each
-- is called with the player, the step and what it is given, and answers as poplin's own functions do.

local cases = require "cases"
local client_verbs = require "case_client_verbs"
local lfs = require "lfs"
local poplin = require "poplin"
local words = require "case_words"

local null, same, map = cases.null, cases.same, cases.map
local show, filled, named = words.show, words.filled, words.named

local DAY = 86400
local PROGRESS = {
  "messages_done", "messages_to_do", "octets_done", "octets_to_do", "listed", "known", "deleted",
}

local verbs = {}

-- A Maildir by its name, or a function that fails where the message's subject is given.
local function destination(self, given)
  if type(given) == "string" then
    return self.folder .. "/" .. given
  end
  cases.check_keys(given, { ["function"] = true }, "into")
  return function(message)
    table.insert(self.asked,
      { "into", named(self, message.uid), message.data, message.headers_only, message.resumed })
    local problem = given["function"][message:header "subject"]
    return problem == nil or nil, problem
  end
end

-- Answers by the message's subject; "take" where it is not given.
local function filter(self, answers)
  return function(message)
    local answer = answers[message:header "subject"]
    if type(answer) ~= "table" then
      return answer == nil and "take" or answer
    end
    cases.check_keys(answer, { into = true, raises = true }, "filter")
    if answer.raises then
      error(answer.raises)
    end
    return destination(self, answer.into)
  end
end

local function judge_reasons(expected, messages, where)
  assert(#expected == #messages, where)
  for i, part in ipairs(expected) do
    if part == null then
      assert(messages[i].reason == nil, where)
    else
      words.contains(messages[i].reason, part, where)
    end
  end
end

local function judge_report(self, step, report, told)
  local expected, where = step.report or {}, show(step) .. " reported " .. tostring(report)
  for name, value in pairs(expected) do
    if name == "progress" then
      assert(told, where .. ", and no progress")
      local found = map(PROGRESS, function(count) return told[count] end)
      assert(same(value, found), where .. ", and progress " .. show(found))
    elseif name == "messages" then
      local found = map(report.messages, function(one)
        return { one.number, named(self, one.uid), one.result, one.deleted }
      end)
      assert(same(value, found), where .. show(found))
    elseif name == "reasons" then
      judge_reasons(value, report.messages, where .. show(report.messages))
    else
      assert(same(value, report[name]), where .. ": " .. name)
    end
  end
end

function verbs.fetch(self, step, given)
  local options = client_verbs.connect_options(self, given)
  local told
  options.account = options.account or "alice"
  options.seen = self.folder .. "/" .. (options.seen or "seen.db")
  options.into = options.into or "Maildir"
  options.into = cases.is_array(options.into) and map(options.into, function(one) return destination(self, one) end)
    or destination(self, options.into)
  options.filter = options.filter and filter(self, options.filter)
  options.progress = function(progress) told = progress end
  local report, err = poplin.fetch(self.server.url, options)
  judge_report(self, step, report or err.report, told)
  return report and tostring(report), err
end

-- What stands in a Maildir, sorted.
function verbs.maildir(self, _, name)
  local found = {}
  for _, part in ipairs { "tmp", "new", "cur" } do
    local folder = self.folder .. "/" .. name .. "/" .. part
    for entry in lfs.dir(folder) do
      if not entry:find "^%." then
        assert(part ~= "tmp", entry)
        local file <close> = assert(io.open(folder .. "/" .. entry, "rb"))
        table.insert(found, file:read "a")
      end
    end
  end
  table.sort(found)
  return found
end

-- All of an account was first seen so many days earlier.
local function age(store, account, days)
  local records = assert(store:recall(account))
  for _, record in ipairs(records) do
    record.first_seen = record.first_seen - days * DAY
  end
  return store:record(account, records)
end

function verbs.seen(self, _, given)
  local verb, first, second, third = table.unpack(filled(self, given))
  local store <close> = assert(poplin.seen(self.folder .. "/seen.db"))
  if verb == "age" then
    return age(store, first, second)
  elseif verb == "claim" then -- until it is released; at the end of the case it is closed as a client is
    local claim, err = store:claim(first)
    self.clients["claim " .. first] = claim or self.clients["claim " .. first]
    return claim and true, err
  elseif verb == "release" then
    return self.clients["claim " .. first]:close()
  end
  local value, err = store[verb](store, first, second, third)
  if value == nil or verb ~= "messages" then
    return value, err
  end
  local found = map(value, function(one)
    return { named(self, one.uid), one.copy, one.step, one.octets == nil and null or one.octets, one.gone ~= nil }
  end)
  table.sort(found, function(one, other) return one[1] < other[1] end)
  return found
end

return verbs
