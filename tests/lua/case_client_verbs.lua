--- The client's verbs of the cases: each is called with the player, the step and what it is given, and answers as
-- poplin's own functions do.

local cases = require "cases"
local kit = require "kit"
local poplin = require "poplin"
local servers = require "case_servers"
local socket = require "socket"
local words = require "case_words"

local null, same, map = cases.null, cases.same, cases.map
local show, filled, named, copied = words.show, words.filled, words.named, words.copied

local PATIENCE = 20

local verbs = {}

local function client_of(self, step)
  return self.clients[step.as or "pop"]
end

-- What a verb is a method of: a client, or (of) a message that was listed; 0: the loop's own.
local function object_of(self, step)
  if not step.of then
    return client_of(self, step)
  end
  return step.of == 0 and self.here or self.listed[step.as or "pop"][step.of]
end

-- What is called for a password or a token; { raises = … } is raised.
local function callback(self, name, answers)
  local turn = 0
  return function(given)
    turn = turn + 1
    table.insert(self.asked, { name, given == nil and null or given })
    if type(answers[turn]) == "table" then
      error(answers[turn].raises)
    end
    return answers[turn]
  end
end

--- The options of connect, as poplin takes them, and `url` where the case gives one.
function verbs.connect_options(self, given)
  local ca_pem = self.server and self.server.ca_pem
  local options = { user = "alice", password = "secret", timeout = PATIENCE, ca_pem = ca_pem }
  for name, value in pairs(given) do
    options[name] = filled(self, value)
  end
  if options.user == null or options.token then
    options.user = options.user ~= null and options.user or nil
    options.password = given.password
  end
  if options.trust == false then
    options.ca_pem = nil
  end
  options.trust = nil
  for _, name in ipairs { "password", "token" } do
    if type(options[name]) == "table" then
      options[name] = callback(self, name, options[name]["function"])
    end
  end
  if options.client_cert then
    local hers = assert(servers.clients:client(options.client_cert))
    options.client_cert, options.client_key = self.folder .. "/cert.pem", self.folder .. "/key.pem"
    kit.write(options.client_cert, hers.cert_pem)
    kit.write(options.client_key, hers.key_pem)
  end
  if options.descriptor then
    local link = assert(socket.connect(self.server.host, self.server.port))
    options.descriptor = link:getfd()
    link:setfd(-1)
  end
  return options
end

function verbs.connect(self, step, given)
  local options = verbs.connect_options(self, given)
  local url = options.url or not options.path and self.server and self.server.url or nil
  options.url = nil
  local client, err = poplin.connect(url, options)
  if not client then
    return nil, err
  end
  self.clients[step.as or "pop"] = client
  return true
end

for _, name in ipairs { "top", "dele", "rset", "noop", "utf8", "stls", "login", "quit", "close" } do
  verbs[name] = function(self, step, arguments)
    local object = object_of(self, step)
    return object[name](object, table.unpack(arguments))
  end
end

function verbs.stat(self, step)
  local count, size = client_of(self, step):stat()
  if not count then
    return nil, size
  end
  return { count, size }
end

function verbs.list(self, step, arguments)
  local listed, err = client_of(self, step):list(arguments[1])
  if type(listed) ~= "table" then
    return listed, err
  end
  return map(listed, function(one) return { one.number, one.octets } end)
end

function verbs.uidl(self, step, arguments)
  local listed, err = client_of(self, step):uidl(arguments[1])
  if not listed then
    return nil, err
  elseif arguments[1] then
    return named(self, listed)
  end
  return map(listed, function(one) return { one.number, named(self, one.uid) } end)
end

function verbs.lang(self, step, arguments)
  local languages, err = client_of(self, step):lang(arguments[1])
  if type(languages) ~= "table" then
    return languages, err
  end
  return map(languages, function(one) return { one.tag, one.description or null } end)
end

function verbs.capa(self, step)
  local capabilities, err = client_of(self, step):capa()
  return capabilities and copied(capabilities), err
end

function verbs.retr(self, step, arguments)
  local object = object_of(self, step)
  local arguments_of = table.pack(table.unpack(arguments))
  if not step.into then
    return object:retr(table.unpack(arguments_of))
  end
  if step.into ~= "file" and step.into ~= "function" and type(step.into) ~= "table" then
    error("unknown: into " .. step.into, 0)
  end
  local pieces, file = {}, step.into == "file" and io.tmpfile()
  table.insert(arguments_of, file or function(piece)
    if type(step.into) == "table" then
      error(step.into.raises)
    end
    table.insert(pieces, piece)
  end)
  local size, err = object:retr(table.unpack(arguments_of))
  if not size then
    return nil, err
  elseif file then
    file:seek("set")
    pieces[1] = file:read("a")
    file:close()
  end
  assert(size == #table.concat(pieces))
  return table.concat(pieces)
end

function verbs.messages(self, step, given)
  local options = {}
  for name, value in pairs(given) do
    options[name] = filled(self, value)
  end
  local messages, err = client_of(self, step):messages(options)
  if not messages then
    return nil, err
  end
  self.listed[step.as or "pop"] = messages
  return map(messages, function(one)
    assert(one.data == nil)
    return { one.number, named(self, one.uid), one.octets }
  end)
end

function verbs.header(self, step, name)
  return object_of(self, step):header(name)
end

function verbs.headers(self, step, name)
  return object_of(self, step):headers(name)
end

-- Takes the steps inside a loop; true: it is to be left.
local function inside(self, step, message)
  for _, inner in ipairs(step.inside or {}) do
    if (inner.at or message.number) == message.number then
      if inner.leave then
        return true
      end
      self.here = message
      self:take(inner)
    end
  end
end

function verbs.retr_all(self, step, numbers)
  local listed = self.listed[step.as or "pop"] or {}
  numbers = numbers ~= null and map(numbers, function(one)
    return type(one) == "table" and listed[one.of] or one
  end) or nil
  local came = {}
  local ok, problem = pcall(function()
    for message in client_of(self, step):retr_all(numbers) do
      table.insert(came, { message.number, named(self, message.uid), message.data })
      if inside(self, step, message) then
        break
      end
    end
  end)
  assert(step.gives == nil or same(step.gives, came), show(step) .. " gave " .. show(came))
  if not ok then
    error(problem, 0)
  end
  return came
end

function verbs.facts(self, step, names)
  local client = client_of(self, step)
  return map(names, function(name)
    local first, second = name:match("^(%w+)%.?([%w_]*)$")
    local value = client[first]
    if value ~= nil and second ~= "" then
      value = value[second]
    end
    return value == nil and null or value
  end)
end

function verbs.capabilities(self, step, names)
  local known = client_of(self, step).capabilities
  return map(names, function(name)
    local value = known[name]
    return value == nil and null or value
  end)
end

return verbs
