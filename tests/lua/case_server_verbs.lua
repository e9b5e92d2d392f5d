--- The cases' verbs of a test server, of a raw peer, and those without a connection: each is called with the player,
-- the step and what it is given, and answers as poplin's own functions do.

local cases = require "cases"
local kit = require "kit"
local Peer = require "case_peer"
local poplin = require "poplin"
local servers = require "case_servers"
local testing = require "poplin.testing"
local words = require "case_words"

local null, octets, same, map = cases.null, cases.octets, cases.same, cases.map
local show, contains, filled, named = words.show, words.contains, words.filled, words.named

local PATIENCE = 20

local verbs = {}

-- ---- verbs without a connection ----

function verbs.parse_url(_, _, text)
  return poplin.parse_url(text)
end

function verbs.format_url(_, _, parts)
  return poplin.format_url(parts)
end

function verbs.scram_keys(_, _, arguments)
  return poplin.scram_keys(arguments[1], arguments[2])
end

function verbs.discover(_, _, arguments)
  local address, records, options = table.unpack(arguments)
  local found, err = poplin.discover(address, function(name) return records[name] end, options)
  return found and map(found, function(one)
    return { one.url, one.tls, one.verified, one.users or null }
  end), err
end

function verbs.make_server(self, _, given)
  local options = servers.common(self, given)
  options.users = options.users or { alice = "secret" }
  local server, err = testing.Server(options)
  if not server then
    return nil, err
  end
  server:close()
  return true
end

-- ---- verbs of the test server ----

function verbs.deliver(self, _, arguments)
  local uid, err = self.server:deliver(arguments[1], octets(arguments[2]))
  table.insert(self.uids, uid)
  return uid, err
end

function verbs.file(self, _, files)
  for name, content in pairs(files) do
    local path = self.folder .. "/" .. name
    assert(os.execute("mkdir -p '" .. path:match("^(.*)/") .. "'"))
    if name:sub(-1) ~= "/" then
      kit.write(path, octets(content))
    end
  end
  return true
end

-- Whether there is something in this file.
function verbs.exists(self, _, name)
  local file <close> = io.open(self.folder .. "/" .. name)
  return file ~= nil and file:read(0) ~= nil
end

function verbs.load(self, _, arguments)
  local uids, err = self.server:load(arguments[1], self.folder .. "/" .. arguments[2])
  for _, uid in ipairs(uids or {}) do
    table.insert(self.uids, uid)
  end
  return uids and #uids, err
end

function verbs.mail(self, _, user)
  local mail, err = self.server:messages(user)
  return mail and map(mail, function(one) return { named(self, one.uid), one.octets, one.data } end), err
end

for _, name in ipairs { "remove", "clear", "add_user", "remove_user", "set_token", "reset", "url_for" } do
  verbs[name] = function(self, _, arguments)
    local of = map(arguments, function(one) return filled(self, one) end)
    if of[#of] == null then
      of[#of] = nil
    end
    return self.server[name](self.server, table.unpack(of))
  end
end

function verbs.fault(self, _, given)
  local command, settings = given, nil
  if type(given) == "table" then
    command, settings = given[1] ~= null and given[1] or nil, {}
    for name, value in pairs(given[2]) do
      settings[name] = type(value) == "table" and octets(value) or filled(self, value)
    end
  end
  table.insert(self.faults, self.server:fault(filled(self, command), settings))
end

function verbs.quirk(self, _, name)
  table.insert(self.faults, self.server:quirk(name))
end

function verbs.attack(self, _, name)
  table.insert(self.faults, self.server:attack(name))
end

function verbs.fired(self, _, number)
  return self.faults[number]:fired()
end

function verbs.remove_fault(self, _, number)
  self.faults[number]:remove()
end

function verbs.advance(self, _, seconds)
  self.server.clock:advance(seconds)
end

function verbs.wait(self, step, expected)
  local fired = expected.fired
  return self.server:wait_for(function(server)
    if fired then
      return self.faults[fired]:fired() > 0
    end
    local session = server.sessions[step.session or 1]
    for name, value in pairs(expected) do
      if not session or not same(value, words.seen(self, session, name)) then
        return false
      end
    end
    return true
  end, PATIENCE)
end

verbs["assert"] = function(self, step, assertions)
  local session = self.server.sessions[step.session or 1]
  for name, arguments in pairs(assertions) do
    local of = map(arguments, function(one) return filled(self, one) end)
    local ok, problem = pcall(session["assert_" .. name], session, table.unpack(of))
    if ok then
      assert(problem == session and not step.complains, show(step))
    elseif not step.complains then
      error(problem, 0)
    end
    for _, word in ipairs(step.complains or {}) do
      contains(problem.message, filled(self, word), show(step))
    end
  end
end

function verbs.closed(self, _, count)
  local function is_there()
    local closed = 0
    for _, asked in ipairs(self.plan.asked) do
      closed = closed + (asked[1] == "close" and 1 or 0)
    end
    return closed >= count
  end
  while not is_there() do
    poplin.sleep(0)
  end
end

function verbs.open_sessions(self)
  return self.server:open_sessions()
end

function verbs.stop(self)
  self.server:stop()
end

-- ---- verbs of the raw peer ----

function verbs.talk(self, step, talk)
  local name = step.as or "peer"
  self.peers[name] = self.peers[name] or Peer.new(self.server, self.is_task)
  for _, exchange in ipairs(talk) do
    local said = exchange[1]
    if said ~= null then
      self.peers[name]:say(type(said) == "table" and octets(filled(self, said)) or filled(self, said) .. "\r\n")
    end
    for at = 2, #exchange do
      words.judge_line(self, exchange[at], self.peers[name]:line(), said)
    end
  end
end

function verbs.hang_up(self, step)
  self.peers[step.as or "peer"]:close()
  self.peers[step.as or "peer"] = nil
end

return verbs
