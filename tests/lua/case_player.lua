--- Plays a case: by poplin's own client, blocking or in a task, and over plain sockets; the test server on this
-- script's loop or in the background.

local cases = require "cases"
local kit = require "kit"
local Peer = require "case_peer"
local poplin = require "poplin"
local servers = require "case_servers"
local words = require "case_words"

local client_verbs, server_verbs = require "case_client_verbs", require "case_server_verbs"
local fetch_verbs = require "case_fetch_verbs"
local trace = require "case_trace"

local same, map = cases.same, cases.map
local show, contains, filled, named, seen = words.show, words.contains, words.filled, words.named, words.seen

local PATIENCE = 20

local Player = {}
Player.__index = Player

--- Takes a step, and judges what comes of it.
function Player:take(step)
  local verb = cases.verb_of(step, self.case.name)
  local act = client_verbs[verb] or server_verbs[verb] or fetch_verbs[verb] or error("no such verb: " .. verb)
  words.judge(self, step, pcall(act, self, step, step[verb]))
end

local function end_connections(self)
  for _, connections in ipairs { self.clients, self.peers } do
    for _, connection in pairs(connections) do
      connection:close()
    end
  end
end

local function check_sessions(self)
  local expected = self.case.sessions
  if not expected then
    return
  end
  assert(self.server:wait_for(function(server)
    for i = 1, #expected do
      if not server.sessions[i] or server.sessions[i].open then
        return false
      end
    end
    return true
  end, PATIENCE))
  assert(#self.server.sessions == #expected, self.server.transcript)
  for i, wanted in ipairs(expected) do
    local session = self.server.sessions[i]
    for name, value in pairs(wanted) do
      local found = seen(self, session, name)
      local where = string.format("session %d, %s: %s\n%s", i, name, show(found), session.transcript)
      if name == "error" and value ~= cases.null then
        contains(found, value, where)
      else
        assert(same(filled(self, value), cases.is_array(value) and map(found, function(one)
          return filled(self, one)
        end) or found), where)
      end
    end
  end
end

local function uids_left(self, user)
  if self.plan then
    return map(self.plan.mail, function(message) return message[1] end)
  end
  return map(assert(self.server:messages(user)), function(mail) return named(self, mail.uid) end)
end

-- What is left when the server has ended. Functions of a script's own may still be at work.
local function check_books(self)
  local case, asked = self.case, self.plan and self.plan.asked or self.asked
  local errors, wanted = self.server and self.server.errors or {}, case.errors or {}
  Peer.await(self.is_task, function() return #asked >= #(case.asked or {}) and #errors >= #wanted end)
  for user, uids in pairs(case.left or {}) do
    assert(same(uids, uids_left(self, user)), show(uids_left(self, user)))
  end
  assert(not case.asked or same(case.asked, asked), show(asked))
  assert(#errors == #wanted, show(map(errors, tostring)))
  for i, part in ipairs(wanted) do
    contains(errors[i], part, "errors")
  end
end

local function run(self)
  local case = self.case
  self.server = case.server and servers.of_test(self, case.server) or case.serve and servers.of_script(self, case.serve)
  for _, step in ipairs(case.steps) do
    self:take(step)
  end
  end_connections(self)
  if case.server then
    check_sessions(self)
  end
  if self.server then
    self.server:stop()
  end
  check_books(self)
  trace.judge(self)
end

--- Plays it: "blocking", "in a task", or blocking with the test server "in the background".
return function(case, mode)
  local folder, remove = kit.new_folder()
  local self = setmetatable({
    case = case, folder = folder, is_task = mode == "in a task", background = mode == "in the background",
    clients = {}, peers = {}, listed = {}, uids = {}, faults = {}, asked = {},
  }, Player)
  trace.begin(self)
  local ok, problem
  if self.is_task then
    ok, problem = pcall(poplin.run, function() run(self) end)
  else
    ok, problem = pcall(run, self)
  end
  if not ok then
    end_connections(self)
    if self.server then
      pcall(self.server.stop, self.server)
    end
  end
  trace.finish()
  remove()
  if not ok then
    error(problem, 0)
  end
end
