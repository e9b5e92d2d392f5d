--- poplin.fetch: where messages go, functions of the script's among it, and what a filter says.

local lfs = require "lfs"
local core = require "poplin.core"
local poplin = require "poplin"
local fetching = require "fetching"
local kit = require "kit"
local support = require "support"

local ALL = fetching.ALL

local folder

before_each(function() folder = fetching.begin() end)

after_each(function() fetching.finish() end)

describe("a function", function()
  it("gets each message as it came", function()
    local server = fetching.serve(1)
    assert(server:deliver("alice", "From: Bob <bob@example.org>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\n"
      .. ".\r\n\0\xff"))
    local messages = {}
    local report = assert(fetching.fetch { into = function(message)
      table.insert(messages, message)
      return true
    end })
    local first, second = table.unpack(messages)
    assert.are.same({ 1, 30, false, false, report.account, report.messages[1].uid, support.messages(1)[1][2] },
      { first.number, first.octets, first.headers_only, first.resumed, first.account, first.uid, first.data })
    assert.are.equal("poplin.incoming 1 (30 octets)", tostring(first))
    assert.are.equal("grüße", second:header "subject")
    assert.are.same({ "Bob <bob@example.org>" }, second:headers "from")
    kit.contains(second.data, "\r\n\r\n.\r\n\0\xff")
    assert.are.same({}, report.messages[1].places)
  end)

  -- holds: T-DLV-6 C
  it("gets messages without header, empty and of NULs alone, and so does a Maildir", function()
    local server = fetching.serve(0)
    for _, octets in ipairs { "", "\r\n", "\0", "\0\0\r\n", "no header\r\n" } do
      assert(server:deliver("alice", octets))
    end
    local got = {}
    local report = assert(fetching.fetch { keep = "none", into = { folder .. "/Maildir", function(message)
      table.insert(got, message.data)
      return message:header "subject" == nil
    end } })
    assert.are.equal(5, report.delivered, tostring(report))
    for i, file in ipairs(report.messages) do
      local handle <close> = assert(io.open(folder .. "/Maildir/new/" .. file.places[1], "rb"))
      assert.are.equal((got[i]:gsub("\r\n", "\n")), handle:read("a"))
    end
    assert.are.equal("", fetching.left())
  end)

  it("may say why by what nobody can read", function()
    fetching.serve(2)
    local problem = setmetatable({}, { __tostring = function() error("gotcha") end })
    local report = assert(fetching.fetch { keep = "none", into = function(message)
      return message.number == 2 or nil, problem
    end })
    assert.are.same({ "failed", "delivered" }, fetching.results(report))
    assert.are.equal(problem, report.messages[1].error)
    kit.contains(tostring(report), "message 1: an error object whose __tostring fails")
  end)

  -- holds: T-DLV-3 C
  it("holds back the deletion of what it does not take, and of nothing else", function()
    local server = fetching.serve(5)
    local problem = setmetatable({}, { __tostring = function() return "out of\norder" end })
    local answers = {
      function() return true end,
      function() return nil, "no room" end,
      function() error(problem) end,
      function() return "delivered" end,
      function() return nil, problem end,
    }
    local report = assert(fetching.fetch { keep = "none", into = function(message)
      return answers[message.number]()
    end })
    assert.are.same({ "delivered", "failed", "failed", "failed", "failed" }, fetching.results(report))
    assert.are.same({ 1, 4, 1 }, { report.delivered, report.failed, report.deleted })
    local reasons = {}
    for i, message in ipairs(report.messages) do
      reasons[i] = message.reason or "none"
    end
    assert.are.same({ "none", "no room", "out of\norder",
      "the function that it was delivered to returned delivered, and not true", "out of\norder" }, reasons)
    assert.are.equal(problem, report.messages[3].error)
    kit.contains(tostring(report), "4 failed\nmessage 2: no room\n")
    assert.are.equal("message 2, message 3, message 4, message 5", fetching.left())
    server.sessions[1]:assert_quit()
    local collect, taken = fetching.collector()
    assert(fetching.fetch { keep = "none", into = collect })
    assert.are.same({ "message 2", "message 3", "message 4", "message 5" }, taken)
    assert.are.equal("", fetching.left())
  end)

  it("is recorded, one message after the other", function()
    fetching.serve(3)
    local recorded = {}
    local function take(message)
      local delivered = 0
      for _, step in pairs(fetching.steps()) do
        delivered = delivered + (step == "delivered" and 1 or 0)
      end
      recorded[message.number] = delivered
      return true
    end
    assert(fetching.fetch { into = take })
    assert.are.same({ 0, 1, 2 }, recorded)
    assert(os.remove(folder .. "/seen.db"))
    assert(fetching.fetch { filter = function() return take end })
    assert.are.same({ 0, 1, 2 }, recorded)
  end)

  it("may use poplin itself, which waits", function()
    local server = fetching.serve(3)
    local other <close> = support.fixture(support.maildrop(support.messages(2)))
    local counts = {}
    local function count(message)
      local pop <close> = assert(support.connect(other))
      counts[message.number] = assert(pop:stat())
      poplin.sleep(0)
      return true
    end
    assert.are.equal(3, assert(fetching.fetch { into = count }).delivered)
    assert.are.same({ 2, 2, 2 }, counts)
    counts = {}
    local task = poplin.spawn(function()
      return assert(fetching.fetch { into = count, filter = function() return true end, account = "x", keep = "none" })
    end)
    assert.are.equal(3, task:join().deleted)
    assert.are.same({ 2, 2, 2 }, counts)
    server.sessions[2]:assert_quit()
  end)
end)

