--- The test server: what it holds, what it remembers, how it misbehaves.

local poplin = require "poplin"
local testing = require "poplin.testing"
local support = require "support"

local USERS = { alice = "secret" }
local MAIL = "Subject: hi\r\n\r\nhello\r\n"

local function start(options)
  options = options or {}
  options.users = options.users or not options.backend and USERS or nil
  return assert(testing.Server(options))
end

local function connect(server, options)
  return support.connect(server, options)
end

-- A session of alice's that fetches and deletes all there is.
local function take_all(server)
  local pop <close> = assert(connect(server, { ca_pem = server.ca_pem }))
  for message in pop:retr_all() do
    message:dele()
  end
  assert(pop:quit())
end

local function contains(text, part)
  return assert.is_truthy(text:find(part, 1, true), text)
end

-- A new folder; its files are removed with it.
local function new_folder()
  local folder = os.tmpname()
  assert(os.remove(folder))
  assert(os.execute("mkdir " .. folder))
  return folder, function() os.execute("rm -r " .. folder) end
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

-- The same with the script's loop and with a thread.
local function each(name, test)
  it(name, function() test {} end)
  it(name .. ", in the background", function() test { background = true } end)
end

describe("a test server", function()
  for _, tls in ipairs { "never", "stls", "implicit" } do
    each("serves its users' mail, tls = " .. tls, function(options)
      options.tls = tls
      local server <close> = start(options)
      local uid = assert(server:deliver("alice", MAIL))
      local pop <close> = assert(connect(server, { ca_pem = server.ca_pem, tls = tls }))
      assert.are.equal(MAIL, pop:retr(1))
      assert.are.equal(uid, pop:uidl(1))
      assert(pop:dele(1))
      assert(pop:quit())
      local session = server.sessions[1]:assert_quit():assert_deleted(uid)
      assert.are.equal(tls ~= "never", session.tls ~= nil)
      assert.are.same({}, server:messages("alice"))
    end)
  end

  -- holds: T-TST-1 S
  it("listens on loopback by default, says what it is, and takes no message without limit", function()
    local server <close> = start()
    assert.are.equal("127.0.0.1", server.host)
    contains(server.url, "pop3://127.0.0.1:" .. server.port)
    local pop <close> = assert(connect(server))
    contains(pop.greeting, "not for production")
    local small <close> = start { max_message = 10 }
    local uid, err = small:deliver("alice", MAIL)
    assert.is_nil(uid)
    assert.are.equal("limit", err.kind)
  end)

  each("listens on IPv6, and on a Unix socket", function(options)
    local folder, remove = new_folder()
    finally(remove)
    local server <close> = start { host = "::1", background = options.background }
    contains(server.url, "pop3://[::1]:")
    take_all(server)
    local path = folder .. "/socket"
    local other <close> = start { path = path, background = options.background }
    assert.is_nil(other.url)
    assert.is_nil(other:url_for("alice"))
    local pop <close> = assert(poplin.connect(nil, { path = path, user = "alice", password = "secret", tls = "never" }))
    assert(pop:quit())
    other.sessions[1]:assert_outcome("committed")
  end)

  each("has users that come and go, whatever their names", function(options)
    local server <close> = start(options)
    local name = "a b@c/é"
    assert.is_true(server:add_user(name, "p w"))
    local again, err = server:add_user(name, "x")
    assert.is_nil(again)
    assert.are.equal("state", err.kind)
    assert(server:deliver(name, MAIL))
    local url = server:url_for(name)
    contains(url, "//a%20b%40c%2F%C3%A9@127.0.0.1:")
    local pop <close> = assert(poplin.connect(url, { password = "p w" }))
    assert.are.equal(1, (pop:stat()))
    assert.is_true(server:remove_user(name))
    assert.is_nil((server:remove_user(name)))
    assert.is_nil((server:messages(name)))
    assert.is_nil((pop:retr(1)))
    local other
    other, err = poplin.connect(url, { password = "p w" })
    assert.is_nil(other)
    assert.are.equal("auth", err.kind)
  end)

  each("has mail that comes and goes while a session is open", function(options)
    local server <close> = start(options)
    local first, second = assert(server:deliver("alice", "one\n")), assert(server:deliver("alice", "two\n"))
    local pop <close> = assert(connect(server))
    assert(server:deliver("alice", "three\n"))
    assert.are.equal(2, (pop:stat()))
    assert.is_true(server:remove("alice", first))
    assert.is_nil((server:remove("alice", first)))
    assert.is_nil((pop:retr(1)))
    assert.are.equal("two\r\n", pop:retr(2))
    assert(pop:dele(2))
    assert(pop:quit())
    server.sessions[1]:assert_deleted(second)
    local left = server:messages("alice")
    assert.are.equal(1, #left)
    assert.are.same({ uid = left[1].uid, octets = 7, data = "three\n" }, left[1])
    assert.is_true(server:clear("alice"))
    assert.are.same({}, server:messages("alice"))
  end)

  it("answers that there is no such user", function()
    local server <close> = start()
    for _, method in ipairs { "deliver", "load", "messages", "remove", "clear", "remove_user" } do
      local result, err = server[method](server, "bob", "x")
      assert.is_nil(result, method)
      assert.are.equal("refused", err.kind)
    end
    assert.is_false(pcall(server.deliver, server, "alice", 12))
    assert.is_false(pcall(server.deliver, server, nil, MAIL))
  end)

  it("loads a file, a folder, a Maildir and an mbox", function()
    local folder, remove = new_folder()
    finally(remove)
    local server <close> = start()
    local function loaded(path)
      local uids = assert(server:load("alice", folder .. path))
      local texts = {}
      for i, message in ipairs(server:messages("alice")) do
        assert.are.equal(message.uid, uids[i])
        texts[i] = message.data
      end
      assert.are.equal(#uids, #texts)
      server:clear("alice")
      return table.concat(texts, "|")
    end
    for _, name in ipairs { "maildir", "maildir/cur", "maildir/new", "maildir/tmp", "files" } do
      assert(os.execute("mkdir " .. folder .. "/" .. name))
    end
    write(folder .. "/maildir/cur/1", "read\n")
    write(folder .. "/maildir/new/2", "new\n")
    write(folder .. "/files/a.eml", "a\n")
    write(folder .. "/files/b.eml", "b\n")
    local separator = "From a@b Mon Jan  1 00:00:00 2024\n"
    write(folder .. "/mbox", separator .. "first\n\n" .. separator .. "second\n")
    assert.are.equal("a\n", loaded("/files/a.eml"))
    assert.are.equal("a\n|b\n", loaded("/files"))
    assert.are.equal("read\n|new\n", loaded("/maildir"))
    assert.are.equal("first\n|second\n", loaded("/mbox"))
    local uids, err = server:load("alice", folder .. "/absent")
    assert.is_nil(uids)
    assert.are.equal("io", err.kind)
    contains(err.text, "absent")
    assert.is_false(pcall(server.load, server, "alice", "a\0b"))
  end)

  each("is one of many", function(options)
    local servers = {}
    for i = 1, 20 do
      servers[i] = start { background = options.background }
      assert(servers[i]:deliver("alice", "number " .. i .. "\r\n"))
    end
    for i, server in ipairs(servers) do
      local pop <close> = assert(connect(server))
      assert.are.equal("number " .. i .. "\r\n", pop:retr(1))
    end
    for _, server in ipairs(servers) do
      assert.are.equal(1, #server.sessions)
      server:close()
    end
  end)

  it("serves clients that block this script", function()
    local server <close> = start { background = true }
    assert(server:deliver("alice", MAIL))
    local program = string.format([[
import poplib
pop = poplib.POP3(%q, %d, timeout=20)
pop.user("alice")
pop.pass_("secret")
print(pop.retr(1)[1][-1].decode())
pop.dele(1)
pop.quit()
]], server.host, server.port)
    local process = assert(io.popen("exec env -u LD_PRELOAD python3 -c '" .. program .. "' 2>&1"))
    assert.are.equal("hello\n", process:read("a"))
    assert.is_true(process:close())
    server.sessions[1]:assert_quit():assert_order("USER alice", "PASS ****", "RETR 1", "DELE 1", "QUIT")
    assert.are.equal("USER", server.sessions[1].mechanism)
  end)

  it("raises where it is misused", function()
    for _, options in ipairs {
      { user = "alice" }, { users = "alice" }, { port = "x" }, { port = 65536 }, { tls = "sometimes" },
      { quirks = { "no-such" } }, { certificate = support.certificate, tls = "never" }, { backend = {} },
      { keep_sessions = 0 }, { max_message = 0 }, { max_message = 1.5 }, { inactivity = 0 / 0 }, { certificate = {} },
      { users = { "alice" } }, { users = { alice = 1 } }, { quirks = { [next(testing.QUIRKS)] = true } }, 12,
      { backend = { password = print, maildrop = print }, background = true },
      { backend = { password = print, maildrop = print }, users = USERS },
    } do
      local ok, problem = pcall(function() return (testing.Server(options)) end)
      assert.is_false(ok)
      assert.is_truthy(problem:find("^tests/lua/testing_spec.lua:%d+: poplin[ .:]"), problem)
    end
    local server <close> = start()
    for problem, call in pairs {
      deliver = function() server:deliver("alice", {}) end,
      ["server:messages"] = function() server.messages("alice") end,
      wait_for = function() server:wait_for(true) end,
      timeout = function() server:wait_for(print, 0 / 0) end,
      url_for = function() local _ = server:url_for(12) end,
      with_server = function() testing.with_server {} end,
    } do
      local ok, text = pcall(call)
      assert.is_false(ok)
      assert.is_truthy(text:find("^tests/lua/testing_spec.lua:%d+: "), text)
      contains(text, problem)
    end
  end)

  each("answers what it cannot do", function(options)
    local first <close> = start()
    options.port = first.port
    local second, err = testing.Server(options)
    assert.is_nil(second)
    assert.are.equal("io", err.kind)
    options.port, options.certificate = nil, { cert_pem = "x", key_pem = "y" }
    second, err = testing.Server(options)
    assert.is_nil(second)
    assert.are.equal("certificate", err.kind)
  end)

  each("forgets on reset all but its users", function(options)
    local server <close> = start(options)
    assert(server:deliver("alice", MAIL))
    local fault = server:fault("STAT", { refuse = "no" })
    take_all(server)
    server.sessions[1]:assert_quit()
    assert(server:deliver("alice", MAIL))
    server:reset()
    assert.are.equal(0, #server.sessions)
    assert.are.same({}, server:messages("alice"))
    local pop <close> = assert(connect(server))
    assert.are.equal(0, (pop:stat()))
    assert.are.equal(0, fault:fired())
    assert.are.equal("alice", server.sessions[1].user)
  end)

  each("keeps so many ended sessions", function(options)
    options.keep_sessions = 2
    local server <close> = start(options)
    local first
    for i = 1, 3 do
      take_all(server)
      server.sessions[#server.sessions]:assert_quit()
      first = first or server.sessions[i]
    end
    assert.are.equal(2, #server.sessions)
    assert.are.equal(2, server.sessions[1].number)
    assert.are.equal("committed", first.outcome)
  end)

  -- ---- its end ----

  each("ends once, and can still be asked", function(options)
    local server = start(options)
    assert(server:deliver("alice", MAIL))
    local pop <close> = assert(connect(server))
    assert(pop:stat())
    server:close()
    server:close()
    server.sessions[1]:assert_outcome("failed"):assert_deleted()
    contains(server.transcript, "C: STAT")
    assert.are.equal(1, #server:messages("alice"))
    local ok, err = pop:noop()
    assert.is_nil(ok)
    assert.are.equal("closed", err.kind)
    assert.is_nil((connect(server)))
  end)

  it("is gone for a finalizer that runs after its own, at the end of the Lua state", function()
    local folder, remove = new_folder()
    finally(remove)
    write(folder .. "/late.lua", [[
      local kept = setmetatable({}, { __gc = function(self)
        for name, f in pairs(self) do
          local ok, problem = pcall(f)
          local text = tostring(problem)
          assert(ok or text:find("gone") or text:find("finalizer") or text:find("closed"), name .. ": " .. text)
        end
        print("all told")
      end })
      local poplin = require "poplin"
      local testing = require "poplin.testing"
      for _, background in ipairs { false, true } do
        local server = assert(testing.Server { users = { alice = "secret" }, background = background })
        local pop = assert(poplin.connect(server.url, { user = "alice", password = "secret" }))
        local session, fault = server.sessions[1], server:fault("RETR drop_after=1")
        for name, f in pairs {
          timeout = poplin.timeout, fileno = poplin.fileno, step = function() poplin.step(0) end,
          advance = function() testing.advance(1) end, stat = function() return pop:stat() end,
          deliver = function() server:deliver("alice", "x") end, user = function() return session.user end,
          assert_quit = function() session:assert_quit() end, fired = function() fault:fired() end,
          clock = function() server.clock:advance(1) end, close = function() server:close() end,
          serve = function() poplin.serve { password = print, maildrop = print } end,
        } do
          kept[name .. tostring(background)] = f
        end
      end
    ]])
    local process = assert(io.popen("exec 2>&1; lua5.4 -W " .. folder .. "/late.lua"))
    assert.are.equal("all told\n", process:read("a"))
    assert.is_true(process:close())
  end)

  it("is stopped by the collector where it is in the background", function()
    local urls = {}
    for i = 1, 25 do
      local server = start { background = true, tls = i % 2 == 0 and "never" or nil }
      server:deliver("alice", MAIL)
      server:fault("RETR", { drop_after = 1 })
      urls[i] = server.url
      assert(connect(server)):close()
      local _ = server.sessions[1].exchanges
    end
    collectgarbage()
    collectgarbage()
    for _, url in ipairs(urls) do
      assert.is_nil((poplin.connect(url)))
    end
  end)
end)

describe("a session", function()
  each("tells what happened", function(options)
    local server <close> = start(options)
    local uid = assert(server:deliver("alice", MAIL))
    assert(server:deliver("alice", MAIL))
    local pop = assert(connect(server))
    local session = server.sessions[1]
    assert.is_true(session.open)
    assert.is_nil(session.outcome)
    assert(pop:retr(1))
    assert(pop:dele(1))
    assert.are.same({ uid }, session.marked)
    assert.are.same({ uid }, session.marked) -- seen before, and not logged anew
    assert(pop:quit())
    session:assert_quit()
    assert.are.equal(session, server.sessions[1])
    assert.are.equal(1, session.number)
    assert.are.equal("committed", session.outcome)
    assert.are.equal("alice", session.user)
    assert.are.equal("PLAIN", session.mechanism)
    assert.are.same({ uid }, session.retrieved)
    assert.are.same({ uid }, session.deleted)
    assert.is_true(session.octets_in > 0 and session.octets_out > #MAIL)
    assert.are.same({ "CAPA", "AUTH PLAIN ****", "RETR 1", "DELE 1", "QUIT" }, session.commands)
    assert.are.equal(#session.commands + 1, #session.replies)
    local retr = session.exchanges[4]
    assert.are.equal("RETR 1", retr.command)
    assert.is_true(retr.complete)
    assert.is_true(retr.octets > #MAIL)
    assert.is_true(session.exchanges[3].secret and session.exchanges[3].leaked)
    contains(session.peer, "127.0.0.1:")
    assert.are.equal(1, #server.sessions)
    assert.is_nil(server.sessions[2])
    assert.is_nil(server.sessions[0])
    assert.is_nil(server.sessions[-1])
    for _, walk in ipairs { ipairs, pairs } do
      local walked = 0
      for i, other in walk(server.sessions) do
        assert.are.equal(server.sessions[i], other)
        walked = walked + 1
      end
      assert.are.equal(1, walked)
    end
    for _, name in ipairs { "retreived", 1 } do
      local ok, problem = pcall(function() local _ = session[name] end)
      assert.is_false(ok)
      contains(problem, "testing_spec.lua")
      contains(problem, "'" .. name .. "'")
    end
  end)

  -- The collector does not know how large a record is.
  it("is looked at often for little memory", function()
    local function resident()
      local file <close> = assert(io.open("/proc/self/statm"))
      return math.tointeger(file:read("n", "n") and select(2, file:seek("set"), file:read("n", "n"))) * 4096
    end
    local server <close> = start()
    local pop <close> = assert(connect(server))
    for _ = 1, 2000 do
      assert(pop:noop())
    end
    local session, before = server.sessions[1], resident()
    for _ = 1, 1000 do
      assert.is_true(session.open)
    end
    assert.is_true(resident() - before < 20000000)
  end)

  -- holds: T-SEC-1 S
  each("never shows a secret", function(options)
    local server <close> = start(options)
    assert(server:add_user("bob", "hunter2"))
    assert(connect(server)):close()
    assert.is_nil((connect(server, { user = "bob", password = "hunter3" })))
    local pop <close> = assert(poplin.connect(server.url, { user = "bob", password = "hunter2" }))
    server:fault("NOOP", { refuse = "said hunter2", name = "leak" })
    assert.is_nil((pop:noop()))
    local said = { server.transcript, tostring(server), tostring(server.sessions[1]) }
    for _, session in ipairs(server.sessions) do
      for _, text in ipairs(session.commands) do
        table.insert(said, text)
      end
    end
    for _, text in ipairs(said) do
      for _, secret in ipairs { "secret", "hunter", "AGFsaWNl", "AGJvYg" } do
        assert.is_nil(text:find(secret, 1, true), text)
      end
    end
  end)

  -- What an assertion says that fails.
  local function explanation(session, assertion, ...)
    local ok, failure = pcall(session["assert_" .. assertion], session, ...)
    assert.is_false(ok)
    return tostring(failure)
  end

  it("has assertions that explain", function()
    local server <close> = start()
    local uid = assert(server:deliver("alice", MAIL))
    local pop = assert(connect(server))
    assert(pop:retr(1))
    assert(pop:dele(1))
    pop:close()
    local session = server.sessions[1]
    assert.are.equal(session, session:assert_outcome("dropped"):assert_retrieved(uid):assert_order("RETR", "DELE 1"))
    contains(explanation(session, "quit"), "C: DELE 1")
    contains(explanation(session, "deleted", uid), uid)
    contains(explanation(session, "retrieved", "other"), "other")
    contains(explanation(session, "order", "DELE", "RETR"), "RETR")
    contains(explanation(session, "no_cleartext_secret"), "AUTH PLAIN ****")
    contains(explanation(session, "outcome", "committed"), "dropped")
    contains(explanation(session, "outcome", "committed"), "C: DELE 1")
  end)

  it("fails as busted's own assertions do, where the test stands", function()
    local server <close> = start()
    take_all(server)
    local line = debug.getinfo(1, "l").currentline + 2
    local ok, failure = pcall(function()
      server.sessions[1]:assert_outcome("dropped")
    end)
    assert.is_false(ok)
    assert.are.equal("failure", getmetatable(failure).__type)
    contains(failure.message, "testing_spec.lua:" .. line .. ": ")
  end)

  it("is not asserted about in vain", function()
    local server <close> = start()
    take_all(server)
    local session = server.sessions[1]
    session.settle = 3600
    for problem, assertion in pairs {
      ["timed out"] = function() session:assert_outcome("timed_out") end,
      ["#1"] = function() session:assert_deleted({}) end,
      ["#2"] = function() session:assert_order("QUIT", nil) end,
    } do
      local ok, text = pcall(assertion)
      assert.is_false(ok)
      contains(text, "testing_spec.lua")
      contains(text, problem)
    end
  end)

  it("is waited for by an assertion until it has ended, in the background", function()
    local server <close> = start { background = true }
    local process = assert(io.popen("exec env -u LD_PRELOAD python3 -c 'import poplib\n"
      .. "pop = poplib.POP3(\"127.0.0.1\", " .. server.port .. ", timeout=20)\npop.quit()'"))
    local session = assert(server:wait_for(function() return server.sessions[1] end, 20))
    session.settle = 20
    session:assert_quit():assert_outcome("left")
    assert.is_true(process:close())
  end)

  each("is waited for no longer than settle says", function(options)
    local server <close> = start(options)
    local pop <close> = assert(connect(server))
    local session = server.sessions[1]
    session.settle = 0.01
    contains(explanation(session, "quit"), "open")
    assert(pop:quit())
    session.settle = nil
    session:assert_quit()
  end)
end)

describe("a fault", function()
  -- holds: T-API-6 S
  each("takes effect by settings or by text, and not without", function(options)
    local server <close> = start(options)
    for _ = 1, 2 do
      assert(server:deliver("alice", MAIL))
    end
    local function retr_twice()
      local pop <close> = assert(connect(server))
      return pop:retr(1), (pop:retr(2))
    end
    for _, add in ipairs {
      function() return server:fault("RETR", { nth = 2, drop_after = 10 }) end,
      function() return server:fault("RETR nth=2 drop_after=10") end,
    } do
      local fault <close> = add()
      local whole, cut = retr_twice()
      assert.are.equal(MAIL, whole)
      assert.is_nil(cut)
      assert.are.equal(1, fault:fired())
      local session = server.sessions[#server.sessions]:assert_outcome("dropped")
      contains(session.transcript, fault.name)
      contains(session.exchanges[#session.exchanges].fault, fault.name)
      assert.are.equal("RETR nth=2 drop_after=10", fault.name)
    end
    assert.are.same({ MAIL, MAIL }, { retr_twice() })
  end)

  it("takes numbers, booleans and strings, and has the name that it is given", function()
    local server <close> = start()
    local refusal = 'no "stat" today'
    local fault = server:fault("STAT", { refuse = refusal, name = "statless", probability = 1.0, times = 2 })
    assert.are.equal("statless", fault.name)
    local guess = server:fault("LIST", { guess_sizes = true, probability = 0.5, seed = 7 })
    contains(guess.name, "guess_sizes")
    contains(guess.name, "0.5")
    assert.are.equal("LIST no_numbers", server:fault("LIST", { no_numbers = true, guess_sizes = false }).name)
    local miscount = server:fault("STAT", { miscount = -3 })
    local pop <close> = assert(connect(server))
    local count, err = pop:stat()
    assert.is_nil(count)
    contains(err.text, refusal)
    fault:remove()
    fault:remove()
    assert.are.equal(1, fault:fired())
    miscount:remove()
    assert.are.equal(0, (pop:stat()))
  end)

  it("is removed alone, whatever has its name", function()
    local server <close> = start()
    local first, second = server:fault("NOOP refuse=no"), server:fault("NOOP refuse=no")
    assert.are.equal(first.name, second.name)
    local pop <close> = assert(connect(server))
    assert.is_nil((pop:noop()))
    first:remove()
    assert.is_nil((pop:noop()))
    second:remove()
    assert(pop:noop())
    assert.are.same({ 1, 2 }, { first:fired(), second:fired() })
  end)

  it("is misuse where it makes no sense", function()
    local server <close> = start()
    for problem, add in pairs {
      drop_after = function() server:fault("RETR", { drop_aftr = 1 }) end,
      ["it takes"] = function() server:fault("RETR", { drop_after = "far" }) end,
      boolean = function() server:fault("RETR", { drop_after = {} }) end,
      decimal = function() server:fault("RETR", { delay = 0 / 0 }) end,
      ["no name"] = function() server:fault("RETR", { 12 }) end,
      ["no-such"] = function() server:quirk("no-such") end,
      ["no-such-attack"] = function() server:attack("no-such-attack") end,
      NUL = function() server:fault("RETR\0", { drop_after = 1 }) end,
    } do
      local ok, text = pcall(add)
      assert.is_false(ok)
      contains(text, problem)
    end
  end)

  it("may be a quirk or an attack, from the beginning or later", function()
    for _, names in ipairs { testing.QUIRKS, testing.ATTACKS, testing.FAULT_SETTINGS, testing.BLEMISHES } do
      assert.is_not_nil(next(names))
      for name, meaning in pairs(names) do
        assert.is_truthy(#name > 0 and #meaning > 0)
      end
    end
    local given = next(testing.QUIRKS)
    local server <close> = start { quirks = { given } }
    for name in pairs(testing.QUIRKS) do
      local added, quirk = pcall(server.quirk, server, name)
      assert.are.equal(name ~= given, added) -- each once at a time
      if added then
        assert.are.equal(name, quirk.name)
        quirk:remove()
      end
    end
    for name in pairs(testing.ATTACKS) do
      local attack <close> = server:attack(name)
      assert.are.equal(name, attack.name)
    end
  end)
end)

describe("waiting for a test server", function()
  each("answers what the predicate answers", function(options)
    local server <close> = start(options)
    assert.are.equal("now", server:wait_for(function(given) return given == server and "now" end, 0))
    local pop <close> = assert(connect(server))
    pop:close()
    assert.are.equal("dropped", server:wait_for(function() return server.sessions[1].outcome end))
  end)

  each("ends with an error that has the transcripts", function(options)
    local server <close> = start(options)
    assert(connect(server)):close()
    server.sessions[1]:assert_outcome("dropped")
    local result, err = server:wait_for(function() return false end, 0.02)
    assert.is_nil(result)
    assert.are.equal("timeout", err.kind)
    contains(tostring(err), "C: AUTH PLAIN ****")
  end)

  each("drives what else goes on", function(options)
    local server <close> = start(options)
    local fetched
    poplin.spawn(function()
      take_all(server)
      fetched = true
    end)
    assert.is_true(server:wait_for(function() return fetched end))
  end)

  each("yields in a task", function(options)
    local server <close> = start(options)
    local waiter = poplin.spawn(function()
      return server:wait_for(function() return server.sessions[1] and server.sessions[1].outcome end)
    end)
    poplin.spawn(function() take_all(server) end)
    assert.are.equal("committed", waiter:join())
  end)

  it("sees in a task what another that waited does, though nothing else happens any more", function()
    local server <close> = start()
    local first, second
    local follower = poplin.spawn(function()
      return server:wait_for(function() return second end)
    end)
    poplin.spawn(function()
      assert.is_true(server:wait_for(function() return first end))
      second = "done"
    end)
    poplin.step(0)
    poplin.spawn(function() first = true end)
    poplin.step(0)
    assert.are.equal("done", second)
    assert.are.equal(0, poplin.timeout())
    poplin.step(0)
    assert.is_true(follower.finished)
  end)

  each("times out in a task, and tells a host with a loop of its own when", function(options)
    local server <close> = start(options)
    local waiter = poplin.spawn(function()
      local result, err = server:wait_for(function() return false end, 0.05)
      return result, err.kind
    end)
    poplin.step(0)
    local seconds = poplin.timeout()
    assert.is_true(seconds ~= nil and seconds <= 0.05)
    assert.are.same({ nil, "timeout" }, { waiter:join() })
  end)

  it("sees in tasks what programs do at servers in the background, however many there are", function()
    local waiters, processes = {}, {}
    for i = 1, 3 do
      local server = start { background = true }
      waiters[i] = poplin.spawn(function()
        local _ <close> = server
        local session = server:wait_for(function() return server.sessions[1] end, 20)
        session.settle = 20
        return session:assert_quit().outcome
      end)
      processes[i] = assert(io.popen("exec env -u LD_PRELOAD python3 -c 'import poplib\n"
        .. "poplib.POP3(\"127.0.0.1\", " .. server.port .. ", timeout=20).quit()'"))
    end
    for i, waiter in ipairs(waiters) do
      assert.are.equal("left", waiter:join())
      assert.is_true(processes[i]:close())
    end
  end)

  each("does so in coroutines of the script's own, with no task below", function(options)
    local server <close> = start(options)
    poplin.spawn(function() take_all(server) end)
    local outcome = coroutine.wrap(function()
      return server:wait_for(function() return server.sessions[1] and server.sessions[1].outcome end)
    end)()
    assert.are.equal("committed", outcome)
  end)

  -- Also where it would not have had to wait: what is misuse must not depend on who is faster.
  each("raises in a task where it could not yield", function(options)
    local server <close> = start(options)
    take_all(server)
    server.sessions[1]:assert_quit()
    for _, wait in ipairs {
      function() server:wait_for(function() return true end) end,
      function() server.sessions[1]:assert_quit() end,
    } do
      local ok, problem = pcall(poplin.run, function() coroutine.wrap(wait)() end)
      assert.is_false(ok)
      contains(problem, "poplin.wrap")
    end
  end)
end)

describe("the clock of a test server", function()
  each("brings the autologout at once", function(options)
    local server <close> = start(options)
    assert(server:deliver("alice", MAIL))
    local pop <close> = assert(connect(server))
    assert(pop:dele(1))
    server.clock:advance(599)
    assert.is_true(server.sessions[1].open)
    assert(pop:noop())
    server.clock:advance(600.5)
    server.sessions[1]:assert_outcome("timed out"):assert_deleted()
    assert.are.equal(1, #server:messages("alice"))
  end)

  each("goes forward only, by seconds", function(options)
    local server <close> = start(options)
    for _, seconds in ipairs { -1, 0 / 0, 1 / 0, "soon" } do
      local ok, problem = pcall(function() server.clock:advance(seconds) end)
      assert.is_false(ok)
      contains(problem, "testing_spec.lua")
      contains(problem, "a number of seconds")
    end
  end)

  it("is moved in a task too", function()
    local server <close> = start()
    poplin.run(function()
      local pop = assert(connect(server))
      server.clock:advance(600.5)
      server.sessions[1]:assert_outcome("timed out")
      pop:close()
    end)
  end)
end)

describe("a test server with a backend of the script's own", function()
  local drop, backend

  before_each(function()
    drop = support.maildrop { { "a", MAIL } }
    backend = {
      password = function(_, user) return USERS[user] end,
      maildrop = function() return drop end,
    }
  end)

  it("remembers and misbehaves like any other", function()
    local server = start { backend = backend, tls = "stls" }
    local fault = server:fault("RETR", { nth = 2, refuse = "[SYS/TEMP] not now" })
    local pop = assert(connect(server, { ca_pem = server.ca_pem, tls = "stls" }))
    assert.are.equal(MAIL, pop:retr(1))
    local text, err = pop:retr(1)
    assert.is_nil(text)
    assert.are.equal("temporary", err.kind)
    assert.are.equal(1, fault:fired())
    assert(pop:dele(1))
    assert(pop:quit())
    server.sessions[1]:assert_quit():assert_deleted("a"):assert_no_cleartext_secret()
    assert.are.same({ "a" }, drop.deleted)
    assert.is_false(pcall(server.deliver, server, "alice", MAIL))
    server:close()
  end)

  it("has the same words for how a session ended", function()
    local server <close> = start { backend = backend }
    local pop = assert(connect(server))
    server.clock:advance(601)
    server.sessions[1]:assert_outcome("timed out")
    assert(server:wait_for(function() return drop.closed[1] end))
    assert.are.same({ "timed out" }, drop.closed)
    pop:close()
  end)

  -- What comes up at the end where retr raised `problem`.
  local function comes_up(problem, options)
    drop.retr = function() error(problem) end
    options = options or {}
    options.backend = backend
    local server = start(options)
    local pop <close> = assert(connect(server))
    assert.is_nil((pop:retr(1)))
    assert.are.equal(1, #server.errors)
    local ok, raised = pcall(server.close, server)
    server:close()
    return not ok and raised
  end

  -- holds: T-API-1 S
  it("raises at its end what went wrong in a callback", function()
    local raised = comes_up("broken")
    contains(raised, "retr: ")
    contains(raised, "broken")
    contains(raised, "testing_spec.lua")
    local object = {}
    assert.are.equal(object, comes_up(object))
    assert.is_false(comes_up("broken", { raise_errors = false }))
  end)

  it("covers no other error with that", function()
    drop.retr = function() error("broken") end
    local ok, problem = pcall(function()
      local server <close> = start { backend = backend }
      local pop <close> = assert(connect(server))
      assert.is_nil((pop:retr(1)))
      error("the test's own", 0)
    end)
    assert.is_false(ok)
    assert.are.equal("the test's own", problem)
  end)
end)

describe("with_server", function()
  it("closes the server and returns what the function returned", function()
    local url
    assert.are.same({ 1, nil, 3, n = 3 }, table.pack(testing.with_server({ users = USERS }, function(server)
      url = server.url
      take_all(server)
      return 1, nil, 3
    end)))
    assert.is_nil((poplin.connect(url)))
  end)

  it("raises what went wrong in a callback, with the transcript", function()
    local backend = { password = function() error("broken") end, maildrop = function() end }
    local ok, problem = pcall(testing.with_server, { backend = backend }, function(server)
      assert.is_nil((connect(server)))
    end)
    assert.is_false(ok)
    contains(problem, "broken")
    contains(problem, "C: AUTH PLAIN ****")
  end)

  it("keeps what failed, and adds the transcript", function()
    local refused = testing.with_server({}, function(server) return select(2, connect(server)) end)
    local function told(problem)
      local ok, raised = pcall(testing.with_server, { users = USERS }, function(server)
        take_all(server)
        error(problem, 0)
      end)
      assert.is_false(ok)
      return raised
    end
    contains(told("text"), "C: QUIT")
    assert.are.equal(refused, told(refused))
    assert.are.equal("auth", refused.kind)
    contains(tostring(refused), "C: QUIT")
    local object = setmetatable({}, { __tostring = function() return "mine" end })
    assert.are.equal(object, told(object))
  end)

  it("may stand in another, and traces an error once", function()
    local ok, problem = pcall(testing.with_server, {}, function(outer)
      testing.with_server({}, function(inner)
        assert.is_not.equal(outer.port, inner.port)
        error("broken")
      end)
    end)
    assert.is_false(ok)
    assert.are.equal(1, select(2, problem:gsub("stack traceback", "")), problem)
    assert.are.equal(2, select(2, problem:gsub("The transcript of pop3://", "")), problem)
  end)

  it("tells what went wrong in a callback below what failed because of it", function()
    local backend = { password = function() error("broken") end, maildrop = function() end }
    local ok, problem = pcall(testing.with_server, { backend = backend }, function(server)
      assert(connect(server))
    end)
    assert.is_false(ok)
    contains(tostring(problem), "TEMP")
    contains(tostring(problem), "password: tests/lua/testing_spec.lua")
    contains(tostring(problem), "broken")
  end)

  it("shows the transcript in busted's own report, a failure as a failure", function()
    local folder, remove = new_folder()
    finally(remove)
    local path = folder .. "/failing.lua"
    write(path, [[
      local poplin = require "poplin"
      local testing = require "poplin.testing"
      local function with(f)
        testing.with_server({ users = { alice = "secret" } }, function(server)
          local pop <close> = assert(poplin.connect(server.url, { user = "alice", password = "secret" }))
          f(server, pop)
        end)
      end
      it("one", function() with(function() assert.are.equal(1, 2) end) end)
      it("two", function() with(function(server, pop)
        pop:close()
        server.sessions[1]:assert_order("RETR", "DELE")
      end) end)
      it("three", function() with(function(_, pop) assert(pop:retr(1)) end) end)
      it("four", function() with(function() error("broken") end) end)
      it("five", function() with(function() error("no place", 0) end) end)
      it("six", function() with(function(server) assert(server:wait_for(function() end, 0)) end) end)
      it("seven", function() with(function() pending("later") end) end)
    ]])
    local busted = assert(io.popen("exec 2>&1; lua5.4 $(command -v busted) -o plainTerminal --pattern= " .. path))
    local said = busted:read("a")
    assert.is_nil((busted:close()))
    contains(said, "0 successes / 4 failures / 2 errors / 1 pending")
    assert.are.equal(6, select(2, said:gsub("C: AUTH PLAIN %*%*%*%*", "")), said)
    for line, text in pairs {
      [9] = "Expected objects to be equal", [12] = "expected these commands", [14] = "RETR 1 at 127.0.0.1",
      [15] = "broken", [16] = "no place", [17] = "what was waited for", [18] = "later",
    } do
      contains(said, path .. ":" .. line .. ": " .. text)
    end
    assert.is_nil(said:find('"secret"', 1, true))
  end)
end)

describe("a throw-away certificate", function()
  it("may be bad in all the ways there are, and a client refuses it", function()
    local ca = assert(testing.ca())
    for blemish in pairs(testing.BLEMISHES) do
      local certificate = assert(ca:certificate { blemish = blemish })
      local server <close> = start { certificate = certificate, background = true }
      local pop, err = connect(server, { ca_pem = certificate.ca_pem })
      if blemish == "none" then
        assert(pop):close()
      else
        assert.is_nil(pop, blemish)
        assert.are.equal("certificate", err.kind)
        assert.are.same({}, server.sessions[1] and server.sessions[1].commands or {})
      end
    end
  end)

  it("is for the names given, from one CA or from its own", function()
    local ca = assert(testing.ca())
    local first, second = assert(ca:certificate()), assert(ca:certificate("127.0.0.1", "mail.example.org"))
    assert.are.equal(first.ca_pem, second.ca_pem)
    assert.are_not.equal(first.ca_pem, assert(testing.certificate()).ca_pem)
    local certificate, err = ca:certificate("not a name")
    assert.is_nil(certificate)
    assert.are.equal("certificate", err.kind)
    assert.is_false(pcall(testing.certificate, { blemish = "ugly" }))
    assert.is_false(pcall(testing.certificate, { blmish = "none" }))
  end)
end)
