--- How a connection ends: only quit commits; closing is peaceful; the collector does no network I/O. How a server ends.

local poplin = require "poplin"
local support = require "support"

describe("ending without quit", function()
  local drop, server

  before_each(function()
    drop = support.maildrop(support.messages(3))
    server = support.serve(drop)
  end)

  after_each(function()
    server:stop()
  end)

  -- Drives until the server has seen the session end.
  local function until_closed()
    while not drop.closed[1] do
      poplin.step()
    end
    assert.are.same({ "dropped" }, drop.closed)
    assert.are.same({}, drop.deleted)
  end

  -- holds: T-API-2 C, T-TLS-11 S
  it("by <close> deletes nothing and warns of marks", function()
    local warnings = support.warnings(function()
      local pop <close> = assert(support.connect(server))
      assert.is_true(pop:dele(1))
      assert.is_true(pop:dele(2))
    end)
    assert.are.equal(1, #warnings)
    assert.is_truthy(warnings[1]:find("2 deletion(s) were not made", 1, true))
    until_closed()
  end)

  it("by <close> with an error deletes nothing", function()
    support.warnings(function()
      pcall(function()
        local pop <close> = assert(support.connect(server))
        assert.is_true(pop:dele(1))
        error("mine")
      end)
    end)
    until_closed()
  end)

  it("does not warn where there are no marks, or none any more", function()
    local warnings = support.warnings(function()
      local pop <close> = assert(support.connect(server))
      assert.is_true(pop:dele(1))
      assert.is_true(pop:rset())
    end)
    assert.are.same({}, warnings)
    until_closed()
  end)

  -- holds: T-API-2 C
  it("twice, or after quit, is peaceful", function()
    local pop = assert(support.connect(server))
    pop:close()
    pop:close()
    pop = assert(support.connect(server))
    assert.is_true(pop:quit())
    pop:close()
    assert.is_nil((pop:quit()))
  end)

  -- holds: T-API-2 C
  it("by the collector closes at the driver's next step, and warns", function()
    local warnings = support.warnings(function()
      do
        local pop = assert(support.connect(server))
        assert.is_true(pop:dele(1))
      end
      collectgarbage()
      collectgarbage()
      assert.are.equal(1, server:open_sessions())
      assert.are.equal(0, poplin.timeout())
      until_closed()
    end)
    assert.are.equal(1, #warnings)
    assert.are.equal(0, server:open_sessions())
  end)

  it("in the middle of a loop lets the rest go", function()
    local pop = assert(support.connect(server))
    local ok, err = pcall(function()
      for _ in pop:retr_all() do
        pop:close()
      end
    end)
    assert.is_false(ok)
    assert.are.equal("state", err.kind)
    until_closed()
  end)
end)

describe("the end of a Lua state", function()
  -- Runs a script in a Lua of its own: whether it succeeded, and all that it wrote.
  local function run(script)
    local path = os.tmpname()
    local file <close> = assert(io.open(path, "w"))
    file:write(script)
    file:close()
    local process = assert(io.popen("lua5.4 -W " .. path .. " 2>&1"))
    local said = process:read("a")
    local ok = process:close()
    os.remove(path)
    return ok, said
  end

  local PREPARED = [[
    local poplin = require "poplin"
    local server = assert(poplin.serve {
      password = function() return "x" end,
      maildrop = function()
        return { list = function() return { { "a" } } end, retr = function() return ("x"):rep(1000000) end,
          close = function(_, outcome) print("closed", outcome) end }
      end,
    })
    local pop = assert(poplin.connect(server.url, { user = "alice", password = "x" }))
  ]]

  it("with all of it forgotten is peaceful", function()
    assert.are.same({ true, "" }, { run(PREPARED) })
  end)

  it("in the middle of a message is peaceful", function()
    assert.are.same({ true, "" }, { run(PREPARED .. [[
      poplin.spawn(function() pop:retr(1) end)
      for _ = 1, 4 do
        poplin.step(0)
      end
    ]]) })
  end)

  it("warns of marks", function()
    local ok, said = run(PREPARED .. "assert(pop:dele(1))")
    assert.is_true(ok)
    assert.is_truthy(said:find("^Lua warning: poplin: the connection to 127.0.0.1:%d+ was closed without quit"))
  end)

  it("by os.exit inside a callback is peaceful", function()
    local exiting = PREPARED:gsub('return "x" end', "os.exit(true, true) end")
    assert.are.same({ true, "" }, { run(exiting) })
  end)
end)

describe("a server's end", function()
  local server

  after_each(function()
    server:stop()
  end)

  it("closes maildrops, stopped twice or not", function()
    local drop = support.maildrop(support.messages(1))
    server = support.serve(drop)
    local pop = assert(support.connect(server))
    assert.is_true(pop:dele(1))
    server:stop()
    assert.are.same({ "failed" }, drop.closed)
    assert.are.same({}, drop.deleted)
    server:stop()
    local ok, err = pop:quit()
    assert.is_nil(ok)
    assert.are.equal("closed", err.kind)
  end)

  it("may come from a callback of its own", function()
    local drop = support.maildrop(support.messages(1))
    function drop.retr()
      server:stop()
      return "too late"
    end
    server = support.serve(drop)
    local pop <close> = assert(support.connect(server))
    local text, err = pop:retr(1)
    assert.is_nil(text)
    assert.are.equal("closed", err.kind)
    assert.are.same({ "failed" }, drop.closed)
  end)

  it("may come by <close>", function()
    local url
    do
      local own <close> = support.serve(support.maildrop {})
      url = own.url
      server = own
    end
    assert.is_nil((poplin.connect(url)))
  end)
end)
