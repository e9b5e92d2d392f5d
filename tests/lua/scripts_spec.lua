--- The scripts of examples/lua that fetch and filter mail, and the demonstration, run as they stand: what they do, and
-- how they fail.

local scripts = require "scripts"

local folder

before_each(function() folder = scripts.begin() end)

after_each(function() scripts.finish() end)

-- fetch_maildir.lua, which says when it is through with the first message.
local TELLING = [[-e 'local poplin = require "poplin"
  local fetch = poplin.fetch
  function poplin.fetch(url, options)
    function options.progress(now)
      if now.messages_done == 1 then
        print "one is done"
        io.stdout:flush()
      end
    end
    return fetch(url, options)
  end' examples/lua/fetch_maildir.lua]]

describe("fetch_maildir.lua", function()
  local maildir, server, url

  before_each(function()
    maildir = folder .. "/Maildir"
    server, url = scripts.mail_server()
  end)

  after_each(function() server:close() end)

  local function before(settings)
    return "export XDG_STATE_HOME=" .. folder .. "; " .. (settings or "")
  end

  local function fetch(options, settings)
    local arguments = table.concat({ options or "", url, maildir, folder .. "/ca.pem" }, " ")
    return scripts.run("fetch_maildir.lua", arguments, before(settings))
  end

  it("takes what is new, once, and leaves it on the server", function()
    assert.are.same({ 0, "3 messages fetched, 183 octets\n" }, { fetch() })
    local names = scripts.names_in(maildir .. "/new")
    assert.are.equal(3, #names)
    scripts.contains(scripts.read(maildir .. "/new/" .. names[1]), "@example.org>\nSubject: message ")
    assert.are.same({}, scripts.names_in(maildir .. "/tmp"))
    assert(os.rename(maildir .. "/new/" .. names[1], maildir .. "/cur/" .. names[1] .. ":2,S"))
    assert(os.remove(maildir .. "/new/" .. names[2]))
    assert(server:deliver("alice", "Subject: message 4\r\n\r\n"))
    assert.are.same({ 0, "1 message fetched, 22 octets; 3 known from before\n" }, { fetch() })
    assert.are.equal(2, #scripts.names_in(maildir .. "/new"))
    assert.are.equal(scripts.ALL .. ", message 4", scripts.subjects_on(server))
  end)

  it("deletes where it is told to, what came before too", function()
    assert.are.equal(0, (fetch()))
    assert(server:deliver("alice", "Subject: message 4\r\n\r\n"))
    assert.are.same({ 0, "1 message fetched, 22 octets; 4 deleted on the server; 3 known from before\n" },
      { fetch("--delete") })
    assert.are.equal("", scripts.subjects_on(server))
    assert.are.equal(4, #scripts.names_in(maildir .. "/new"))
    server.sessions[2]:assert_quit():assert_no_cleartext_secret()
  end)

  it("deletes nothing where the mail cannot be written", function()
    scripts.write(maildir, "")
    local status, said = fetch("--delete")
    assert.are.equal(75, status, said)
    scripts.contains(said, maildir)
    assert.are.equal(scripts.ALL, scripts.subjects_on(server))
  end)

  it("goes on where a lost connection stopped it", function()
    server:fault("RETR", { nth = 2, drop_after = 10, times = 1 })
    local status, said = fetch("--delete")
    assert.are.equal(75, status, said)
    assert.are.equal(scripts.ALL, scripts.subjects_on(server))
    assert.are.equal(1, #scripts.names_in(maildir .. "/new"))
    assert.are.equal(0, (fetch("--delete")))
    assert.are.equal("", scripts.subjects_on(server))
    assert.are.equal(3, #scripts.names_in(maildir .. "/new"))
  end)

  it("tells of a message that did not come", function()
    server:fault("RETR", { message = 2, refuse = "damaged", times = 1 })
    local status, said = fetch("--delete")
    assert.are.equal(1, status)
    scripts.contains(said, "2 messages fetched, 122 octets; 2 deleted on the server; 1 failed\nmessage 2: ")
    assert.are.equal("message 2", scripts.subjects_on(server))
    assert.are.equal(0, (fetch("--delete")))
  end)

  it("may be interrupted", function()
    server:fault("RETR", { nth = 2, stall_before = true, times = 1 })
    local process, pid = scripts.start(TELLING, table.concat({ "--delete", url, maildir, folder .. "/ca.pem" }, " "),
      before())
    assert.are.equal("one is done", process:read("l"))
    scripts.interrupt(pid)
    local status, said = scripts.ended(process)
    assert.are.equal(130, status, said)
    scripts.contains(said, "interrupted!")
    assert.are.equal(scripts.ALL, scripts.subjects_on(server))
    scripts.wait_for(server, function(session) return session.outcome end)
    assert.are.equal(0, (fetch("--delete")))
    assert.are.equal("", scripts.subjects_on(server))
    assert.are.equal(3, #scripts.names_in(maildir .. "/new"))
  end)

  it("says what is wrong, and whether another run may do better", function()
    local status, said = fetch(nil, "PASSWORD=other; ")
    assert.are.equal(1, status)
    scripts.contains(said, "did not accept the credentials")
    status, said = scripts.run("fetch_maildir.lua", url .. " " .. maildir, before())
    assert.are.equal(1, status)
    scripts.contains(said, "certificate")
    status, said = scripts.run("fetch_maildir.lua", scripts.UNUSED .. " " .. maildir, before())
    assert.are.equal(75, status)
    scripts.contains(said, "Connection refused")
    status, said = scripts.run("fetch_maildir.lua", "pop3s://localhost " .. maildir, before())
    assert.are.equal(1, status)
    scripts.contains(said, "a user is needed")
    server:fault("PASS", { refuse = "[IN-USE] busy" })
    server:fault("AUTH", { refuse = "[IN-USE] busy" })
    assert.are.equal(75, (fetch()))
    assert.are.equal(2, (scripts.run("fetch_maildir.lua", url, before())))
    assert.are.equal(2, (scripts.run("fetch_maildir.lua", "", "exec env -u POPLIN_PASSWORD lua5.4 "
      .. "examples/lua/fetch_maildir.lua " .. url .. " " .. maildir .. "; ")))
    assert.are.same({}, scripts.names_in(maildir .. "/new"))
  end)
end)

describe("filter.lua", function()
  local server, url

  before_each(function() server, url = scripts.mail_server() end)

  after_each(function() server:close() end)

  local function filter(options, rules, before)
    scripts.write(folder .. "/rules.lua", rules)
    local arguments = table.concat({ options, url, folder .. "/rules.lua", folder .. "/ca.pem" }, " ")
    return scripts.run("filter.lua", arguments, before)
  end

  local RULES = [[return {
    { name = "the second", subject = "message %d", from = "bob%-2" },
    { name = "large", match = function(message) return message.octets > 1000 end },
  }]]

  it("shows what it would delete, and deletes it where it is told to", function()
    assert(server:deliver("alice", "Subject: \27[31mred\xc2\x9b\r\n\r\n" .. ("long\r\n"):rep(200)))
    local shown = "the second\tBob <bob-2@example.org>\tmessage 2\nlarge\t\t?[31mred?\n"
    assert.are.same({ 0, shown .. "2 would be deleted\n" }, { filter("", RULES) })
    assert.are.equal(4, #server:messages("alice"))
    assert.are.same({ 0, shown .. "2 deleted\n" }, { filter("--delete", RULES) })
    assert.are.equal("message 1, message 3", scripts.subjects_on(server))
    for i = 1, 2 do
      server.sessions[i]:assert_quit():assert_retrieved():assert_no_cleartext_secret()
    end
  end)

  it("has rules of its own", function()
    server:close()
    server, url = scripts.mail_server { tls = "never" }
    assert(server:deliver("alice", "From: <Builds@CI.example.org>\r\nSubject: Succeeded: all\r\n\r\n"))
    assert(server:deliver("alice", "From: <builds@ci.example.org>\r\nSubject: failed: some\r\n\r\n"))
    assert(server:deliver("alice", "List-Id: other\r\nList-Id: The news <news.example.org>\r\n\r\n"))
    local status, said = scripts.run("filter.lua", url)
    assert.are.equal(0, status, said)
    assert.are.equal("builds that went well\t<Builds@CI.example.org>\tSucceeded: all\nnews\t\t\n2 would be deleted\n",
      said)
  end)

  it("leaves a message alone whose header cannot be had", function()
    server:fault("TOP", { message = 2, refuse = "no" })
    local status, said = filter("--delete", [[return { { name = "all", subject = "." } }]])
    assert.are.equal(1, status, said)
    scripts.contains(said, "message 2 stays: ")
    scripts.contains(said, "2 deleted\n")
    assert.are.equal("message 2", scripts.subjects_on(server))
  end)

  it("deletes nothing where the connection is lost", function()
    server:fault("TOP", { nth = 3, drop_before = true })
    assert.are.equal(75, (filter("--delete", [[return { { name = "all", subject = "." } }]])))
    assert.are.equal(scripts.ALL, scripts.subjects_on(server))
  end)

  it("may be interrupted, and then deletes nothing", function()
    scripts.write(folder .. "/rules.lua", [[return { { name = "all", subject = "." } }]])
    server:fault("TOP", { nth = 2, stall_before = true })
    local process, pid = scripts.start("filter.lua", "--delete " .. url .. " " .. folder .. "/rules.lua " .. folder
      .. "/ca.pem")
    scripts.wait_for(server, function(session) return session.marked[1] end)
    scripts.interrupt(pid)
    assert.are.equal(130, (scripts.ended(process)))
    assert.are.equal(scripts.ALL, scripts.subjects_on(server))
  end)

  it("says what is wrong, before it asks the server where that can be", function()
    for rules, said in pairs {
      ["return { { name = 'all' } }"] = "rule 1 needs a name, and a pattern",
      ["return { { subject = 'x' } }"] = "rule 1 needs a name",
      ["return { { name = 'bad', subject = '[x' } }"] = "bad pattern for subject",
      ["return {"] = "rules.lua:1",
    } do
      local status, text = filter("--delete", rules)
      assert.are.equal(1, status)
      scripts.contains(text, said)
    end
    assert.are.equal(0, #server.sessions)
    local status, said = filter("", RULES, "PASSWORD=other; ")
    assert.are.equal(1, status)
    scripts.contains(said, "did not accept the credentials")
    assert.are.equal(75, (scripts.run("filter.lua", scripts.UNUSED)))
    assert.are.equal(2, (scripts.run("filter.lua", "--delete")))
  end)
end)

describe("the demonstration", function()
  it("fetches with progress", function()
    local server <close>, url = scripts.mail_server()
    local process = assert(io.popen("exec 2>&1; POPLIN_PASSWORD=secret exec lua5.4 examples/demo/fetch.lua "
      .. server.url .. " " .. folder .. "/ca.pem alice"))
    local status, said = scripts.ended(process)
    assert.are.equal(0, status, said .. url)
    scripts.contains(said, "TLS1.3")
    scripts.contains(said, "[" .. ("#"):rep(30) .. "] 3 of 3 messages")
  end)
end)
