--- poplin.fetch: what is taken, what stays and what is deleted, as the options say.

local lfs = require "lfs"
local socket = require "socket"
local poplin = require "poplin"
local testing = require "poplin.testing"
local fetching = require "fetching"
local kit = require "kit"
local wishes = require "poplin.fetch.wishes"

local ALL = fetching.ALL
local DAY = 86400

local folder

before_each(function() folder = fetching.begin() end)

after_each(function() fetching.finish() end)

describe("a fetch", function()
  -- holds: T-DLV-1 C
  it("takes what is new, once, and leaves it on the server", function()
    local server = fetching.serve(3)
    local report = assert(fetching.fetch())
    assert.are.equal("3 messages fetched, 90 octets", tostring(report))
    assert.are.equal(ALL, fetching.subjects())
    local name = report.messages[1].places[1]
    local file <close> = assert(io.open(folder .. "/Maildir/new/" .. name, "rb"))
    assert.are.equal("Subject: message 1\n\nbody 1\n", file:read("a"))
    assert(os.rename(folder .. "/Maildir/new/" .. name, folder .. "/Maildir/cur/" .. name .. ":2,S"))
    assert(os.remove(folder .. "/Maildir/new/" .. report.messages[2].places[1]))
    assert(server:deliver("alice", "Subject: message 4\r\n\r\n"))
    assert.are.equal("1 message fetched, 22 octets; 3 known from before", fetching.told())
    assert.are.equal("message 1, message 3, message 4", fetching.subjects())
    assert.are.equal(ALL .. ", message 4", fetching.left())
    assert.are.equal("0 messages fetched, 0 octets; 4 known from before", fetching.told())
    server.sessions[3]:assert_quit()
    assert.are.same({}, server.sessions[3].retrieved)
  end)

  it("reports each message and their sums", function()
    local server = fetching.serve(2)
    local report = assert(fetching.fetch { keep = "none" })
    local uid = server.sessions[1].retrieved[1]
    local first = report.messages[1]
    assert.are.same({ 1, uid, 30, "delivered", true, false },
      { first.number, first.uid, first.octets, first.result, first.deleted, first.resumed })
    assert.are.equal("message 1: delivered", tostring(first))
    assert.are.equal(1, #first.places)
    assert.is_nil(first.error)
    assert.are.same({ 2, 2, 0, 0, 2, 0, 60, false }, { report.delivered, report.deleted, report.skipped, report.failed,
      report.listed, report.known, report.octets, report.dry_run })
    assert.are.equal("2 messages fetched, 60 octets; 2 deleted on the server", tostring(report))
    assert.are.equal("alice@127.0.0.1:" .. server.port, report.account)
  end)

  it("keeps none: what is safe is deleted, what came before too", function()
    local server = fetching.serve(3)
    assert(fetching.fetch { limit = 1 })
    local report = assert(fetching.fetch { keep = "none" })
    assert.are.same({ "expired", "delivered", "delivered" }, fetching.results(report))
    assert.are.equal("", fetching.left())
    assert.are.equal(ALL, fetching.subjects())
    server.sessions[2]:assert_order("UIDL", "RETR 2", "DELE 3", "QUIT")
    for _, step in pairs(fetching.steps()) do
      assert.are.equal("confirmed", step)
    end
  end)

  it("keeps mail for so many days since it was first seen", function()
    fetching.serve(3)
    assert(fetching.fetch { keep = "14d" })
    local days = { 15, 14, 13 }
    fetching.steps(function(record)
      record.first_seen = record.first_seen - table.remove(days, 1) * DAY
    end)
    local report = assert(fetching.fetch { keep = "14d" })
    assert.are.same({ "expired", "expired" }, fetching.results(report))
    assert.are.equal("delivered before, and kept on the server as long as it should be", report.messages[1].reason)
    assert.are.equal("message 3", fetching.left())
  end)

  it("takes no more than a limit, the newest first where that is wanted", function()
    fetching.serve(3)
    assert.are.equal("1 message fetched, 30 octets", fetching.told { limit = 1 })
    assert.are.equal("message 1", fetching.subjects())
    assert(fetching.fetch { limit = 1, newest_first = true })
    assert.are.equal("message 1, message 3", fetching.subjects())
  end)

  it("leaves what is too large, or takes its header, once", function()
    local server = fetching.serve(1)
    assert(server:deliver("alice", "Subject: large\r\n\r\n" .. ("x"):rep(1000) .. "\r\n"))
    local report = assert(fetching.fetch { max_octets = 1000, keep = "none" })
    assert.are.same({ "delivered", "too large" }, fetching.results(report))
    assert.are.equal("larger than max_octets", report.messages[2].reason)
    assert.are.equal("large", fetching.left())
    local headers_only
    local function take(message)
      headers_only = message.headers_only
      return true
    end
    local options = { max_octets = 1000, large = "headers", keep = "none", into = { folder .. "/Maildir", take } }
    report = assert(fetching.fetch(options))
    assert.are.same({ "headers" }, fetching.results(report))
    assert.is_true(headers_only)
    assert.are.equal("large, message 1", fetching.subjects())
    assert.are.same({}, assert(fetching.fetch(options)).messages)
    assert.are.equal("large", fetching.left())
    assert.are.equal(1, assert(fetching.fetch { keep = "none" }).delivered)
    assert.are.equal("", fetching.left())
  end)

  it("says what it would do, and does nothing", function()
    local server = fetching.serve(3)
    local report = assert(fetching.fetch { dry_run = true, keep = "none", limit = 2 })
    assert.are.equal("2 messages would be fetched; 2 would be deleted on the server", tostring(report))
    assert.is_true(report.dry_run)
    assert.are.equal(ALL, fetching.left())
    assert.is_nil(lfs.attributes(folder .. "/Maildir"))
    assert.is_nil(lfs.attributes(folder .. "/seen.db"))
    assert.are.same({}, server.sessions[1].retrieved)
    assert(fetching.fetch())
    assert.are.equal("0 messages would be fetched; 3 would be deleted on the server; 3 known from before",
      fetching.told { dry_run = true, keep = "none" })
    assert.are.equal("delivered", select(2, next(fetching.steps())))
  end)

  it("commits as it goes, when the server lets it log in again", function()
    local server = fetching.serve(5, { login_delay = 60 })
    local waited, left, report = 0, {}, nil
    local fetch = poplin.spawn(function()
      report = assert(fetching.fetch { keep = "none", commit_every = 2, timeout = 100000 })
    end)
    while not fetch.finished do
      poplin.step(0)
      local sessions = server.sessions
      if #sessions > 0 and sessions[#sessions].outcome then
        left[#sessions] = fetching.left()
        testing.advance(1)
        waited = waited + 1
      end
    end
    assert.are.equal("5 messages fetched, 150 octets; 5 deleted on the server", tostring(report))
    assert.are.same({ "message 3, message 4, message 5", "message 5" }, { left[1], left[2] })
    assert(waited >= 118, waited)
    assert.are.equal(3, #server.sessions)
    assert.are.equal("", fetching.left())
  end)

  it("tells how far it is", function()
    local server, told = fetching.serve(3), {}
    assert(server:deliver("alice", "Subject: large\r\n\r\n" .. (("x"):rep(1000) .. "\r\n"):rep(3000)))
    assert(fetching.fetch { progress = function(progress) table.insert(told, progress) end })
    assert.are.same({ 4, 4, 0, 4 }, { told[1].messages_to_do, told[1].listed, told[1].known,
      told[#told].messages_done })
    assert.is_true(#told >= 6) -- the large one is told of meanwhile
    for i = 2, #told do
      assert.is_true(told[i].octets_done >= told[i - 1].octets_done and told[i].octets_done <= told[i].octets_to_do)
    end
    assert.are.equal(3006108, told[#told].octets_done)
    assert(fetching.fetch { keep = "none", progress = function(progress) told = progress end })
    assert.are.same({ 4, 4 }, { told.known, told.deleted })
  end)
end)

describe("what is remembered", function()
  it("is by account: server, port and user unless it is named", function()
    local server = fetching.serve(1)
    assert(fetching.fetch())
    assert(server:add_user("bob", "secret"))
    assert(server:deliver("bob", "Subject: bob's\r\n\r\n"))
    assert(fetching.fetch { user = "bob" })
    assert.are.equal(1, assert(fetching.fetch { account = "another" }).delivered)
    local seen <close> = assert(poplin.seen(folder .. "/seen.db"))
    local place = "@127.0.0.1:" .. server.port
    assert.are.same({ ["alice" .. place] = 1, ["bob" .. place] = 1, another = 1 }, seen:accounts())
  end)

  it("has accounts that differ where maildrops do", function()
    local function account(url, options)
      options.into = folder
      options.user = options.user or "al@b"
      return assert(wishes.read(url, options)).account
    end
    assert.are.equal("al@b@mail.example.org", account("pop3s://MAIL.example.org", {}))
    assert.are.equal("al@b@mail.example.org", account("pop3://Mail.example.org:995", {}))
    assert.are.equal("al@b@mail.example.org:996", account("mail.example.org:996", {}))
    assert.are.equal("al@b@[::1]:1995", account("pop3s://[::1]:1995", {}))
    assert.are.equal("carol@mail.example.org", account("pop3s://mail.example.org", { authorize = "carol" }))
    assert.are.equal("one@mail.example.org", account("mail.example.org", { user = { "one", "two" } }))
    assert.are.equal("al@b@/run/pop.sock", account(nil, { path = "/run/pop.sock" }))
    assert.are.equal("mine", account("mail.example.org", { account = "mine" }))
  end)

  it("is below the user's state folder where nothing else is said", function()
    local server = fetching.serve(1, { background = true })
    local script = folder .. "/fetch.lua"
    kit.write(script, [[
      local poplin = require "poplin"
      print(poplin.fetch(arg[1], { user = "alice", password = "secret", into = arg[2] }))
    ]])
    local function run(settings)
      local process <close> = assert(io.popen(settings .. " lua5.4 " .. script .. " " .. server.url .. " " .. folder
        .. "/Maildir 2>&1"))
      return process:read("a")
    end
    kit.contains(run("env -u XDG_STATE_HOME HOME=" .. folder), "1 message fetched")
    kit.contains(run("XDG_STATE_HOME=relative HOME=" .. folder), "1 known from before")
    assert.are.equal("rwx------", lfs.attributes(folder .. "/.local/state/poplin").permissions)
    kit.contains(run("XDG_STATE_HOME=" .. folder .. "/state"), "1 message fetched")
    assert.are.equal("rw-------", lfs.attributes(folder .. "/state/poplin/seen.sqlite").permissions)
    kit.contains(run("env -u HOME -u XDG_STATE_HOME"), "say where it is to be")
    kit.contains(run("XDG_STATE_HOME=" .. script), "cannot be made: Not a directory")
  end)

  it("may be in a store that is open already", function()
    fetching.serve(2)
    local seen <close> = assert(poplin.seen(folder .. "/seen.db"))
    assert(fetching.fetch { seen = seen, limit = 1 })
    assert(fetching.fetch { seen = seen })
    assert.are.equal(2, select(2, next(seen:accounts())))
    local report, err = fetching.fetch { seen = seen, account = "other", into = function()
      seen:close()
      return true
    end }
    assert.is_nil(report)
    kit.contains(err.text, "closed meanwhile")
  end)

  it("may be in a store of the script's own", function()
    fetching.serve(2)
    local kept, writes = {}, 0
    local store = {
      recall = function(_, account)
        assert.are.equal("mine", account)
        local records = {}
        for _, record in pairs(kept) do
          table.insert(records, record)
        end
        return records
      end,
      record = function(_, _, records)
        writes = writes + 1
        for _, record in ipairs(records) do
          kept[record.uid] = record.step and record
        end
        return true
      end,
    }
    assert.are.equal(2, assert(fetching.fetch { seen = store, account = "mine" }).delivered)
    assert.are.equal(2, writes) -- taken, delivered
    assert.are.equal(2, assert(fetching.fetch { seen = store, account = "mine", keep = "none" }).deleted)
    assert.are.equal("confirmed", select(2, next(kept)).step)
    store.record = function() return nil, "no room" end
    kept = {}
    fetching.serve(1)
    local report, problem = fetching.fetch { seen = store, account = "mine" }
    assert.is_nil(report)
    assert.are.equal("no room", problem)
    store.recall = function() return { { uid = "a\nb", step = "delivered" } } end
    kit.contains(select(2, fetching.fetch { seen = store, account = "mine" }).text, "what can be no record")
  end)

  it("may be in a store that answers what makes no sense", function()
    fetching.serve(1)
    local store = { recall = function() return {} end, record = function() end }
    local report, err = fetching.fetch { seen = store, account = "mine" }
    assert.is_nil(report)
    assert.are.same({ "io", "the seen store failed, and did not say why" }, { err.kind, err.text })
    for words, records in pairs {
      ["recall of a seen store must return an array of records, not a number"] = 1,
      ["what the seen store recalled: record: an array of records, each with a uid"] = { {} },
      ["no such step: x"] = { { uid = "a", step = "x" } },
    } do
      store.recall = function() return records end
      local ok, problem = pcall(fetching.fetch, { seen = store, account = "mine" })
      assert.is_false(ok)
      kit.contains(problem, words)
      assert.truthy(problem:find("fetch_spec.lua:%d+: poplin.fetch: "), problem)
    end
  end)

  it("may be in a store of the script's own that claims accounts", function()
    fetching.serve(1)
    local claimed, asked = {}, {}
    local store = {
      recall = function() return {} end,
      record = function() return true end,
      claim = function(self, account)
        table.insert(asked, account)
        if self.problem or claimed[account] then
          return nil, self.problem
        end
        claimed[account] = true
        return { close = function() claimed[account] = nil end }
      end,
    }
    local report, err
    assert.are.equal(1, assert(fetching.fetch { seen = store, account = "mine", into = function()
      assert.are.same({ mine = true }, claimed)
      report, err = fetching.fetch { seen = store, account = "mine" }
      return true
    end }).delivered)
    assert.is_nil(report)
    assert.are.equal("in_use", err.kind)
    kit.contains(err.text, " is under way: try again when that is done")
    assert.is_nil(fetching.fetch { seen = store, account = "mine", password = "wrong" })
    assert.has_error(function()
      fetching.fetch { seen = store, account = "mine", progress = function() error "enough" end }
    end)
    assert.are.same({}, claimed)
    assert.are.same({ "mine", "mine", "mine", "mine" }, asked)
    assert(fetching.fetch { seen = store, account = "mine", dry_run = true })
    assert.are.equal(4, #asked)
    store.problem = "the database is gone"
    assert.are.equal("the database is gone", select(2, fetching.fetch { seen = store, account = "mine" }))
    store.problem = poplin.IN_USE
    assert.are.equal("in_use", select(2, fetching.fetch { seen = store, account = "mine" }).kind)
  end)

  it("may be in a store of the script's own that has no claims, and no room for questions", function()
    fetching.serve(1)
    local store = setmetatable({
      recall = function() return {} end,
      record = function() return true end,
    }, { __index = function(_, name) error("no field " .. name) end })
    assert.are.equal(1, assert(fetching.fetch { seen = store, account = "mine" }).delivered)
    rawset(store, "claim", function() return true end)
    local ok, problem = pcall(fetching.fetch, { seen = store, account = "mine" })
    assert.is_false(ok)
    kit.contains(problem, "claim of a seen store must return an object with a method close, not a boolean")
  end)

  it("has to be a store", function()
    fetching.serve(1)
    kit.write(folder .. "/seen.db", ("x"):rep(4096))
    local report, err = fetching.fetch()
    assert.is_nil(report)
    kit.contains(err.text, "it is no SQLite file")
    assert.are.equal(0, err.report.delivered)
  end)
end)

describe("misuse", function()
  local function refused(words, options, url)
    local settings = { user = "alice", password = "secret", into = folder .. "/Maildir", seen = folder .. "/seen.db" }
    for name, value in pairs(options) do
      settings[name] = value ~= "none of it" and value or nil
    end
    local ok, problem = pcall(poplin.fetch, url or "pop3://127.0.0.1:1", settings)
    assert.is_false(ok)
    assert.truthy(tostring(problem):find("fetch_spec.lua:%d+: poplin.fetch: "), problem)
    kit.contains(problem, words)
  end

  it("is told in the name of the script's line, before anything is done", function()
    refused("did you mean into?", { inot = "x" })
    refused("into is the path of a Maildir", { into = "none of it" })
    refused("into is empty", { into = {} })
    refused("not a table with the field path", { into = { path = "x" } })
    refused("into is the path of a Maildir", { into = { 1 } })
    refused("or an array of these, not a nil", { into = { "x", nil, "y" } })
    refused("a path is not empty", { into = "" })
    refused("only a shell knows", { into = "~/Maildir" })
    refused("only a shell knows", { seen = "~/seen.db" })
    refused("seen must be a path", { seen = 1 })
    refused("seen must be a path", { seen = {} })
    for _, keep in ipairs { "14", "0d", "36501d", "1.5d", "-1d", "all", "99999999999d", 14 } do
      refused("keep must be", { keep = keep })
    end
    for _, name in ipairs { "limit", "max_octets", "commit_every" } do
      for _, value in ipairs { 0, -1, 1.5, "1", 2 ^ 64 } do
        refused(name .. " must be a whole number from 1", { [name] = value })
      end
    end
    refused("large must be", { large = "headrs", max_octets = 1 })
    refused("says nothing without max_octets", { large = "headers" })
    refused("filter must be a function", { filter = "x" })
    refused("progress must be a function", { progress = {} })
    refused("newest_first must be true or false", { newest_first = 1 })
    refused("account must be a string", { account = 1 })
    refused("an account is 1 to 1,000 octets", { account = "a\nb" })
    refused("a user is needed", { user = "none of it", password = "none of it" })
    refused("descriptor cannot", { descriptor = 1, commit_every = 1 })
    refused("tls must be", { tls = "some" })
    assert.is_nil(lfs.attributes(folder .. "/Maildir/new/x"))
    assert.has_error(function() poplin.fetch(nil, { into = "x" }) end)
    assert.has_error(function() poplin.fetch(1, { into = "x" }) end)
    assert.has_error(function() poplin.fetch("localhost", 1) end)
  end)

  it("of a finalizer is an error", function()
    local server = fetching.serve(1)
    local ok, problem
    setmetatable({}, { __gc = function()
      ok, problem = pcall(poplin.fetch, server.url, { user = "alice", password = "secret", into = "x" })
    end })
    collectgarbage()
    collectgarbage()
    assert.is_false(ok)
    kit.contains(problem, "finalizer")
  end)

  -- The message at which a session has ended is tried in one of its own, when the deletions are made.
  it("has but one session where it was given a descriptor", function()
    local server = fetching.serve(3, { background = true })
    server:fault("RETR", { message = 2, drop_after = 20, times = 2 })
    for _, kind in ipairs { "closed", "state" } do
      local link = assert(socket.connect(server.host, server.port))
      local descriptor = link:getfd()
      link:setfd(-1)
      local _, err = fetching.fetch { descriptor = descriptor, keep = "none" }
      assert.are.equal(kind, err.kind)
    end
    assert.are.equal("message 2", fetching.left())
    assert.are.equal(2, #server.sessions)
  end)

  it("of whom there is no password fails for the function's own reason", function()
    local server = fetching.serve(1)
    for _, name in ipairs { "password", "token" } do
      local report, err = poplin.fetch(server.url, {
        user = "alice", [name] = function() return nil, "the vault is locked" end,
        into = folder .. "/Maildir", seen = folder .. "/seen.db",
      })
      assert.is_nil(report)
      assert.are.equal("the vault is locked", err)
    end
    assert.are.equal("1 message fetched, 30 octets", fetching.told())
  end)

  it("of a URL is told by connect", function()
    local report, err = poplin.fetch("imap://localhost", { user = "alice", password = "x", into = folder })
    assert.is_nil(report)
    assert.are.equal("protocol", err.kind)
    assert.has_error(function()
      poplin.fetch("localhost", { user = "alice", into = folder .. "/Maildir", seen = folder .. "/seen.db" })
    end)
  end)
end)
