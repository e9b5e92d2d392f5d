--- docs/lua.md: its examples run as they stand, against a test server in the place of mail.example.org, and its
-- contents lead to what is there. Those of hosts are in hosts_spec.lua, that of the protocol in protocol_spec.lua.

local poplin = require "poplin"
local testing = require "poplin.testing"
local kit = require "kit"

local file <close> = assert(io.open("docs/lua.md"))
local text = file:read("a")

-- What an author leaves out.
local function filled(code)
  return (code:gsub("= …", "= nil"):gsub("{ … }", "{}"))
end

-- The example in which these words stand.
local function example(words)
  for code in text:gmatch("```lua\n(.-)```") do
    if code:find(words, 1, true) then
      return filled(code)
    end
  end
  error("no example has " .. words)
end

-- Runs the example with these names beside what is there anyway; poplin's functions of `own` take the place of others.
-- Returns the lines that it printed.
local function run(words, names, own)
  local said = {}
  local environment = {
    poplin = setmetatable(own or {}, { __index = poplin }),
    print = function(...)
      local values = table.pack(...)
      for i = 1, values.n do
        values[i] = tostring(values[i])
      end
      table.insert(said, table.concat(values, "   "))
    end,
  }
  for name, value in pairs(names or {}) do
    environment[name] = value
  end
  assert(load(example(words), "=example", "t", setmetatable(environment, { __index = _G })))()
  return said
end

describe("docs/lua.md", function()
  local server, folder, remove

  before_each(function()
    folder, remove = kit.new_folder()
    server = assert(testing.Server { users = { ["alice@example.org"] = "…" } })
    for _, subject in ipairs { "one", "done" } do
      assert(server:deliver("alice@example.org", "Subject: " .. subject .. "\n\n"))
    end
  end)

  after_each(function()
    server:close()
    remove()
  end)

  local function connect(url, options)
    assert.are.equal("pop3s://mail.example.org", url)
    return poplin.connect(server.url, options)
  end

  local function left()
    return #server:messages("alice@example.org")
  end

  it("has nothing but Lua in its examples", function()
    local count = 0
    for code in text:gmatch("```lua\n(.-)```") do
      assert(load(filled(code)))
      count = count + 1
    end
    assert.is_true(count > 15)
  end)

  it("has contents that lead to all sections", function()
    local anchors, linked = {}, {}
    for heading in text:gmatch("\n###? ([^\n]*)") do
      anchors[heading:lower():gsub("[^%w_%- ]", ""):gsub(" ", "-")] = true
    end
    for anchor in text:gmatch("%]%(#([^)]*)%)") do
      linked[anchor] = true
    end
    assert.are.same(anchors, linked)
  end)

  it("has a client that deletes", function()
    run("-- only this commits", nil, { connect = connect })
    assert.are.equal(1, left())
  end)

  it("has a loop over headers", function()
    local pop <close> = assert(poplin.connect(server.url, { user = "alice@example.org", password = "…" }))
    run('message:header("subject")', { pop = pop })
    assert(pop:quit())
    assert.are.equal(1, left())
  end)

  it("has a fetch, and a look at what it remembers", function()
    local path = folder .. "/seen.db"
    local said = run("print(report)", { os = { getenv = function() return folder end } }, {
      fetch = function(_, options)
        options.seen, options.account = path, "alice"
        return poplin.fetch(server.url, options)
      end,
    })
    assert.are.same({ "2 messages fetched, 33 octets" }, said)
    run("seen:mark", nil, { seen = function() return poplin.seen(path) end })
    local seen <close> = assert(poplin.seen(path))
    assert.are.same({ alice = 4 }, seen:accounts())
  end)

  it("has URLs, printed as it says", function()
    local wanted = {}
    for line in example("parse_url"):gmatch("%-%-> ([^\n]*)") do
      table.insert(wanted, line)
    end
    assert.are.same(wanted, run("parse_url"))
  end)

  it("has a discovery that connects to what it finds", function()
    local connected
    run("poplin.discover(", {
      resolve = function(name)
        local records = { { priority = 0, weight = 0, port = 995, target = "mail.example.org" } }
        return name:find("^_pop3s") and records or nil
      end,
    }, {
      connect = function(url, options)
        connected = { url, options.tls, table.unpack(options.user) }
        return true
      end,
    })
    assert.are.same({ "pop3s://mail.example.org", "implicit", "alice@example.org", "alice" }, connected)
  end)

  it("has a server", function()
    local said = run("poplin.serve {", {
      passwords = { alice = "secret" },
      mailbox_of = function() return { list = function() return { { "a", 1 }, { "b", 2 } } end } end,
    }, {
      serve = function(options)
        local made = assert(poplin.serve(options))
        local pop <close> = assert(poplin.connect(made.url, { user = "alice", password = "secret" }))
        assert.are.same({ 2, 3 }, { pop:stat() })
        return made
      end,
      run = function() end,
    })
    assert.are.equal(1, #said)
    assert.are.equal("/home/alice/Maildir", (function()
      local environment = { poplin = { maildir = function(path) return path end } }
      assert(load(example("poplin.maildir("), "=example", "t", environment))()
      return environment.maildrop({}, "alice")
    end)())
  end)

  it("has a trace", function()
    local lines = {}
    local own = setmetatable({}, { __index = poplin, __newindex = poplin })
    local io = { stderr = { write = function(_, line) table.insert(lines, line) end } }
    assert(load(example("poplin.trace ="), "=example", "t", { poplin = own, io = io }))()
    assert(poplin.connect(server.url, { user = "alice@example.org", password = "…" })):quit()
    poplin.trace = nil
    assert.is_truthy(table.concat(lines, "\n"):find("> QUIT", 1, true))
  end)

  it("has a test, faults and certificates", function()
    local function try(url)
      local pop <close>, err = poplin.connect(url, { user = "alice", password = "secret" })
      if not pop or not pcall(pop.retr, pop, 1) then
        return nil, err
      end
      local message = pop:retr(1)
      return message and pop:dele(1) and pop:quit()
    end
    run("comes back after a dropped", { it = function(_, f) f() end, fetch = function(url)
      assert(try(url) or try(url))
    end })
    run("local same = server:fault", { server = server })
    assert.are.equal(0, #server.sessions)
    run("testing.ca()", { testing = testing })
  end)
end)
