--- The test server: how it is made, what it holds, how it ends; and its certificates.

local poplin = require "poplin"
local testing = require "poplin.testing"
local kit = require "kit"
local support = require "support"

local MAIL, USERS, start, take_all, contains, new_folder, write, connect =
  kit.MAIL, kit.USERS, kit.start, kit.take_all, kit.contains, kit.new_folder, kit.write, support.connect

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

  each("offers what auth names, and by default what is quick", function(options)
    local function offers(of)
      of.background = options.background
      local server <close> = start(of)
      local pop <close> = assert(poplin.connect(server.url))
      local capabilities = assert(pop:capa())
      return (capabilities.USER and "USER " or "") .. table.concat(capabilities.SASL, " ")
    end
    assert.are.equal("USER PLAIN", offers {})
    assert.are.equal("USER OAUTHBEARER XOAUTH2 PLAIN", offers { tokens = { alice = "ya29.new" } })
    assert.are.equal("SCRAM-SHA-256", offers { tokens = { alice = "ya29.new" }, auth = { "SCRAM-SHA-256" } })
    assert.are.equal("USER SCRAM-SHA-256 SCRAM-SHA-1 PLAIN", offers { auth = "*" })
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
      { backend = { token = print, maildrop = print }, tokens = {} },
      { users = USERS, tokens = { bob = "x" } }, { users = USERS, tokens = { alice = 1 } }, { tokens = "x" },
      { tokens = { alice = "x" } },
      { auth = "GSSAPI" }, { auth = "GSSAPI", background = true }, { auth = 12 }, { auth = "XOAUTH2", users = USERS },
      { name = 12 }, { pepper = 12 }, { iterations = "x" }, { failed_login_delay = -1 }, { login_delay = 0.5 },
      { client_ca_pem = "x" },
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
