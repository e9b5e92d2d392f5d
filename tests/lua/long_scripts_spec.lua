--- The scripts of examples/lua that go on until they are interrupted, run as they stand: what they do, and how they
-- fail. What they have to wait for is waited for, and nothing is timed: watch.lua asks the test how long to sleep.

local lfs = require "lfs"
local poplin = require "poplin"
local testing = require "poplin.testing"
local scripts = require "scripts"
local support = require "support"

local folder

before_each(function() folder = scripts.begin() end)

after_each(function() scripts.finish() end)

describe("watch.lua", function()
  -- Says how long it would sleep, and waits for a line.
  local WITH_THE_TEST = [[-e 'require("poplin").sleep = function(seconds)
    print("waits " .. seconds)
    io.stdout:flush()
    if not io.read("l") then error("interrupted!", 0) end
  end' examples/lua/watch.lua]]

  local server, url, process, go

  local function watch(seconds, before)
    assert(os.execute("mkfifo " .. folder .. "/go"))
    process = scripts.start(WITH_THE_TEST, url .. " " .. folder .. "/seen " .. seconds .. " " .. folder .. "/ca.pem < "
      .. folder .. "/go", before)
    go = assert(io.open(folder .. "/go", "w"))
  end

  -- What it says until it waits, lines joined with "|".
  local function says()
    local lines = {}
    for line in process:lines() do
      table.insert(lines, line)
      if line:find("^waits") then
        break
      end
    end
    return table.concat(lines, "|")
  end

  local function on()
    assert(go:write("\n"))
    assert(go:flush())
    return says()
  end

  -- Interrupts it while it waits.
  local function stop()
    go:close()
    local status, said = scripts.ended(process)
    assert.are.equal(130, status, said)
    assert(os.remove(folder .. "/go"))
  end

  after_each(function() server:close() end)

  it("runs a function for each new message, once, over restarts too", function()
    server, url = scripts.mail_server()
    watch(60)
    assert.are.equal("waits 60", says()) -- what has come before is not new
    assert(server:deliver("alice", "Subject: =?utf-8?Q?gr=C3=BCn=1B?=\r\n\r\n"))
    assert(server:deliver("alice", "\r\nno header\r\n"))
    assert.are.equal("new: grün?|new: no subject|waits 60", on())
    assert.are.equal("waits 60", on())
    server:clear("alice")
    assert.are.equal("waits 60", on())
    stop()
    assert.are.equal("", scripts.read(folder .. "/seen")) -- forgets what is gone
    assert(server:deliver("alice", "Subject: meanwhile\r\n\r\n"))
    watch(60)
    assert.are.equal("new: meanwhile|waits 60", says())
    stop()
    for _, session in ipairs(server.sessions) do
      session:assert_quit():assert_deleted():assert_no_cleartext_secret()
    end
  end)

  it("comes back, later and later, where it fails for a time", function()
    server, url = scripts.mail_server()
    watch(1000)
    assert.are.equal("waits 1000", says())
    assert(server:deliver("alice", "Subject: new\r\n\r\n"))
    local gone <close> = server:fault("GREETING", { drop_before = true })
    for _, seconds in ipairs { 2000, 3600, 3600 } do
      local said = on()
      scripts.contains(said, "; again in " .. seconds .. " s|waits " .. seconds)
    end
    gone:remove()
    server:fault("TOP", { refuse = "not now", times = 1 })
    local said = on()
    scripts.contains(said, " is tried again: ")
    scripts.contains(said, "|waits 1000")
    assert.are.equal("new: new|waits 1000", on())
    stop()
  end)

  -- holds: POP-RESP-5 C
  it("logs in no sooner than the server permits", function()
    server, url = scripts.mail_server { login_delay = 900 }
    watch(5)
    assert.are.equal("waits 900", says())
    scripts.contains(on(), "wait 900 s before the next login") -- the server's clock is not moved
    server.clock:advance(900)
    assert.are.equal("waits 900", on())
    stop()
  end)

  it("is interrupted in its sleep", function()
    server, url = scripts.mail_server()
    local pid
    process, pid = scripts.start("watch.lua", url .. " " .. folder .. "/seen 3600 " .. folder .. "/ca.pem")
    scripts.wait_for(server, function(session) return session.outcome end)
    scripts.interrupt(pid)
    local status, said = scripts.ended(process)
    assert.are.equal(130, status, said)
    assert.are.equal(3, select(2, scripts.read(folder .. "/seen"):gsub("\n", "")))
  end)

  it("sleeps, and looks again", function()
    server, url = scripts.mail_server()
    local pid
    process, pid = scripts.start("watch.lua", url .. " " .. folder .. "/seen 0.001 " .. folder .. "/ca.pem")
    scripts.wait_for(server, function() return server.sessions[2] end)
    assert(server:deliver("alice", "Subject: new\r\n\r\n"))
    assert.are.equal("new: new", process:read("l"))
    scripts.interrupt(pid)
    assert.are.equal(130, (scripts.ended(process)))
  end)

  it("ends where another attempt would not help", function()
    server, url = scripts.mail_server()
    local rest = url .. " " .. folder .. "/seen 60 " .. folder .. "/ca.pem"
    local status, said = scripts.run("watch.lua", rest, "PASSWORD=other; ")
    assert.are.equal(1, status)
    scripts.contains(said, "did not accept the credentials")
    assert.are.equal(1, #server.sessions)
    status, said = scripts.run("watch.lua", url .. " /dev/null/seen 60")
    assert.are.equal(1, status)
    scripts.contains(said, "/dev/null/seen")
    assert.are.equal(2, (scripts.run("watch.lua", url)))
    assert.are.equal(2, (scripts.run("watch.lua", url .. " " .. folder .. "/seen soon")))
  end)
end)

-- Starts a server: its process, id and URL.
local function serving(script, arguments)
  local process, pid = scripts.start(script, arguments)
  local line = process:read("l")
  return process, pid, line:match("^serving at (%S+);") or error(line)
end

describe("the servers", function()
  local process, pid, url

  local function connect(options)
    local settings = { user = "alice", password = "secret" }
    for name, value in pairs(options or {}) do
      settings[name] = value
    end
    return poplin.connect(url, settings)
  end

  local function texts(pop)
    local found = {}
    for message in pop:retr_all() do
      table.insert(found, message.data)
    end
    return found
  end

  -- Interrupts the server; what it said.
  local function stopped()
    scripts.interrupt(pid)
    local status, said = scripts.ended(process)
    assert.are.equal(130, status, said)
    return said
  end

  it("serve a table", function()
    process, pid, url = serving("serve_table.lua", "0")
    local pop = assert(connect())
    local found = texts(pop)
    assert.are.equal(2, #found)
    scripts.contains(found[1], "Subject: started\r\n")
    scripts.contains(found[2], "poplin's work.\r\n")
    scripts.contains(found[2], "\r\n.\r\n")
    assert(pop:dele(1))
    assert(pop:quit())
    pop = assert(connect())
    local messages = assert(pop:messages())
    assert.are.equal(1, #messages)
    assert.are.equal("hint", (messages[1]:header("subject")))
    assert(pop:quit())
    local refused, err = connect { password = "other" }
    assert.is_nil(refused)
    assert.are.equal("auth", err.kind)
    scripts.contains(stopped(), "a session ended: committed; 1 left\n")
  end)

  it("serve the files of a folder", function()
    local mail = folder .. "/mail"
    assert(lfs.mkdir(mail))
    assert(lfs.mkdir(mail .. "/inner"))
    scripts.write(mail .. "/1 (ä)", "Subject: 1\n\none\n.\n")
    scripts.write(mail .. "/2", "Subject: 2\n\ntwo\n")
    scripts.write(mail .. "/3", "Subject: 3\n\nthree\n")
    scripts.write(mail .. "/.4", "Subject: 4\n\nfour\n")
    assert(lfs.link(mail .. "/3", mail .. "/5"))
    assert(lfs.link("/etc/passwd", mail .. "/6", true))
    scripts.write(folder .. "/cert.pem", support.certificate.cert_pem)
    scripts.write(folder .. "/key.pem", support.certificate.key_pem)
    process, pid, url = serving("serve_files.lua", mail .. " 0 " .. folder .. "/cert.pem " .. folder .. "/key.pem")
    local tls = { ca_pem = support.certificate.ca_pem }
    local pop = assert(connect(tls))
    assert.are.same({ "Subject: 1\r\n\r\none\r\n.\r\n", "Subject: 2\r\n\r\ntwo\r\n", "Subject: 3\r\n\r\nthree\r\n" },
      texts(pop))
    assert(pop:dele(1))
    assert(pop:dele(2))
    assert(os.rename(mail .. "/.4", mail .. "/2")) -- another message takes its place
    local text, err = pop:retr(3)
    assert.is_truthy(text, err)
    assert(pop:quit())
    assert.are.same({ "2", "3", "5", "6", "inner" }, scripts.names_in(mail))
    pop = assert(connect(tls))
    assert.are.same({ "Subject: 4\r\n\r\nfour\r\n", "Subject: 3\r\n\r\nthree\r\n" }, texts(pop))
    assert(os.remove(mail .. "/2"))
    text, err = pop:retr(1)
    assert.is_nil(text)
    assert.are.equal("refused", err.kind)
    support.warnings(function()
      assert(pop:dele(2))
      pop:close()
    end)
    pop = assert(connect(tls))
    assert.are.equal(1, (pop:stat()))
    assert(pop:quit())
    assert(os.rename(mail, folder .. "/away"))
    text, err = connect(tls)
    assert.is_nil(text)
    assert.are.equal("temporary", err.kind)
    local said = stopped()
    scripts.contains(said, "a session ended: dropped")
    scripts.contains(said, "cannot open " .. mail) -- for the owner only
    assert.is_nil(err.text:find(mail, 1, true))
  end)

  it("serve a Maildir", function()
    local maildir = scripts.new_maildir()
    scripts.write(maildir .. "/new/1.a", "Subject: 1\n\none\n")
    scripts.write(maildir .. "/cur/2.b:2,S", "Subject: 2\n\ntwo\n")
    process, pid, url = serving("serve_maildir.lua", maildir .. " 0")
    local pop = assert(connect())
    assert.are.same({ "Subject: 1\r\n\r\none\r\n", "Subject: 2\r\n\r\ntwo\r\n" }, texts(pop))
    assert(pop:dele(2))
    assert(pop:quit())
    assert.are.same({}, scripts.names_in(maildir .. "/cur"))
    stopped()
  end)

  it("say what is wrong", function()
    local occupied <close> = assert(testing.Server { users = {} })
    assert(lfs.mkdir(folder .. "/mail"))
    for script, where in pairs { ["serve_table.lua"] = "", ["serve_files.lua"] = folder .. "/mail ",
      ["serve_maildir.lua"] = scripts.new_maildir() .. " " } do
      local status, said = scripts.run(script, where .. occupied.port)
      assert.are.equal(1, status, said)
      scripts.contains(said, "in use")
      assert.are.equal(1, (scripts.run(script, where .. "0 " .. folder .. "/none.pem " .. folder .. "/none.pem")))
      assert.are.equal(2, (scripts.run(script, where)))
    end
    for script, reason in pairs { ["serve_files.lua"] = "is no folder", ["serve_maildir.lua"] = "/none" } do
      local status, said = scripts.run(script, folder .. "/none 0")
      assert.are.equal(1, status)
      scripts.contains(said, reason)
    end
  end)
end)

