--- The annotations in lua/meta, held against the running modules: what is annotated is there, and what is there is
-- annotated. Without "support", which wraps some functions in others.

local annotations = require "annotations"
local core = require "poplin.core"
local known = require "poplin.options"
local poplin = require "poplin"
local testing = require "poplin.testing"
require "hosts" -- finds copas for poplin.copas

local read = annotations.read "lua/meta"

-- What poplin's own modules use in each other, and a script sees too.
local INTERNAL = {
  ["poplin.Client"] = { connect = true },
  ["poplin.Server"] = { answer = true, check_backend = true, open = true, serve = true },
  ["poplin.Task"] = {
    awaited = true, coroutine = true, counted = true, deadline = true, following = true, joiners = true,
    problem = true, queued = true, results = true, settle = true, wakes = true,
  },
  ["poplin.protocol.Client"] = { new = true },
  ["poplin.protocol.Session"] = { new = true },
  ["poplin.testing.Server"] = { new = true },
  ["poplin.testing.Session"] = { all = true },
  ["poplin.testing.Fault"] = { new = true, of_profile = true },
}

local OPTIONS = {
  ["poplin.ConnectOptions"] = known.CONNECT,
  ["poplin.ConnectLimits"] = known.CONNECT_LIMITS,
  ["poplin.DiscoverOptions"] = known.DISCOVER,
  ["poplin.MessagesOptions"] = known.MESSAGES,
  ["poplin.FetchOptions"] = known.FETCH,
  ["poplin.Url"] = known.URL,
  ["poplin.ServeOptions"] = known.SERVE,
  ["poplin.ServeLimits"] = known.SERVE_LIMITS,
  ["poplin.Backend"] = known.BACKEND,
  ["poplin.ScramKeysOptions"] = known.SCRAM_KEYS,
  ["poplin.testing.Options"] = known.TESTING,
  ["poplin.testing.CertificateOptions"] = known.CERTIFICATE,
}
if read.modules["poplin.protocol"] then
  OPTIONS["poplin.protocol.ClientOptions"] = known.PROTOCOL_CLIENT
  OPTIONS["poplin.protocol.ClientFacts"] = known.PROTOCOL_CLIENT_FACTS
  OPTIONS["poplin.protocol.CommandOptions"] = known.PROTOCOL_COMMAND
  OPTIONS["poplin.protocol.SessionOptions"] = known.PROTOCOL_SESSION
  OPTIONS["poplin.protocol.SessionFacts"] = known.PROTOCOL_SESSION_FACTS
  OPTIONS["poplin.protocol.Terms"] = known.PROTOCOL_TERMS
end

