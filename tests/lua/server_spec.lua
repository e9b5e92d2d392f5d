--- The server: what its functions may answer, and what becomes of their errors.

local poplin = require "poplin"
local support = require "support"

describe("a server", function()
  local server

  after_each(function()
    server:stop()
  end)

  local function errors()
    local texts = {}
    for i, problem in ipairs(server.errors) do
      texts[i] = tostring(problem)
    end
    return table.concat(texts, "\n")
  end

  -- Serves this body for the unique-id "a" and fetches it.
  local function fetch(retr)
    local drop = support.maildrop { { "a" } }
    drop.retr = retr
    drop.list = function() return { { "a", 6 } } end
    server = support.serve(drop)
    local pop <close> = assert(support.connect(server))
    return pop:retr(1)
  end

  it("says where it is", function()
    local functions = { password = function() end, maildrop = function() end }
    server = assert(poplin.serve(functions))
    assert.are.same({ "127.0.0.1", "pop3://127.0.0.1:" .. server.port }, { server.host, server.url })
    server:stop()
    functions.path = os.tmpname()
    os.remove(functions.path)
    server = assert(poplin.serve(functions))
    assert.are.same({ path = functions.path, port = 0 },
      { path = server.path, port = server.port, host = server.host, url = server.url })
  end)

  it("calls its functions as methods", function()
    local backend = { seen = {} }
    local drop = support.maildrop(support.messages(1))
    function backend:authenticate(user, password)
      table.insert(self.seen, user .. "/" .. password)
      return true
    end
    function backend:maildrop(user)
      table.insert(self.seen, user)
      return drop
    end
    function drop.retr(self, uid)
      assert(self == drop)
      return uid
    end
    server = assert(poplin.serve(backend))
    local pop <close> = assert(poplin.connect(server.url, { user = "alice", password = "x y" }))
    assert.are.equal("uid-1\r\n", pop:retr(1))
    assert.are.same({ "alice/x y", "alice" }, backend.seen)
  end)

  it("takes an iterator function", function()
    local pieces = { "a", "", "\nb", "\n" }
    assert.are.equal("a\r\nb\r\n", fetch(function()
      local i = 0
      return function()
        i = i + 1
        return pieces[i]
      end
    end))
  end)

  it("takes all that a generic for takes, and closes it", function()
    local closed = 0
    assert.are.equal("12\r\n34\r\n", fetch(function()
      local guard = setmetatable({}, { __close = function() closed = closed + 1 end })
      return function(state, control)
        control = control and tostring(tonumber(control) + 22) or "12"
        return tonumber(control) <= state and control .. "\n" or nil
      end, 34, nil, guard
    end))
    assert.are.equal(1, closed)
  end)

  it("takes a file, from where it stands, and closes it", function()
    local file = io.tmpfile()
    assert.are.equal("b\r\nc\r\n", fetch(function()
      file:write("a\nb\nc\n")
      file:seek("set", 2)
      return file
    end))
    assert.are.equal("closed file", io.type(file))
  end)

  it("takes a pipe, and closes it", function()
    local pipe
    assert.are.equal("a\r\nb\r\n", fetch(function()
      pipe = io.popen("printf 'a\\nb\\n'")
      return pipe
    end))
    assert.are.equal("closed file", io.type(pipe))
  end)

  it("takes the lines of a file", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write("a\nb\n")
    file:close()
    assert.are.equal("a\r\nb\r\n", fetch(function() return io.lines(path, 3) end))
    os.remove(path)
  end)

  it("streams a large body without holding it", function()
    local pieces = 0
    local drop = support.maildrop { { "large" } }
    drop.list = function() return { { "large", 64 * 65536 } } end
    drop.retr = function()
      return function()
        pieces = pieces + 1
        if pieces <= 64 then
          return ("0123456789abcd\r\n"):rep(4096)
        end
      end
    end
    server = support.serve(drop)
    local pop <close> = assert(support.connect(server))
    local octets, ahead = 0, 0
    assert.are.equal(64 * 65536, pop:retr(1, function(piece)
      octets = octets + #piece
      ahead = math.max(ahead, pieces * 65536 - octets)
      for _ = 1, 3 do
        poplin.step(0)
      end
    end))
    assert.are.equal("", errors())
    assert.is_true(ahead < 48 * 65536)
  end)

  it("counts octets where the list does not tell", function()
    server = support.serve(support.maildrop { { "a", "x\ny\n" } })
    local pop <close> = assert(support.connect(server))
    assert.are.same({ { number = 1, octets = 6 } }, pop:list())
  end)

  it("keeps a size that was not true as an error", function()
    assert.are.equal("longer than six\r\n", fetch(function() return "longer than six\n" end))
    while errors() == "" do
      poplin.step(0)
    end
    assert.is_truthy(errors():find("octets", 1, true))
  end)

  -- ---- refusals ----

  it("refuses where a message is not there", function()
    local text, err = fetch(function() return nil end)
    assert.is_nil(text)
    assert.are.equal("refused", err.kind)
    assert.are.equal("", errors())
  end)

  it("passes on the kind of an error object", function()
    local upstream <close> = assert(poplin.serve {
      password = function() return "x" end,
      maildrop = function() return nil, poplin.IN_USE end,
    })
    server = assert(poplin.serve {
      authenticate = function() return true end,
      maildrop = function(_, user) return poplin.connect(upstream.url, { user = user, password = "x" }) end,
    })
    local pop, err = poplin.connect(server.url, { user = "alice", password = "y" })
    assert.is_nil(pop)
    assert.are.equal("in_use", err.kind)
  end)

  it("takes any other reason for an error of its owner's", function()
    local text, err = fetch(function() return io.open("/nonexistent/file") end)
    assert.is_nil(text)
    assert.are.equal("temporary", err.kind)
    assert.is_nil(err.text:find("nonexistent", 1, true))
    assert.is_truthy(errors():find("retr: /nonexistent/file: No such file or directory", 1, true))
  end)

  it("tells a failed deletion to quit", function()
    local drop = support.maildrop(support.messages(1))
    function drop.dele()
      return nil, poplin.TEMPORARY, "the disk is full"
    end
    server = support.serve(drop)
    local pop = assert(support.connect(server))
    assert.is_true(pop:dele(1))
    local ok, err = pop:quit()
    assert.is_nil(ok)
    assert.are.equal("temporary", err.kind)
    assert.is_truthy(err.peer:find("the disk is full", 1, true))
    while not drop.closed[1] do
      poplin.step()
    end
    assert.are.same({ "failed" }, drop.closed)
  end)

  -- ---- errors ----

  -- holds: T-API-1 S
  it("keeps each function's error with a traceback, answers SYS/TEMP, and lives on", function()
    local failing
    local drop = support.maildrop(support.messages(1))
    local backend = {
      password = function() return "x" end,
      maildrop = function() return drop end,
    }
    local function may_fail(table_of, name)
      local genuine = table_of[name]
      table_of[name] = function(...)
        if failing == name then
          error("wrong with " .. name)
        end
        return genuine(...)
      end
    end
    may_fail(backend, "password")
    may_fail(backend, "maildrop")
    for _, name in ipairs { "list", "retr", "dele", "close" } do
      may_fail(drop, name)
    end
    server = assert(poplin.serve(backend))
    for _, name in ipairs { "password", "maildrop", "list", "retr", "dele", "close" } do
      failing = name
      local pop, err = poplin.connect(server.url, { user = "alice", password = "x" })
      local ok
      if pop and name == "retr" then
        ok, err = pop:retr(1)
        pop:close()
      elseif pop then
        assert.is_true(pop:dele(1))
        ok, err = pop:quit()
      end
      failing = nil
      if name == "close" then
        assert.is_true(ok)
      else
        assert.is_nil(ok)
        assert.are.same({ "temporary", "SYS/TEMP" }, { err.kind, err.code })
        assert.is_nil(err.text:find("wrong", 1, true))
      end
      while not server.errors[1] or server:open_sessions() > 0 do
        poplin.step()
      end
      local problem = table.remove(server.errors)
      assert.is_truthy(problem.error:find("wrong with " .. name, 1, true))
      assert.is_truthy(problem.traceback:find("server_spec.lua", 1, true))
      assert.are.same({}, server.errors)
    end
    local pop <close> = assert(poplin.connect(server.url, { user = "alice", password = "x" }))
    assert.are.equal(1, (pop:stat()))
  end)

  -- holds: T-API-1 S
  it("keeps wrong types as errors", function()
    local answers = { 12, true, {}, function() return 7 end }
    for i, answer in ipairs(answers) do
      local text, err = fetch(function() return answer end)
      assert.is_nil(text, i)
      assert.is_truthy(err.kind == "temporary" or err.kind == "closed", err.text)
      assert.is_truthy(errors():find("must", 1, true))
      server:stop()
    end
    for _, list in ipairs { "text", { "uid" }, { { 1 } }, { { "uid", "x" } }, { { "uid", -1 } } } do
      local drop = support.maildrop {}
      drop.list = function() return list end
      server = support.serve(drop)
      local pop, err = support.connect(server)
      assert.is_nil(pop)
      assert.are.equal("temporary", err.kind)
      assert.are.equal(1, #server.errors)
      assert.are.same({ "failed" }, drop.closed)
      server:stop()
    end
  end)

  it("keeps an iterator's error and ends the session", function()
    local closed = false
    local text, err = fetch(function()
      local sent = false
      return function()
        if sent then
          error("broken")
        end
        sent = true
        return "a piece\n"
      end, nil, nil, setmetatable({}, { __close = function() closed = true end })
    end)
    assert.is_nil(text)
    assert.are.equal("closed", err.kind)
    assert.is_truthy(errors():find("broken", 1, true))
    assert.is_true(closed)
  end)

  it("keeps no more than the last errors", function()
    server = assert(poplin.serve { password = function() error("always") end, maildrop = function() end })
    local pop <close> = assert(poplin.connect(server.url))
    for _ = 1, 2 do
      assert.is_nil((pop:login("alice", "x")))
    end
    for i = 1, 1000 do
      server.errors[i] = i
    end
    pop:login("alice", "x")
    assert.are.equal(1000, #server.errors)
    assert.are.equal("string", type(server.errors[1000].error))
  end)

  -- ---- callbacks that wait ----

  it("has callbacks that fetch mail themselves", function()
    local upstream <close> = support.serve(support.maildrop(support.messages(3)), support.tls("implicit"))
    server = assert(poplin.serve {
      failed_login_delay = 0,
      authenticate = function(_, user, password)
        local pop = poplin.connect(upstream.url,
          { user = user, password = password, ca_pem = support.certificate.ca_pem })
        if pop then
          pop:close()
        end
        return pop ~= nil
      end,
      maildrop = function(_, user)
        local pop = assert(poplin.connect(upstream.url,
          { user = user, password = "secret", ca_pem = support.certificate.ca_pem }))
        local drop = {}
        function drop.list()
          local list = {}
          for i, message in ipairs(assert(pop:messages())) do
            list[i] = { message.uid, message.octets }
          end
          return list
        end
        function drop.retr(_, uid)
          return pop:retr(math.tointeger(uid:match("%d+")))
        end
        function drop.close()
          assert(pop:quit())
        end
        return drop
      end,
    })
    assert.is_nil((support.connect(server, { password = "wrong" })))
    local pop = assert(support.connect(server))
    local texts = {}
    for message in pop:retr_all() do
      table.insert(texts, message.data)
    end
    assert.are.equal(3, #texts)
    assert.are.equal("Subject: message 3\r\n\r\nbody 3\r\n", texts[3])
    assert.is_true(pop:quit())
    while upstream:open_sessions() > 0 do
      poplin.step()
    end
    assert.are.equal("", errors())
  end)

  it("calls a maildrop's functions one after the other, close last", function()
    local order, go = {}, false
    local drop = support.maildrop(support.messages(1))
    function drop.retr()
      table.insert(order, "retr begins")
      while not go do
        coroutine.yield()
      end
      table.insert(order, "retr ends")
      return ""
    end
    function drop.close()
      table.insert(order, "close")
    end
    server = support.serve(drop)
    local pop = assert(support.connect(server))
    poplin.spawn(function() pop:retr(1) end)
    while not order[1] do
      poplin.step()
    end
    server:stop()
    assert.are.same({ "retr begins" }, order)
    go = true
    while #order < 3 do
      poplin.step()
    end
    assert.are.same({ "retr begins", "retr ends", "close" }, order)
  end)
end)

describe("serve", function()
  local FUNCTIONS = { password = function() end, maildrop = function() end }

  local function with(options)
    for name, value in pairs(FUNCTIONS) do
      options[name] = value
    end
    return options
  end

  it("raises where it is misused", function()
    for _, backend in ipairs {
      {}, { maildrop = function() end }, { password = function() end }, with { tls = "sometimes" },
      with { tls = "implicit" }, with { key_pem = "x" }, with { tls = "never", cert_pem = "x" }, with { port = "x" },
      with { host = 1 }, with { port = 65536 },
    } do
      assert.is_false(pcall(poplin.serve, backend))
    end
    assert.is_false(pcall(poplin.serve))
  end)

  -- holds: T-STLS-19 S
  it("answers what it cannot do", function()
    local server, err = poplin.serve(with { cert_file = "/nonexistent.pem" })
    assert.is_nil(server)
    assert.are.equal("certificate", err.kind)
    assert.is_truthy(err.text:find("/nonexistent.pem", 1, true))
    local first <close> = assert(poplin.serve(with {}))
    local second
    second, err = poplin.serve(with { port = first.port })
    assert.is_nil(second)
    assert.are.equal("io", err.kind)
  end)
end)
