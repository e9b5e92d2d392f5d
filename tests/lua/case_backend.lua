--- The backends of the cases: functions that answer as a case says, and note what they were asked.

local cases = require "cases"
local poplin = require "poplin"

local LOGINS = { "password", "scram_keys", "authenticate", "token", "login_failed" }
local REFUSALS = {
  in_use = poplin.IN_USE, temporary = poplin.TEMPORARY, refused = poplin.REFUSED, auth = poplin.AUTH,
}

local Plan = {}
Plan.__index = Plan

local function is_form(answer)
  if type(answer) ~= "table" or answer == cases.null or cases.is_array(answer) then
    return false
  end
  for key in pairs(answer) do
    if cases.known.answers[key] then
      return true
    end
  end
  return false
end

local function value_of(name, answer)
  if answer == cases.null then
    return nil
  elseif name == "retr" then
    return cases.octets(answer)
  elseif name == "list" and cases.is_array(answer) then
    return cases.map(answer, function(entry)
      if type(entry) ~= "table" then
        return entry
      end
      return { entry[1], entry[2] ~= cases.null and entry[2] or nil, utf8 = entry[3] }
    end)
  end
  return answer
end

local maildrop_of

function Plan:_pieces(name, pieces)
  local at = 0
  return function()
    at = at + 1
    local piece = pieces[at]
    if is_form(piece) then
      return self:_answer(name, piece, {})
    end
    return piece and cases.octets(piece)
  end
end

local function file_of(answer)
  local file = io.tmpfile()
  assert(file:write(cases.octets(answer.file)))
  file:seek("set", answer.from or 0)
  return file
end

function Plan:_in_turn(name, answer, arguments)
  self.turns[answer] = (self.turns[answer] or 0) + 1
  return self:_answer(name, answer["in turn"][self.turns[answer]], arguments)
end

function Plan:_by(name, answer, arguments)
  local words = {}
  for i = 1, arguments.n do
    words[i] = arguments[i] == nil and "-" or tostring(arguments[i])
  end
  return self:_answer(name, answer.by[table.concat(words, " ")], {})
end

-- An answer is a form of FORMAT's, or stands for itself.
function Plan:_answer(name, answer, arguments)
  if name == "maildrop" and answer == "here" then
    return maildrop_of(self)
  elseif not is_form(answer) then
    return value_of(name, answer)
  end
  cases.check_keys(answer, cases.known.answers, name)
  if answer.by then
    return self:_by(name, answer, arguments)
  elseif answer["in turn"] then
    return self:_in_turn(name, answer, arguments)
  elseif answer.late then
    for _ = 1, 3 do
      coroutine.yield()
    end
    return self:_answer(name, answer.late, arguments)
  elseif answer.raises then
    error(answer.raises)
  elseif answer.refuses then
    return nil, REFUSALS[answer.refuses], answer.text
  elseif answer.pieces then
    return self:_pieces(name, answer.pieces)
  elseif answer.file then
    return file_of(answer)
  end
  return answer.value
end

--- A function of this name: it answers by the case, else by `default`.
function Plan:method(name, default)
  return function(_, ...)
    local arguments = table.pack(...)
    while arguments.n > 0 and arguments[arguments.n] == nil do -- as if they had not been given
      arguments.n = arguments.n - 1
    end
    local noted = { name }
    for i = 1, arguments.n do
      noted[i + 1] = arguments[i] == nil and cases.null or arguments[i]
    end
    table.insert(self.asked, noted)
    if self.text[name] ~= nil then
      return self:_answer(name, self.text[name], arguments)
    elseif default then
      return default(...)
    end
  end
end

local function dele_of(plan)
  return function(uids)
    for _, uid in ipairs(uids) do
      for at, message in ipairs(plan.mail) do
        if message[1] == uid then
          table.remove(plan.mail, at)
          break
        end
      end
    end
  end
end

local function retr_of(plan)
  return function(uid)
    for _, message in ipairs(plan.mail) do
      if message[1] == uid then
        return message[2]
      end
    end
  end
end

local function is_without(plan, name)
  for _, one in ipairs(plan.text.without or {}) do
    if one == name then
      return true
    end
  end
end

function maildrop_of(plan)
  if plan.text.maildir then
    return poplin.maildir(plan.folder .. "/" .. plan.text.maildir, { expire = plan.text.expire })
  end
  local drop = {
    list = plan:method("list", function()
      return cases.map(plan.mail, function(message) return { message[1] } end)
    end),
    retr = plan:method("retr", retr_of(plan)),
    dele = not is_without(plan, "dele") and plan:method("dele", dele_of(plan)) or nil,
  }
  if not is_without(plan, "close") then
    local closed = plan:method("close")
    drop.close = function(self, outcome, err) return closed(self, outcome, err and err.kind) end
  end
  for name, value in pairs(plan.text.own or {}) do
    drop[name] = value
  end
  return drop
end

--- A backend of this description, added to `options`, and what it notes: asked, an array of name and arguments each,
-- and mail, what is left.
return function(text, folder, options)
  local plan = setmetatable({ text = text, folder = folder, asked = {}, turns = {} }, Plan)
  plan.mail = cases.map(text.mail or {}, function(message) return { message[1], cases.octets(message[2]) } end)
  for _, name in ipairs(LOGINS) do
    if text[name] ~= nil then
      options[name] = plan:method(name)
    end
  end
  if options.login_failed then
    local told = options.login_failed
    options.login_failed = function(self, user) told(self, user) end
  end
  options.maildrop = plan:method("maildrop", function() return maildrop_of(plan) end)
  return plan
end