describe("several destinations", function()
  -- holds: T-DLV-3 C
  it("all get each message, also where one fails with it", function()
    fetching.serve(3)
    local collect, taken = fetching.collector()
    local fails = true
    local into = { folder .. "/one", function(message) return message.number ~= 2 or not fails end, collect,
      folder .. "/two", folder .. "/one" }
    local report = assert(fetching.fetch { keep = "none", into = into })
    assert.are.same({ "delivered", "failed", "delivered" }, fetching.results(report))
    assert.are.equal(2, #report.messages[2].places)
    assert.are.same({ "message 1", "message 2", "message 3" }, taken)
    assert.are.equal("message 2", fetching.left())
    fails = false
    assert(fetching.fetch { keep = "none", into = into })
    assert.are.same({ ALL, ALL }, { fetching.subjects "one", fetching.subjects "two" })
    assert.are.equal("message 2", taken[4]) -- twice: only in a Maildir is it known
    assert.are.equal("", fetching.left())
  end)

  -- holds: T-DLV-3 C
  it("may be Maildirs of which one is closed meanwhile", function()
    local open, opened = core.delivery, {}
    core.delivery = function(path)
      opened[path] = open(path)
      return opened[path]
    end
    finally(function() core.delivery = open end)
    fetching.serve(3)
    local into, count = { folder .. "/one", folder .. "/two" }, 0
    into[3] = function()
      count = count + 1
      return count ~= 2 or opened[into[2]]:close() == nil
    end
    local report = assert(fetching.fetch { keep = "none", into = into })
    assert.are.same({ "delivered", "failed", "failed" }, fetching.results(report))
    for i = 2, 3 do
      assert.are.equal("state", report.messages[i].error.kind)
      assert.are.equal(i == 2 and 2 or 1, #report.messages[i].places)
    end
    assert.are.equal("message 2, message 3", fetching.left())
    report = assert(fetching.fetch { keep = "none", into = into, filter = function(message)
      return message.number == 1 and folder .. "/three" or opened[into[2]]:close() == nil
    end })
    assert.are.same({ "delivered", "failed" }, fetching.results(report))
    assert.are.equal("state", report.messages[2].error.kind)
    assert(fetching.fetch { keep = "none", into = into })
    assert.are.equal("", fetching.left())
  end)

  -- holds: T-DLV-3 C
  it("may be Maildirs of which one cannot be written", function()
    fetching.serve(2)
    local two = folder .. "/two"
    local report, err = fetching.fetch { into = { folder .. "/one", folder .. "/nowhere/two" } }
    assert.is_nil(report or err.report.messages[1])
    assert.are.equal("io", err.kind)
    local function lose(name)
      return function() return os.execute("rm -rf " .. two .. "/" .. name) end
    end
    report = assert(fetching.fetch { into = { folder .. "/one", two }, filter = lose "tmp" }) -- none can begin
    assert.are.same({ "failed", "failed" }, fetching.results(report))
    for i = 1, 2 do
      assert.are.equal("io", report.messages[i].error.kind)
      assert.are.equal(1, #report.messages[i].places)
    end
    assert.are.equal("message 1, message 2", fetching.subjects "one")
    -- what is complete cannot be put into its place: told before the function has it
    report = assert(fetching.fetch { account = "another", into = { folder .. "/one", two, lose "new" } })
    assert.are.same({ "delivered", "failed" }, fetching.results(report))
    assert.are.equal("io", report.messages[2].error.kind)
    assert.are.equal(1, #report.messages[2].places)
    assert.are.equal("message 1, message 1, message 2, message 2", fetching.subjects "one")
    -- where there is no function messages wait for each other: those that do not get there fail alone
    report = assert(fetching.fetch { account = "third", keep = "none", into = folder .. "/three",
      filter = function(message) return message.number == 1 or two end,
      progress = function(told) return told.messages_done == 2 and lose "new"() end })
    assert.are.same({ "delivered", "failed" }, fetching.results(report))
    assert.are.equal("io", report.messages[2].error.kind)
    assert.are.equal("message 2", fetching.left())
    assert.are.equal("message 1", fetching.subjects "three")
  end)
end)

describe("a filter", function()
  it("sees the header of what is new, and chooses", function()
    local server = fetching.serve(6)
    local seen, ALSO = {}, folder .. "/also"
    local collect, taken = fetching.collector()
    local choices = { true, "skip", "delete", ALSO, collect, { ALSO, collect } }
    local function filter(message)
      assert.are.equal("Subject: message " .. message.number .. "\r\n", message.data)
      assert.are.equal("message " .. message.number, message:header "subject")
      table.insert(seen, message.number)
      return choices[message.number]
    end
    local report = assert(fetching.fetch { keep = "none", filter = filter })
    assert.are.same({ "delivered", "skipped", "rejected", "delivered", "delivered", "delivered" },
      fetching.results(report))
    local places = {}
    for i, message in ipairs(report.messages) do
      places[i] = #message.places
    end
    assert.are.same({ 1, 0, 0, 1, 0, 1 }, places)
    assert.are.same({ "the filter left it", "the filter had it deleted" },
      { report.messages[2].reason, report.messages[3].reason })
    assert.are.equal("message 1", fetching.subjects())
    assert.are.equal("message 4, message 6", fetching.subjects "also")
    assert.are.same({ "message 5", "message 6" }, taken)
    assert.are.equal("message 2", fetching.left())
    assert(server:deliver("alice", "Subject: message 2\r\n\r\n"))
    local again = assert(fetching.fetch { filter = function(message) return message.number == 2 and "take" end })
    assert.are.same({ "skipped", "delivered" }, fetching.results(again)) -- what was skipped is asked of again
    assert.are.equal(1, assert(fetching.fetch { filter = function() return "take" end }).known)
  end)

  it("chooses anew where numbers are others' in the next session", function()
    fetching.serve(3)
    assert(fetching.fetch { keep = "none", commit_every = 1, filter = function(message)
      assert.are.equal(1, message.number)
      return message:header "subject" ~= "message 1" or folder .. "/also"
    end })
    assert.are.equal("message 1", fetching.subjects "also")
    assert.are.equal("message 2, message 3", fetching.subjects())
  end)

  it("that fails leaves that message", function()
    fetching.serve(3)
    local report = assert(fetching.fetch { keep = "none", filter = function(message)
      return message.number ~= 2 or error("no idea")
    end })
    assert.are.same({ "delivered", "failed", "delivered" }, fetching.results(report))
    kit.contains(report.messages[2].reason, "no idea")
    assert.are.equal("message 2", fetching.left())
    report = assert(fetching.fetch { filter = function() return folder .. "/seen.db/also" end })
    assert.are.same({ "failed" }, fetching.results(report))
    assert.are.equal("io", report.messages[1].error.kind)
  end)

  it("that says anything else is misuse, and nothing is lost", function()
    fetching.serve(3)
    for _, answer in ipairs { "Skip", "taken", "", 1, io.stdout } do
      local ok, problem = pcall(fetching.fetch, { keep = "none", filter = function() return answer end })
      assert.is_false(ok)
      kit.contains(problem, "a filter returns 'take'")
    end
    local ok, problem = pcall(fetching.fetch, { filter = function() end })
    assert.is_false(ok)
    kit.contains(problem, "not nil")
    assert.is_false((pcall(fetching.fetch, { filter = function() return {} end })))
    local list = { folder .. "/also", nil, folder .. "/more" } -- one of three names was nil
    assert.is_false((pcall(fetching.fetch, { filter = function() return list end })))
    assert.are.equal(ALL, fetching.left())
    assert.are.equal("", fetching.subjects())
    assert.is_nil(lfs.attributes("Skip"))
    assert.are.equal(3, assert(fetching.fetch()).delivered)
  end)

  it("is asked until as many are taken as may be", function()
    fetching.serve(5)
    local asked = {}
    local function filter(message)
      table.insert(asked, message.number)
      return message.number % 2 == 0
    end
    assert.are.equal(2, assert(fetching.fetch { filter = filter, limit = 2 }).delivered)
    assert.are.same({ 1, 2, 3, 4 }, asked)
    assert.are.equal("message 2, message 4", fetching.subjects())
  end)

  it("is asked in a dry run too, which makes no destination", function()
    fetching.serve(3)
    local report = assert(fetching.fetch { dry_run = true, filter = function(message)
      return ({ folder .. "/also", "delete", "skip" })[message.number]
    end })
    assert.are.same({ "delivered", "rejected", "skipped" }, fetching.results(report))
    assert.are.same({ 1, 1, 1 }, { report.delivered, report.deleted, report.skipped })
    assert.is_nil(lfs.attributes(folder .. "/also"))
    assert.are.equal(ALL, fetching.left())
  end)
end)
