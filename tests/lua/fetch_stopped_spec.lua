--- poplin.fetch, stopped in the middle and begun again: killed, cut off, interrupted by an error; in tasks; and with
-- servers that do not keep to the rules.

local poplin = require "poplin"
local fetching = require "fetching"
local kit = require "kit"
local scripts = require "scripts"

local ALL = fetching.ALL

local folder

before_each(function() folder = fetching.begin() end)

after_each(function() fetching.finish() end)

describe("a fetch that was killed", function()
  -- A fetch in a process of its own, which has options of the text given in Lua, and DIE to call.
  local function fetch_in_child(server, options)
    local path = folder .. "/child.lua"
    kit.write(path, [[
      local poplin = require "poplin"
      local DIE, folder = function() os.exit(7) end, arg[2]
      print(assert(poplin.fetch(arg[1], { user = "alice", password = "secret", keep = "none",
        seen = folder .. "/seen.db", ]] .. options .. [[
      })))
    ]])
    local process = assert(io.popen("exec lua5.4 " .. path .. " " .. server.url .. " " .. folder .. " 2>&1"))
    local said = process:read("a")
    local _, _, status = process:close()
    return status, said
  end

  -- holds: T-DLV-1 C, T-DLV-2 C
  it("anywhere loses nothing, and into a Maildir brings nothing twice", function()
    local server = fetching.serve(3, { background = true })
    for at = 1, 200 do
      local status, said = fetch_in_child(server, [[
        into = folder .. "/Maildir", progress = function() COUNT = (COUNT or 0) + 1; if COUNT == ]] .. at
        .. [[ then DIE() end end ]])
      if status == 0 then
        assert(at >= 3, at)
        break
      end
      assert.are.equal(7, status, said)
    end
    assert.are.equal("", fetching.left())
    assert.are.equal(ALL, fetching.subjects())
  end)

  -- holds: T-DLV-1 C
  it("in a function begins again with that message", function()
    local server = fetching.serve(3, { background = true })
    local into = [[into = function(message)
      if message.number == 2 then DIE() end
      print(message:header "subject")
      return true
    end]]
    assert.are.same({ 7, "message 1\n" }, { fetch_in_child(server, into) })
    local taken, resumed = {}, {}
    local report = assert(fetching.fetch { keep = "none", into = function(message)
      table.insert(taken, message:header "subject")
      table.insert(resumed, message.resumed)
      return true
    end })
    assert.are.same({ "message 2", "message 3" }, taken)
    assert.are.same({ true, true }, resumed)
    assert.is_true(report.messages[2].resumed)
    assert.are.equal("", fetching.left())
  end)
end)

describe("a fetch whose connection is lost", function()
  it("reports what was done, and the next one goes on", function()
    local server = fetching.serve(3)
    server:fault("RETR", { nth = 2, drop_after = 10, times = 1 })
    local report, err = fetching.fetch { keep = "none" }
    assert.is_nil(report)
    assert.are.equal("closed", err.kind)
    assert.are.equal("message 1", fetching.subjects())
    assert.are.same({ "delivered" }, fetching.results(err.report))
    assert.are.equal(0, err.report.deleted)
    assert.are.equal(ALL, fetching.left())
    assert.are.same({}, scripts.names_in(folder .. "/Maildir/tmp"))
    report = assert(fetching.fetch { keep = "none" })
    assert.are.equal("2 messages fetched, 60 octets; 3 deleted on the server; 1 known from before", tostring(report))
    assert.are.equal(ALL, fetching.subjects())
    assert.are.equal("", fetching.left())
  end)

  it("after so many octets, any number of them, loses nothing", function()
    local server = fetching.serve(3, { greeting = "hi" })
    local stopped = 0
    for _, command in ipairs { "LIST", "UIDL", "RETR", "DELE", "QUIT" } do
      for _, fault in ipairs { { drop_before = true }, { drop_after = 3 }, { drop_after = 0 } } do
        fault.times = 1
        local broken <close> = server:fault(command, fault)
        local report = fetching.fetch { keep = "none" }
        stopped = stopped + (report and 0 or 1)
        assert.are.equal(1, broken:fired())
        assert(server:deliver("alice", "Subject: message 4\r\n\r\n"))
      end
    end
    assert(fetching.fetch { keep = "none" })
    assert.are.equal("", fetching.left())
    local _, fours = fetching.subjects():gsub("message 4", "")
    assert.are.equal(15, fours)
    assert.are.equal(ALL .. (", message 4"):rep(15), fetching.subjects())
    assert(stopped >= 13, stopped)
  end)

  it("tells why there was none", function()
    local server = fetching.serve(1)
    local report, err = fetching.fetch { password = "wrong" }
    assert.is_nil(report)
    assert.are.same({ "auth", "login", "127.0.0.1:" .. server.port }, { err.kind, err.doing, err.host })
    assert.are.equal("0 messages fetched, 0 octets", tostring(err.report))
    server:fault("LIST", { refuse = "not now" })
    assert.are.equal("refused", select(2, fetching.fetch()).kind)
    assert.are.same({}, server.sessions[2].deleted)
  end)
end)

