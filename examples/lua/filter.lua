-- Deletes mail by its header, as rules say. Only shows what it would delete, unless --delete is given.
--
--     POPLIN_PASSWORD=… lua5.4 filter.lua [--delete] pop3s://alice@mail.example.org [RULES_FILE [CA_FILE]]
--
-- The rules are those below, or what a file returns: a Lua file, so mind who may write to it. Bodies are not fetched.
-- A message whose header cannot be had stays, and is told of. All that is to be deleted is deleted at the end, at once.
--
-- Ends with 0: all is well; 1: it failed; 2: called the wrong way; 75: it failed, and a later run may do better (no
-- connection, the mailbox is in use, …); 130: interrupted.

local poplin = require "poplin"

-- A rule: what it is called, and Lua patterns for fields of the header, which are compared in lower case; all of them
-- must be found, each in any field of its name. `match`, where it is there, is a function that must agree.
local RULES = {
  { name = "builds that went well", from = "builds@ci%.example%.org", subject = "^succeeded" },
  { name = "news", ["list-id"] = "<news%.example%.org>" },
  { name = "large and spam", ["x-spam-flag"] = "yes", match = function(message) return message.octets > 1000000 end },
}

local PASSING = { closed = true, timeout = true, io = true, temporary = true, in_use = true }
local ONLY_THIS_MESSAGE = { refused = true, limit = true } -- after which the session goes on

-- ---- the rules ----

local function any_found(values, pattern)
  for _, value in ipairs(values) do
    if value:lower():find(pattern) then
      return true
    end
  end
  return false
end

local function fits(rule, message)
  for field, pattern in pairs(rule) do
    if field ~= "name" and field ~= "match" and not any_found(assert(message:headers(field)), pattern) then
      return false
    end
  end
  return not rule.match or rule.match(message)
end

-- The rule that a message fits, or nil. Raises poplin's error where its header cannot be had.
local function first_that_fits(rules, message)
  for _, rule in ipairs(rules) do
    if fits(rule, message) then
      return rule
    end
  end
end

-- A rule without patterns would take everything.
local function check(rules)
  for i, rule in ipairs(rules) do
    local patterns = 0
    for field, pattern in pairs(rule) do
      if field ~= "match" then
        patterns = patterns + (field ~= "name" and 1 or 0)
        assert(type(pattern) == "string" and pcall(string.find, "", pattern), "bad pattern for " .. field)
      end
    end
    assert(rule.name and (rule.match or patterns > 0), "rule " .. i .. " needs a name, and a pattern or match")
  end
  return rules
end

-- ---- the session ----

-- Fit for a terminal: the sender wrote it.
local function printable(text)
  return ((text or ""):gsub("\xc2[\x80-\x9f]", "?"):gsub("%c", "?"))
end

-- How many were deleted, and how many could not be looked at.
local function filter(url, rules, ca_file, deleting)
  local pop <close> = assert(poplin.connect(url, { password = os.getenv("POPLIN_PASSWORD"), ca_file = ca_file }))
  local found, unread = 0, 0
  for _, message in ipairs(assert(pop:messages())) do
    local ok, rule = pcall(first_that_fits, rules, message)
    if ok and rule then
      print(rule.name, printable(message:header("from")), printable(message:header("subject")))
      if deleting then
        assert(message:dele()) -- marks it
      end
      found = found + 1
    elseif not ok and ONLY_THIS_MESSAGE[type(rule) == "table" and rule.kind] then
      io.stderr:write("filter.lua: message ", message.number, " stays: ", tostring(rule), "\n")
      unread = unread + 1
    elseif not ok then
      error(rule, 0)
    end
  end
  assert(pop:quit()) -- only this deletes
  return found, unread
end

-- ---- the program ----

local deleting = arg[1] == "--delete"
local url, rules_file, ca_file = table.unpack(arg, deleting and 2 or 1)
if not url or not os.getenv("POPLIN_PASSWORD") then
  io.stderr:write("usage: filter.lua [--delete] URL [RULES_FILE [CA_FILE]], the password in POPLIN_PASSWORD\n")
  os.exit(2, true)
end

local ok, found, unread = pcall(function()
  local rules = check(rules_file and assert(loadfile(rules_file))() or RULES)
  return filter(url, rules, ca_file, deleting)
end)
if ok then
  print(found .. (deleting and " deleted" or " would be deleted"))
  os.exit(unread == 0 and 0 or 1, true)
end
io.stderr:write("filter.lua: ", tostring(found), "\n")
if type(found) == "table" and PASSING[found.kind] then
  os.exit(75, true)
end
os.exit(type(found) == "string" and found:find("interrupted!$") and 130 or 1, true)
