--- Options: a name that is none is told, with the one that was meant; what a script keeps for itself is its own.

local known = require "poplin.options"
local poplin = require "poplin"
local support = require "support"
local testing = require "poplin.testing"

local function raises(text, f, ...)
  local ok, problem = pcall(f, ...)
  assert.is_false(ok, text)
  assert.is_truthy(tostring(problem):find(text, 1, true), tostring(problem))
  return tostring(problem)
end

-- What a server of alice's needs, with more.
local function service(more)
  local of = {
    password = function(_, user) return user == "alice" and "secret" or nil end,
    maildrop = function() return support.maildrop {} end,
  }
  for name, value in pairs(more) do
    of[name] = value
  end
  return of
end

-- Whether alice can log in.
local function lets_in(server)
  local pop <close>, err = support.connect(server)
  return pop and true, err
end

describe("an unknown option", function()
  it("is told, and which one was meant", function()
    local server = "localhost"
    raises("poplin.connect: unknown option: pasword; did you mean password?", poplin.connect, server, { pasword = "" })
    raises("unknown option: time_out; did you mean timeout?", poplin.connect, server, { time_out = 1 })
    raises("unknown option: max_lien; did you mean max_line?", poplin.connect, server, { limits = { max_lien = 1 } })
    raises("unknown option: hsah; did you mean hash?", poplin.scram_keys, "x", { hsah = "SHA-1" })
    raises("unknown option: clear_text; did you mean cleartext?", poplin.discover, "a@b.example", print,
      { clear_text = true })
    raises("unknown field: prot; did you mean port?", poplin.format_url, { host = "a", prot = 1 })
    raises("unknown option: user; did you mean users?", testing.Server, { user = {} })
    raises("unknown option of a certificate: blemishes; did you mean blemish?", testing.certificate, { blemishes = "" })
    raises("unknown limit: stal; did you mean stall?", poplin.serve, service { limits = { stal = 1 } })
  end)

  it("is told alone where none is near", function()
    for _, name in ipairs { "colour", 1, "", "x", ("a"):rep(1000), false } do
      local problem = raises("unknown option: " .. tostring(name), poplin.connect, "localhost", { [name] = 1 })
      assert.is_nil(problem:find("did you mean", 1, true), problem)
    end
  end)

  it("may be no table", function()
    raises("the options must be a table, not a string", poplin.connect, "localhost", "user")
    raises("limits must be a table, not a number", poplin.connect, "localhost", { limits = 1 })
    raises("a table is needed", poplin.serve, "user")
  end)
end)

describe("a switch", function()
  it("is true or false", function()
    for _, name in ipairs { "initial_response", "resumption", "verify", "pipelining" } do
      raises(name .. " must be true or false, not a string", poplin.connect, "localhost", { [name] = "no" })
    end
    raises("exclusive must be true or false, not a number", poplin.serve, service { exclusive = 0 })
    raises("background must be true or false, not a string", testing.Server, { background = "yes" })
  end)
end)

describe("serve", function()
  it("takes fields of the script's own, beside functions and settings", function()
    local of = service {
      seen = {}, passwords = { alice = "secret" }, users = 5, root = "/var/mail", names = {}, ports = { 110 },
      lookup = function(self, user) return self.passwords[user] end, [1] = "x", failed_login_delay = 0,
      clock = os.time, _timeout = 5,
    }
    function of:password(user)
      return self:lookup(user)
    end
    local server <close> = assert(poplin.serve(of))
    assert.is_true(lets_in(server))
  end)

  it("tells a field that looks like a misspelt one", function()
    local where = "tests/lua/options_spec.lua:"
    for text, more in pairs {
      ["poplin.serve: unknown function: login_faild; did you mean login_failed?"] = { login_faild = print },
      ["unknown function: scram_key; did you mean scram_keys?"] = { scram_key = print },
      ["unknown function: authentcate; did you mean authenticate?"] = { authentcate = print },
      ["unknown setting: prot; did you mean port?"] = { prot = 1100 },
      ["unknown setting: loginDelay; did you mean login_delay?"] = { loginDelay = 5 },
      ["unknown setting: limit; did you mean limits?"] = { limit = {} },
      ["unknown setting: max_session; did you mean max_sessions?"] = { max_session = 5 },
    } do
      assert.are.equal(1, (raises(text, function() return (poplin.serve(service(more))) end):find(where, 1, true)))
    end
  end)

  it("takes settings alone, with the table of functions among them", function()
    local own = service { port = "the script's own", pasword = true, expire = print }
    local server <close> = assert(poplin.serve { backend = own, failed_login_delay = 0, greeting = "at your service" })
    assert.is_true(lets_in(server))
    local pop <close> = assert(support.connect(server))
    assert.are.equal("at your service", pop.greeting:match("^%C- *(at your service)"))
    raises("unknown setting: colour", poplin.serve, { backend = own, colour = "red" })
    raises("unknown setting: password", poplin.serve, { backend = own, password = print })
    raises("a table is needed", poplin.serve, { backend = {} })
    raises("a table is needed", poplin.serve, { backend = print })
    raises("did you mean maildrop?", poplin.serve, { backend = { mail_drop = print, password = print } })
  end)

  it("leaves a backend of that name alone where the functions are beside it", function()
    local server <close> = assert(poplin.serve(service { backend = { url = "elsewhere" } }))
    assert.is_true(lets_in(server))
  end)

  it("takes functions and settings that are inherited", function()
    local Backend = service { greeting = "inherited" }
    Backend.__index = Backend
    local server <close> = assert(poplin.serve(setmetatable({ root = "/var/mail" }, Backend)))
    local pop <close> = assert(support.connect(server))
    assert.is_truthy(pop.greeting:find("inherited", 1, true))
  end)
end)

describe("each known option", function()
  local nonsense = coroutine.create(print)

  it("of connect is one that is looked at", function()
    for name in pairs(known.CONNECT) do
      assert.is_false(pcall(poplin.connect, "localhost", { user = "a", password = "b", [name] = nonsense }), name)
    end
    for name in pairs(known.CONNECT_LIMITS) do
      assert.is_false(pcall(poplin.connect, "localhost", { limits = { [name] = nonsense } }), name)
    end
    local _, raised = pcall(poplin.connect, nil, { descriptor = -1, user = "a", password = "b" })
    assert.is_truthy(raised:find("poplin.connect: descriptor must be", 1, true), raised)
  end)

  it("of serve is one that is looked at", function()
    for name in pairs(known.SERVE) do
      local more = { [name] = nonsense, lock = name ~= "lock" and "exclusive" or nonsense }
      assert.is_false(pcall(poplin.serve, name == "backend" and { backend = nonsense } or service(more)), name)
    end
    for name in pairs(known.SERVE_LIMITS) do
      assert.is_false(pcall(poplin.serve, service { limits = { [name] = nonsense } }), name)
    end
  end)

  it("of a test server is one that is looked at", function()
    for name in pairs(known.TESTING) do
      assert.is_false(pcall(testing.Server, { users = { alice = "x" }, [name] = nonsense }), name)
    end
  end)
end)