local function contents(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function keys_of(set)
  local keys = {}
  for key in pairs(set) do
    table.insert(keys, key)
  end
  table.sort(keys)
  return keys
end

-- Whether a value fits a declared type, as far as Lua's own types tell.
local function fits(value, declared)
  local bases = annotations.bases(read, declared)
  return bases.any or bases[type(value)] or false
end

-- The functions that are called as object:name(...).
local function methods_of(name, object)
  local found = {}
  local function add(from)
    for key, value in pairs(from) do
      if type(value) == "function" and key:sub(1, 1) ~= "_" and not (INTERNAL[name] or {})[key] then
        found[key] = found[key] or value
      end
    end
  end
  local seen = {}
  local from = object
  while from and not seen[from] do
    seen[from] = true
    if type(from) == "table" then
      add(from)
    end
    local metatable = debug.getmetatable(from)
    if metatable and not seen[metatable] then
      add(metatable)
      from = type(metatable.__index) == "table" and metatable.__index or nil
    else
      from = nil
    end
  end
  return found
end

-- Lua's own functions tell what their parameters are called; the object of a method is not among them here.
local function check_parameters(declared, f)
  local info = debug.getinfo(f, "Su")
  if info.what == "C" then
    return
  end
  local first = declared.is_method and 2 or 1
  local names = table.move(declared.parameters, 1, #declared.parameters, 1, {})
  if names[#names] == "..." then
    table.remove(names)
    assert(info.isvararg, declared.place)
  end
  local real = {}
  for i = first, info.nparams do
    table.insert(real, (debug.getlocal(f, i)))
  end
  assert.are.same(real, names, declared.place)
end

local function check_functions(of, declared, real)
  assert.are.same(keys_of(real), keys_of(declared), "the functions of " .. of)
  for name, one in pairs(declared) do
    check_parameters(one, real[name])
  end
end

-- What has to be there is there, and what is there fits.
local function check_fields(class, object)
  for name, field in pairs(annotations.members(read, class, "fields")) do
    local value = object[name]
    assert(value ~= nil or field.optional, class .. "." .. name .. " is not there, and has no ?: " .. field.place)
    assert(value == nil or fits(value, field.type), class .. "." .. name .. " is of another type: " .. field.place)
  end
end

-- A key that is no name is a list's.
local function check_keys(class, object)
  local fields = annotations.members(read, class, "fields")
  local functions = annotations.members(read, class, "functions")
  local own = INTERNAL[class] or {}
  for key in next, type(object) == "table" and object or {} do
    assert(type(key) ~= "string" or key:find("^_%l") or key:find("^%u") or own[key] or fields[key] or functions[key],
      class .. "." .. tostring(key) .. " is not annotated")
  end
end

describe("the annotations of", function()
  it("modules are those of the public ones", function()
    local public = { poplin = true }
    for name in contents("docs/lua.md"):gmatch('require "(poplin[%w_.]*)"') do
      public[name] = true
    end
    assert.are.same(keys_of(public), keys_of(read.modules))
  end)

  for name, class in pairs(read.modules) do
    it(name .. " are what it has", function()
      local module = require(name)
      local functions, constants = {}, {}
      for key, value in pairs(module) do
        (type(value) == "function" and functions or constants)[key] = value
      end
      check_functions(name, read.classes[class].functions, functions)
      check_fields(class, module)
      for key in pairs(constants) do
        assert(read.classes[class].fields[key], name .. "." .. key .. " is not annotated")
      end
    end)
  end

  it("what a function takes and a field means are written", function()
    for class_name, class in pairs(read.classes) do
      for name, one in pairs(class.functions) do
        assert(one.doc, one.place .. ": what does it do?")
        assert.are.same(one.parameters, one.params, one.place .. ": @param for each, in their order")
        assert(name ~= "", class_name)
      end
      for name, field in pairs(class.fields) do
        assert(field.text ~= "", field.place .. ": what is " .. name .. "?")
      end
    end
  end)

  it("types name what is declared", function()
    for _, one in ipairs(read.types) do
      for name in one.type:gsub('%b""', ""):gmatch("poplin[%w_.]*") do
        assert(read.classes[name] or read.aliases[name], one.place .. ": there is no " .. name)
      end
    end
  end)
end)

describe("the annotations of options", function()
  for class, names in pairs(OPTIONS) do
    it(class .. " are what is accepted, of the types that are", function()
      local fields = annotations.members(read, class, "fields")
      assert.are.same(keys_of(names), keys_of(fields))
      for name, types in pairs(names) do
        local accepted = {}
        for one in types:gmatch("%a+") do
          accepted[one] = true
        end
        assert.are.same(accepted, annotations.bases(read, fields[name].type), fields[name].place)
      end
    end)
  end

  it("are of all that are known", function()
    local annotated = { [known.SERVE_TIMES] = true, [known.TESTING_PASSED_ON] = true }
    for _, names in pairs(OPTIONS) do
      annotated[names] = true
    end
    for name, names in pairs(known) do
      assert(type(names) == "function" or annotated[names] or not read.modules["poplin.protocol"], name)
    end
  end)

  -- The names in a union of literals.
  local function literals(alias)
    local names = {}
    for _, one in ipairs(read.aliases[alias]) do
      names[assert(one:match('^"(.*)"$'), one)] = true
    end
    return keys_of(names)
  end

  it("faults are those that there are", function()
    assert.are.same(keys_of(testing.FAULT_SETTINGS), keys_of(read.classes["poplin.testing.FaultSettings"].fields))
    assert.are.same(keys_of(testing.QUIRKS), literals "poplin.testing.Quirk")
    assert.are.same(keys_of(testing.ATTACKS), literals "poplin.testing.Attack")
    assert.are.same(keys_of(testing.BLEMISHES), literals "poplin.testing.Blemish")
    local outcomes = core.outcomes()
    table.sort(outcomes)
    assert.are.same(outcomes, literals "poplin.testing.Outcome")
  end)

  it("kinds of errors are those of the reference", function()
    local listed = contents("docs/lua.md"):match("`err.kind` is one of `(.-)`")
    local kinds = {}
    for kind in listed:gmatch("[%l_]+") do
      kinds[kind] = true
    end
    assert.are.same(keys_of(kinds), literals "poplin.ErrorKind")
    for kind in pairs(kinds) do
      assert.are.equal(kind, core.error(kind, "").kind)
    end
  end)
end)

describe("the annotations of objects", function()
  local objects = {} -- by class: one that has as many fields as there can be

  local function make_clients(server)
    local pop = assert(poplin.connect(server.url, {
      user = "alice", password = "secret", tls = "stls", ca_pem = server.ca_pem,
    }))
    objects["poplin.Client"], objects["poplin.TlsInfo"] = pop, assert(pop.tls)
    objects["poplin.Capabilities"] = pop.capabilities
    objects["poplin.Message"] = assert(pop:messages())[1]
    objects["poplin.Size"], objects["poplin.UniqueId"] = assert(pop:list())[1], assert(pop:uidl())[1]
    objects["poplin.Language"] = assert(pop:lang())[1]
    objects["poplin.Headers"] = assert(objects["poplin.Message"]:headers())
    objects["poplin.HeaderField"] = objects["poplin.Headers"][1]
    objects["poplin.FetchedMessage"] = pop:retr_all()()
    objects["poplin.Error"] = select(2, pop:retr(99))
  end

  local function make_fetch(server)
    local path = os.tmpname()
    objects["poplin.Report"] = assert(poplin.fetch(server:url_for "alice", {
      password = "secret", ca_pem = server.ca_pem, seen = path,
      progress = function(progress) objects["poplin.Progress"] = progress end,
      into = function(message)
        objects["poplin.Incoming"] = message
        return nil, "no"
      end,
    }))
    objects["poplin.Outcome"] = objects["poplin.Report"].messages[1]
    assert(os.remove(path))
  end

  local function make_testing()
    local server = assert(testing.Server {
      users = { alice = "secret" }, tls = "stls", languages = { { tag = "de", description = "Deutsch" } },
    })
    objects["poplin.testing.Server"], objects["poplin.testing.Clock"] = server, server.clock
    objects["poplin.testing.Certificate"] = server.certificate
    objects["poplin.testing.Fault"] = server:quirk("long-unique-ids")
    assert(server:deliver("alice", "Subject: hi\r\n\r\nhello\r\n"))
    objects["poplin.testing.Message"] = assert(server:messages("alice"))[1]
    make_fetch(server)
    make_clients(server)
    objects["poplin.testing.Sessions"] = server.sessions
    objects["poplin.testing.Session"] = server.sessions[1]
    objects["poplin.testing.Exchange"] = server.sessions[1].exchanges[1]
    local ca = assert(testing.ca())
    objects["poplin.testing.CA"], objects["poplin.testing.ClientCertificate"] = ca, assert(ca:client("alice"))
  end

  -- Its authenticate fails.
  local function make_server()
    local server = assert(poplin.serve { authenticate = function() error("no") end, maildrop = function() end })
    poplin.trace = function(_, fields) objects["poplin.TraceFields"] = fields end
    assert.is_nil((poplin.connect(server.url, { user = "alice", password = "secret" })))
    poplin.trace = nil
    objects["poplin.Server"], objects["poplin.Problem"] = server, server.errors[1]
  end

  local function make_rest(folder)
    assert(os.execute("rm " .. folder .. " && mkdir " .. folder .. " && cd " .. folder .. " && mkdir new cur tmp"))
    objects["poplin.Maildir"] = assert(poplin.maildir(folder, { expire = 30 }))
    local seen = assert(poplin.seen(folder .. "/seen.db"))
    assert(seen:record("alice", { { uid = "a", step = "taken", octets = 1, first_seen = 1, changed = 1, gone = 1 } }))
    objects["poplin.Seen"], objects["poplin.SeenRecord"] = seen, seen:messages("alice")[1]
    objects["poplin.Claim"] = assert(seen:claim "alice")
    objects["poplin.Task"] = poplin.spawn(function() end)
    objects["poplin.Url"] = assert(poplin.parse_url("alice@localhost"))
    objects["poplin.Candidate"] = assert(poplin.discover("alice@example.org", function()
      return { { priority = 0, weight = 0, port = 995, target = "mail.example.org" } }
    end))[1]
  end

  local function make_machines()
    local protocol = require "poplin.protocol"
    objects["poplin.protocol.Client"] = assert(protocol.client { tls = "never", protected = true })
    objects["poplin.protocol.Session"] = assert(protocol.session { protected = true })
  end

  local folder

  setup(function()
    folder = os.tmpname()
    make_testing()
    make_server()
    make_rest(folder)
    if read.modules["poplin.protocol"] then
      make_machines()
    end
  end)

  teardown(function()
    for _, class in ipairs {
      "poplin.Client", "poplin.testing.Server", "poplin.Server", "poplin.Maildir", "poplin.Claim",
      "poplin.Seen",
    } do
      local _ <close> = objects[class]
    end
    objects["poplin.Task"]:join()
    assert(os.execute("rm -r " .. folder))
  end)

  it("have an object of each class with methods", function()
    local modules = {}
    for _, class in pairs(read.modules) do
      modules[class] = true
    end
    for name, class in pairs(read.classes) do
      assert(objects[name] or modules[name] or next(class.functions) == nil, name)
    end
  end)

  it("are what they have", function()
    for class, object in pairs(objects) do
      local declared = annotations.members(read, class, "functions")
      if next(declared) then
        check_functions(class, declared, methods_of(class, object))
      end
      check_fields(class, object)
      check_keys(class, object)
    end
  end)
end)
