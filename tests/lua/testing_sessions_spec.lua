--- The test server: what it remembers of its sessions, how it misbehaves, how it is waited for, and its clock.

local poplin = require "poplin"
local testing = require "poplin.testing"
local kit = require "kit"
local support = require "support"

local MAIL, start, take_all, contains, connect =
  kit.MAIL, kit.start, kit.take_all, kit.contains, support.connect

-- The same with the script's loop and with a thread.
local function each(name, test)
  it(name, function() test {} end)
  it(name .. ", in the background", function() test { background = true } end)
end

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
      contains(problem, "testing_sessions_spec.lua")
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
    contains(failure.message, "testing_sessions_spec.lua:" .. line .. ": ")
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
      contains(text, "testing_sessions_spec.lua")
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
      contains(problem, "testing_sessions_spec.lua")
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