describe("an error that is none of a message's", function()
  it("goes on once what was delivered is recorded", function()
    fetching.serve(3)
    local collect, taken = fetching.collector()
    for _, problem in ipairs { "script.lua:1: interrupted!", "not enough memory" } do
      local ok, raised = pcall(fetching.fetch, { account = problem, into = { function(message)
        if message.number == 2 then
          error(problem, 0)
        end
        return true
      end, collect } })
      assert.is_false(ok)
      assert.are.equal(problem, raised)
      assert.are.equal(2, assert(fetching.fetch { account = problem, into = collect }).delivered)
    end
    assert.are.equal(6, #taken)
  end)

  it("does not undo a delivery that it comes behind", function()
    fetching.serve(3)
    local collect, taken = fetching.collector()
    local ok, raised = pcall(fetching.fetch, { into = function(message)
      if message.number == 2 then
        debug.sethook(function() -- as Ctrl-C would, in this very moment
          if debug.getinfo(2, "n").name == "answer" then
            debug.sethook()
            error("interrupted!", 0)
          end
        end, "c")
      end
      return collect(message)
    end })
    assert.are.same({ false, "interrupted!" }, { ok, raised })
    assert.are.equal(1, assert(fetching.fetch { into = collect }).delivered)
    assert.are.same({ "message 1", "message 2", "message 3" }, taken)
  end)

  it("between two messages has the first on record", function()
    fetching.serve(3)
    local begun = 0
    debug.sethook(function()
      local info = debug.getinfo(2, "nS")
      begun = begun + (info.name == "begin" and info.what == "C" and 1 or 0)
      if begun == 2 then
        debug.sethook()
        error("interrupted!", 0)
      end
    end, "c")
    assert.is_false((pcall(fetching.fetch, { filter = function() return true end })))
    local steps = {}
    for _, step in pairs(fetching.steps()) do
      table.insert(steps, step)
    end
    table.sort(steps)
    assert.are.same({ "delivered", "taken" }, steps)
  end)

  it("of the progress function's ends the fetch too", function()
    local server = fetching.serve(3)
    local ok, raised = pcall(fetching.fetch, { keep = "none", progress = function(progress)
      if progress.messages_done == 2 then
        error("enough", 0)
      end
    end })
    assert.is_false(ok)
    assert.are.equal("enough", raised)
    assert(server:wait_for(function() return server.sessions[1].outcome end))
    assert.are.equal(ALL, fetching.left())
    assert.are.same({}, scripts.names_in(folder .. "/Maildir/tmp"))
    local delivered = 0
    for _, step in pairs(fetching.steps()) do
      delivered = delivered + (step == "delivered" and 1 or 0)
    end
    assert.are.equal(2, delivered)
    assert(fetching.fetch { keep = "none" })
    assert.are.equal(ALL, fetching.subjects())
  end)
end)

describe("fetches in tasks", function()
  it("go on at once, also into the same Maildir and store", function()
    local server = fetching.serve(20)
    assert(server:add_user("bob", "secret"))
    for i = 1, 20 do
      assert(server:deliver("bob", "Subject: bob's " .. i .. "\r\n\r\n"))
    end
    local tasks, most, open = {}, 0, 0
    for i, user in ipairs { "alice", "bob" } do
      tasks[i] = poplin.spawn(function()
        return assert(fetching.fetch { user = user, keep = "none", filter = function()
          open = open + 1
          most = math.max(most, open)
          poplin.sleep(0)
          open = open - 1
          return true
        end })
      end)
    end
    for _, task in ipairs(tasks) do
      assert.are.equal(20, task:join().deleted)
    end
    assert.are.equal(2, most)
    assert.are.equal(40, #scripts.names_in(folder .. "/Maildir/new"))
  end)

  it("of one maildrop have one turn after the other", function()
    fetching.serve(3)
    local report, err
    poplin.run(function()
      local other = poplin.spawn(function()
        return fetching.fetch { into = fetching.collector(), account = "whose claim is its own" }
      end)
      assert(fetching.fetch { into = function()
        if not err then
          report, err = other:join()
        end
        return true
      end })
    end)
    assert.is_nil(report)
    assert.are.equal("in_use", err.kind)
  end)

  it("of one account: the second one fails, and the first goes on", function()
    local server = fetching.serve(3, { exclusive = false })
    local report, err
    poplin.run(function()
      local first = assert(fetching.fetch { into = function(message)
        if message.number == 2 then
          report, err = poplin.spawn(function() return fetching.fetch() end):join()
        end
        return true
      end })
      assert.are.equal(3, first.delivered)
    end)
    assert.is_nil(report)
    assert.are.equal("in_use", err.kind)
    kit.contains(err.text, " is under way: try again when that is done")
    assert.are.equal(0, #err.report.messages)
    assert.are.equal(1, #server.sessions)
    assert.are.equal(3, assert(fetching.fetch()).known)
  end)

  it("that are forgotten drop the connection and leave nothing behind", function()
    local server = fetching.serve(2)
    server:fault("RETR", { nth = 2, stall_after = 30, times = 1 })
    local path = folder .. "/child.lua"
    kit.write(path, [[
      local poplin, lfs = require "poplin", require "lfs"
      local url, folder = arg[1], arg[2]
      local function begun()
        local count = 0
        for file in lfs.dir(folder .. "/Maildir/tmp") do
          count = count + (file:find("^%.") and 0 or 1)
        end
        return count
      end
      poplin.spawn(function()
        poplin.fetch(url, { user = "alice", password = "secret", into = folder .. "/Maildir", keep = "none",
          seen = folder .. "/seen.db" })
      end)
      for _ = 1, 2000 do
        poplin.step(0.01)
        if begun() == 2 then break end -- the one is complete, and waits for a second to be over
      end
    ]])
    local child = scripts.start("-e ''", path .. " " .. server.url .. " " .. folder)
    assert(server:wait_for(function() return server.sessions[1] and server.sessions[1].outcome end, 20))
    assert.are.same({ 0, "" }, { scripts.ended(child) })
    assert.are.equal("dropped", server.sessions[1].outcome)
    assert.are.same({}, scripts.names_in(folder .. "/Maildir/tmp"))
    assert.are.equal("message 1, message 2", fetching.left())
    assert(fetching.fetch { keep = "none" })
    assert.are.equal("message 1, message 2", fetching.subjects())
  end)
end)

describe("a server that", function()
  -- holds: T-UID-4 C, POP-UIDL-3 C
  it("tells one unique-id for all messages: all are taken, none is lost", function()
    local server = fetching.serve(3)
    server:quirk "repeated-unique-ids"
    assert.are.equal(3, assert(fetching.fetch()).delivered)
    assert.are.equal(ALL, fetching.subjects())
    assert(server:deliver("alice", "Subject: message 4\r\n\r\n"))
    local report = assert(fetching.fetch { keep = "none" })
    assert.are.equal(ALL .. ", message 4", fetching.subjects())
    assert.are.equal(4, report.deleted)
  end)

  -- holds: POP-UIDL-6 C
  it("has no UIDL is known by the headers of its messages", function()
    local server = fetching.serve(3)
    server:fault("UIDL", { refuse = "no" })
    local report = assert(fetching.fetch())
    assert.is_nil(report.messages[1].uid)
    for uid in pairs(fetching.steps()) do
      kit.contains(uid, "sha256 ")
    end
    assert.are.equal("0 messages fetched, 0 octets; 3 known from before", fetching.told())
    assert.are.equal(3, assert(fetching.fetch { keep = "none" }).deleted)
    assert.are.equal(ALL, fetching.subjects())
  end)

  -- holds: POP-UIDL-6 C
  it("has neither UIDL nor TOP can only be emptied", function()
    local server = fetching.serve(2)
    server:fault("UIDL", { refuse = "no" })
    server:fault("TOP", { refuse = "no" })
    local report, err = fetching.fetch()
    assert.is_nil(report)
    assert.are.equal("unsupported", err.kind)
    assert.are.equal(2, assert(fetching.fetch { keep = "none" }).deleted)
    assert.are.equal("message 1, message 2", fetching.subjects())
  end)

  -- holds: T-UID-3 C
  it("tells unique-ids that look like paths and commands: they are data", function()
    local server = fetching.serve(2)
    server:fault("UIDL", { replace_line = 1, text = "1 ../../cur/evil:2,S" })
    server:fault("UIDL", { replace_line = 2, text = "2 ';DROP'%s$(id)" })
    assert.are.equal(2, assert(fetching.fetch()).delivered)
    assert.are.same({}, scripts.names_in(folder .. "/Maildir/cur"))
    for _, name in ipairs(scripts.names_in(folder .. "/Maildir/new")) do
      assert.truthy(name:find("^%d+%.%x+%.[%w.-]+$"), name)
    end
    assert.are.same({ ["../../cur/evil:2,S"] = "delivered", ["';DROP'%25s$(id)"] = "delivered" }, fetching.steps())
    assert.are.equal("0 messages fetched, 0 octets; 2 known from before", fetching.told())
  end)

  -- holds: T-UID-5 C
  it("uses a unique-id again loses no mail by it", function()
    local server = fetching.serve(1)
    server:fault("UIDL", { replace_line = 1, text = "1 same" })
    assert(fetching.fetch())
    assert(server:clear("alice"))
    assert(server:deliver("alice", "Subject: another one\r\n\r\nof another size\r\n"))
    local report = assert(fetching.fetch { keep = "none" })
    assert.are.equal(1, report.delivered)
    assert.are.equal("another one, message 1", fetching.subjects())
  end)

  -- holds: T-DLV-7 C
  it("gives one message for all numbers: each is delivered as it came", function()
    local server = fetching.serve(3)
    server:fault("RETR", { raw = "+OK\r\nSubject: same\r\n\r\n.\r\n" })
    assert.are.equal(3, assert(fetching.fetch { keep = "none" }).deleted)
    assert.are.equal("same, same, same", fetching.subjects())
  end)

  it("refuses messages, or deletions, is told of, and the rest goes on", function()
    local server = fetching.serve(3)
    server:fault("RETR", { message = 2, refuse = "damaged" })
    server:fault("DELE", { message = 3, refuse = "no" })
    local report = assert(fetching.fetch { keep = "none" })
    assert.are.same({ "delivered", "refused", "delivered" }, fetching.results(report))
    kit.contains(report.messages[2].reason, "damaged")
    kit.contains(report.messages[3].reason, "not deleted: DELE 3")
    assert.are.same({ true, false, false },
      { report.messages[1].deleted, report.messages[2].deleted, report.messages[3].deleted })
    assert.are.equal("message 1, message 3", fetching.subjects())
    assert.are.equal("message 2, message 3", fetching.left())
  end)

  for _, quirk in ipairs {
    "guessed-sizes", "top-sends-everything", "first-dot-unstuffed", "deleted-listed-as-empty", "two-step-auth-only",
    "drops-pipelining-unannounced", "announces-pipelining-in-vain", "long-unique-ids", "header-lines-counted",
    "bye-like-imap",
  } do
    it("has the quirk " .. quirk .. " is fetched from once", function()
      local server = fetching.serve(3)
      server:quirk(quirk)
      local count = 0
      local options = { initial_response = quirk ~= "two-step-auth-only", filter = function(message)
        count = count + 1
        return message:header "subject" ~= nil
      end }
      for _ = 1, 3 do
        if fetching.fetch(options) then
          break
        end
        options.pipelining = false -- as the error says
      end
      assert.are.equal(ALL, fetching.subjects())
      assert(fetching.fetch(options))
      assert.are.equal(ALL, fetching.subjects())
      assert.are.equal(3, count)
      options.keep, options.filter = "none", nil
      assert(fetching.fetch(options))
      assert.are.equal("", fetching.left())
      assert.are.equal(ALL, fetching.subjects())
    end)
  end
end)
