--- poplin.trace: both sides of a conversation, line by line, without secrets; what its function may do.

local poplin = require "poplin"
local support = require "support"
local testing = require "poplin.testing"
local watch = require "secrets_watch"

local PASSWORD = "Sesame-0pen-Sesame"

describe("poplin.trace", function()
  local lines, fields

  local function collect(line, more)
    watch.check(line)
    table.insert(lines, line)
    table.insert(fields, more)
  end

  -- The lines of one side, without the peer and its connection's number, which differ from run to run.
  local function side(of)
    local said = {}
    for i, line in ipairs(lines) do
      if fields[i].side == of then
        table.insert(said, (line:gsub("^%u %S+ #%d+ ", "")))
      end
    end
    return said
  end

  local function count(of, text)
    local found = 0
    for _, line in ipairs(side(of)) do
      found = found + (line:find(text, 1, true) and 1 or 0)
    end
    return found
  end

  before_each(function()
    lines, fields = {}, {}
  end)

  after_each(function()
    poplin.trace = nil
    watch.secrets = {}
  end)

  it("shows a conversation", function()
    poplin.trace = collect
    assert.are.equal(collect, poplin.trace)
    local drop = support.maildrop { { "one", "Subject: hi\r\n\r\nhello\r\n" } }
    local server <close> = support.serve(drop)
    local pop = assert(poplin.connect(server.url, { user = "alice", password = "secret", auth = "PLAIN" }))
    assert(pop:retr(1))
    assert(pop:dele(1))
    assert(pop:quit())
    local said = side "client"
    assert.are.equal("- connected to 127.0.0.1:" .. server.port, said[1])
    assert.are.equal("< +OK poplin ready", said[2])
    assert.are.same({
      "> AUTH PLAIN ****", "< +OK 1 messages", "- logged in as alice by PLAIN", "> RETR 1", "< +OK message follows",
      "< 22 octets of message", "> DELE 1", "< +OK message 1 marked", "> QUIT", "< +OK bye", "- closed after QUIT",
    }, table.move(said, #said - 10, #said, 1, {}))
    assert.are.equal("closed after QUIT", fields[#fields].text)
    assert.are.equal("127.0.0.1:" .. server.port, fields[#fields].peer)
    assert.are.equal("note", fields[#fields].kind)
    assert.are.equal(("C 127.0.0.1:%d #%d - closed after QUIT"):format(server.port, fields[#fields].connection),
      lines[#lines])
    assert.are.equal(1, count("server", "- logged in as alice by PLAIN"))
    assert.are.equal(1, count("server", "< DELE 1"))
    assert.are.equal(1, count("server", "> 22 octets of message"))
  end)

  -- holds: POP-TLS-18 S
  it("tells of TLS", function()
    for _, mode in ipairs { "implicit", "stls" } do
      lines, fields = {}, {}
      poplin.trace = collect
      local server <close> = support.serve(support.maildrop {}, support.tls(mode))
      local pop = assert(support.connect(server, { tls = mode }))
      assert(pop:quit())
      poplin.trace = nil
      assert.are.equal(1, count("client", "- TLS1.3, TLS_"))
      assert.are.equal(1, count("client", "; certificate verified"))
      assert.are.equal(1, count("server", "- TLS1.3, TLS_"))
    end
  end)

  -- holds: T-SEC-1 B
  it("hides what is secret, by each way to log in", function()
    local ways = { "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "USER", "LOGIN", "CRAM-MD5", "APOP" }
    local server <close> = assert(poplin.serve {
      password = function(_, user) return user == "alice" and PASSWORD or nil end,
      maildrop = function() return support.maildrop {} end,
      auth = ways, failed_login_delay = 0,
    })
    for _, password in ipairs { PASSWORD, "not-her-password" } do
      for _, way in ipairs(ways) do
        lines, fields = {}, {}
        poplin.trace = collect
        local pop = poplin.connect(server.url, { user = "alice", password = password, auth = way })
        if pop then
          assert(pop:quit())
        end
        assert.are.equal(collect, poplin.trace) -- else the watch has raised
        assert.are.equal(pop and 1 or 0, count("client", "- logged in as alice by " .. way))
        assert.is_true(count("client", "****") > 0 and count("server", "****") > 0)
        poplin.trace = nil
      end
    end
  end)

  -- holds: T-TXT-1 C
  it("makes hostile words harmless", function()
    local server <close> = assert(testing.Server { users = { alice = "secret" } })
    server:fault("NOOP", { reply = "+OK \27[2J\7 %s%n " .. ("x"):rep(5000) })
    poplin.trace = collect
    local pop <close> = assert(poplin.connect(server.url, { user = "alice", password = "secret" }))
    assert(pop:noop())
    assert.are.equal(1, count("client", "< +OK \\x1B[2J\\x07 %s%n xxx"))
    for _, line in ipairs(lines) do
      assert.is_true(#line < 1024)
    end
  end)

  it("off shows nothing, and can be turned off in the midst", function()
    local server <close> = support.serve(support.maildrop {})
    local pop <close> = assert(support.connect(server))
    poplin.trace = collect
    assert(pop:noop())
    poplin.trace = nil
    assert.is_nil(poplin.trace)
    local before = #lines
    assert(pop:noop())
    assert.are.equal(before, #lines)
    assert.are.equal(1, count("client", "> NOOP"))
    poplin.trace = function(line)
      table.insert(lines, line)
      poplin.trace = nil
    end
    assert(pop:noop())
    assert.are.equal(before + 1, #lines)
  end)

  it("is shown in tasks too", function()
    local server <close> = support.serve(support.maildrop {})
    poplin.trace = collect
    poplin.run(function()
      local pop <close> = assert(support.connect(server))
      assert(pop:quit())
    end)
    assert.are.equal(1, count("client", "- closed after QUIT"))
  end)

  it("warns of a function that raises, and is off then", function()
    local server <close> = support.serve(support.maildrop {})
    local pop <close> = assert(support.connect(server))
    local called = 0
    poplin.trace = function()
      called = called + 1
      error "not this time"
    end
    assert(pop:noop())
    assert(pop:noop())
    assert.are.equal(1, called)
    assert.is_nil(poplin.trace)
  end)

  it("warns of a function that yields, and is off then, in a task or not", function()
    local server <close> = support.serve(support.maildrop {})
    local pop <close> = assert(support.connect(server))
    local function called_in(call)
      local closed = false
      poplin.trace = function()
        local _ <close> = setmetatable({}, { __close = function() closed = true end })
        coroutine.yield("mine")
      end
      local results
      local warnings = support.warnings(function() results = table.pack(call(function() return pop:noop() end)) end)
      assert.are.same({ true, n = 1 }, results)
      assert.are.equal(1, #warnings)
      assert.is_truthy(warnings[1]:find("it must not yield", 1, true))
      assert.is_true(closed)
      assert.is_nil(poplin.trace)
    end
    called_in(poplin.run)
    called_in(function(f) return coroutine.wrap(f)() end)
    assert(pop:noop())
  end)

  it("warns of a function that raises what has no text", function()
    local server <close> = support.serve(support.maildrop {})
    local pop <close> = assert(support.connect(server))
    poplin.trace = function() error(setmetatable({}, { __tostring = function() error("evil") end })) end
    local warnings = support.warnings(function() assert(pop:noop()) end)
    assert.are.equal(1, #warnings)
  end)

  it("goes on with the function that its function sets, and with none where it sets none", function()
    local server <close> = support.serve(support.maildrop {})
    local pop <close> = assert(support.connect(server))
    local first = 0
    poplin.trace = function()
      first = first + 1
      poplin.trace = collect
    end
    assert(pop:noop())
    assert.are.equal(1, first)
    assert.are.equal("< +OK", lines[#lines]:match("< %+OK"))
    poplin.trace = function() poplin.trace = nil end
    assert(pop:noop())
    local before = #lines
    poplin.trace = collect -- what was not shown is gone
    assert.are.equal(before, #lines)
  end)

  it("does not wait in its function", function()
    local server <close> = support.serve(support.maildrop {})
    local pop <close> = assert(support.connect(server))
    local problem
    poplin.trace = function()
      poplin.trace = nil
      local _
      _, problem = pcall(pop.noop, pop)
    end
    assert(pop:noop())
    assert.is_truthy(problem:find("must not wait", 1, true))
    assert(pop:noop())
  end)

  it("is a function or nil", function()
    assert.has_error(function() poplin.trace = 5 end)
    poplin.other = 1
    assert.are.equal(1, rawget(poplin, "other"))
    poplin.other = nil
  end)
end)
