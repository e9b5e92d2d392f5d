--- Returns functions to play, each of which does all that there is of one kind, with a test server of its own.

package.path = "lua/?.lua;lua/?/init.lua"
local poplin = require "poplin"
local host = require "poplin.host"
local testing = require "poplin.testing"

local HEADER = "Subject: =?UTF-8?Q?caf=C3=A9?=\r\nFrom: a\r\nReceived: one\r\nReceived: two\r\n\r\n"

local function connect(to)
  return assert(poplin.connect(to.url, { user = "alice", password = "secret" }))
end

local function messages(server)
  local pop <close> = connect(server)
  local list = assert(pop:messages())
  assert(#list == 3 and list[1]:header "subject" == "café" and #list[2]:headers "received" == 2)
  assert(list[3]:headers().from == "a" and poplin.headers(HEADER).subject == "café")
  assert(pop:stat() == 3 and #pop:list() == 3 and pop:uidl(1) == pop:uidl()[1].uid)
  assert(pop:list(1) == #HEADER + 3 and pop:top(1) == HEADER and pop:capa().TOP)
  local pieces = {}
  assert(pop:retr(1, function(piece) table.insert(pieces, piece) end) == #table.concat(pieces))
  for message in pop:retr_all { 3, list[1] } do
    assert(message.data == HEADER .. message.number .. "\r\n" and message:dele())
    break
  end
  assert(tostring(pop) and tostring(list[1]) and pop:noop() and pop:rset() and pop:quit())
end

-- What comes of a call that has to fail: an error of this kind, unless memory was short.
local function failing(kind, ok, err)
  if type(err) == "string" then
    error(err, 0)
  end
  assert(not ok and err.kind == kind, err)
end

local function failures(server)
  failing("auth", poplin.connect(server.url, { user = "alice", password = "wrong" }))
  failing("io", poplin.connect "pop3://127.0.0.1:1")
  failing("protocol", poplin.parse_url "pop3://:x")
  local pop <close> = connect(server)
  failing("refused", pop:retr(99))
  failing("refused", pcall(function()
    for _ in pop:retr_all { 1, 99 } do end -- luacheck: ignore
  end))
  local fault <close> = server:fault "RETR drop_after=9"
  failing("closed", pop:retr(1))
  failing("closed", pop:stat())
  fault:remove()
  local silence <close> = server:fault "STAT stall_before=yes"
  local late <close> = connect(server)
  local waiting = poplin.spawn(late.stat, late)
  assert(server:wait_for(function() return silence:fired() == 1 or waiting.finished end))
  testing.advance(61)
  failing("timeout", waiting:join())
end

local function tasks(server)
  local first = poplin.spawn(function()
    local pop <close> = connect(server)
    return pop:stat()
  end)
  local second = poplin.spawn(function()
    coroutine.yield()
    return first:join()
  end)
  local third = poplin.spawn(function()
    first:join()
    error({ mine = true })
  end)
  local fourth = poplin.spawn(function()
    local numbers = {}
    for number in poplin.wrap(function()
      local pop <close> = connect(server)
      for message in pop:retr_all() do
        coroutine.yield(message.number)
      end
    end) do
      table.insert(numbers, number)
    end
    return #numbers
  end)
  assert(poplin.run(second.join, second) == 3)
  local ok, problem = pcall(third.join, third)
  assert(not ok and (type(problem) == "string" or problem.mine), problem)
  assert(fourth:join() == 3)
  poplin.run(function() end)
end

local function trace(server)
  local lines = {}
  local function show(line, fields)
    table.insert(lines, fields.side .. line)
  end
  local _ <close> = setmetatable({}, { __close = function() poplin.trace = nil end })
  poplin.trace = show
  local pop <close> = connect(server)
  assert(pop:quit())
  assert(#lines > 10 or poplin.trace ~= show, #lines) -- it goes off where it fails
end

-- As an adapter does it.
local function hosted(server)
  local outcome
  local stop
  local _ <close> = setmetatable({}, { __close = function()
    if stop then
      stop()
    end
  end })
  stop = host.begin("a test", function() end)
  host.start("a test", function(...) outcome = table.pack(...) end, function()
    local pop <close> = connect(server)
    return pop:stat()
  end)
  local problem
  while not outcome and not problem do
    assert(poplin.fileno() >= 0)
    if not poplin.timeout() then
      poplin.step(10)
    end
    host.step(function(failure) problem = failure end)
  end
  assert(outcome, problem)
  assert(host.returned(outcome) == 3)
end

-- ---- servers of the script's own ----

local bodies = {
  text = function() return "text\n" end,
  pieces = function()
    local left = 3
    return function()
      left = left - 1
      return left > 0 and "piece\n" or nil
    end
  end,
  waiting = function(server)
    local pop <close> = connect(server)
    return pop:retr(1)
  end,
  failing = function() error "mine" end,
  refused = function() return nil, poplin.TEMPORARY, "later" end,
}

local function serving(server)
  local closed = 0
  local drop = {
    list = function() return { { "text", 6 }, { "pieces" }, { "waiting" }, { "failing", 1 }, { "refused", 1 } } end,
    retr = function(_, uid) return bodies[uid](server) end,
    dele = function(_, uids) assert(#uids == 1) end,
    close = function() closed = closed + 1 end,
  }
  local own = assert(poplin.serve {
    authenticate = function(_, user, password) return user == "alice" and password == "secret" end,
    login_failed = function() error "mine" end,
    maildrop = function() return drop end,
    failed_login_delay = 0,
  })
  local _ <close> = own
  failing("auth", poplin.connect(own.url, { user = "alice", password = "wrong" }))
  local pop <close> = connect(own)
  assert(pop:retr(1) == "text\r\n" and pop:retr(2) == "piece\r\npiece\r\n" and #pop:retr(3) == #HEADER + 3)
  failing("temporary", pop:retr(4))
  failing("temporary", pop:retr(5))
  assert(pop:dele(1) and pop:quit())
  assert(#own.errors == 2 and tostring(own.errors[1]):find("mine", 1, true), own.errors[1])
  own:stop()
  assert(closed == 1)
end

-- ---- fetching ----

local name = os.tmpname()
local MAIL = (io.open "/dev/shm" and "/dev/shm" or "/tmp") .. name:gsub("^.*/", "/poplin-") -- in memory: it is fast
assert(os.remove(name) and os.execute("mkdir " .. MAIL))
local CLEAN, REMOVE = "rm -rf " .. MAIL .. "/*", "rm -rf " .. MAIL
local folder = setmetatable({}, { __gc = function() os.execute(REMOVE) end })
local fetches = 0

-- Each under a name of its own, so that all is new; what has piled up is removed now and then.
local function fetching(server)
  fetches = fetches + 1
  if folder and fetches % 20 == 0 then
    os.execute(CLEAN)
  end
  local seen <close> = assert(poplin.seen(MAIL .. "/seen.db"))
  local collected, told = {}, nil
  local report = assert(poplin.fetch(server.url, {
    user = "alice", password = "secret", account = "play " .. fetches, seen = seen, keep = "none", commit_every = 2,
    into = { MAIL .. "/Maildir", function(message)
      table.insert(collected, message:header "subject")
      return message.data == HEADER .. message.data:sub(#HEADER + 1)
    end },
    filter = function(message) return #message:headers "received" == 2 and (message.data ~= "" or MAIL .. "/other") end,
    progress = function(progress) told = progress end,
  }))
  assert(report.delivered == 3 and report.deleted == 3 and told.deleted == 3, report)
  assert(table.concat(collected, " ") == "café café café" and tostring(report.messages[3]) == "message 1: delivered")
  assert(#seen:messages("play " .. fetches) == 3)
end

local function small_things()
  local keys = assert(poplin.scram_keys("secret", { iterations = 4096 }))
  assert(keys:find("SCRAM-SHA-256", 1, true))
  assert(poplin.format_url(assert(poplin.parse_url "pop3s://alice@mail.example.org:996")))
  local candidates = assert(poplin.discover("alice@example.org", function(name)
    local record = { target = "mail.example.org", port = 995, priority = 0, weight = 0 }
    return name:find("pop3s", 1, true) and { record } or {}
  end))
  assert(candidates[1].host == "mail.example.org")
  failing("io", poplin.maildir "/nonexistent")
end

local function with_server(f)
  return function()
    local users = { alice = "secret" }
    local server <close> = assert(testing.Server { users = users, exclusive = false, keep_sessions = 2 })
    for i = 1, 3 do
      assert(server:deliver("alice", HEADER .. i .. "\r\n"))
    end
    f(server)
  end
end

return {
  with_server(messages), with_server(failures), with_server(tasks), with_server(trace), with_server(hosted),
  with_server(serving), with_server(fetching), small_things,
}
