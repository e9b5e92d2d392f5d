--- One of two states that are there at once: what it has of its own, a server for the other one's client, and work that
-- can go on whatever becomes of the other. Returns a table of functions.

package.path = "lua/?.lua;lua/?/init.lua"
local poplin = require "poplin"
local testing = require "poplin.testing"

local server = assert(testing.Server { users = { alice = "secret" }, background = true, exclusive = false })
assert(server:deliver("alice", "Subject: hi\n\nhello\n"))

local traced = 0 -- lines

local function connect(url)
  return assert(poplin.connect(url, { user = "alice", password = "secret", timeout = 600 }))
end

local mine = connect(server.url)
local theirs

local pair = {
  url = server.url,
  fileno = poplin.fileno(),
}

--- Changes what would be seen in the other state if anything were shared, and what only its own may show.
function pair.mark(name)
  poplin.mark, package.loaded["poplin.task"].mark = name, name
  getmetatable(mine).mark = name
  getmetatable(server).mark = name
  debug.getregistry()["poplin.link"].mark = name
end

function pair.check_mark(name)
  assert(poplin.mark == name and require("poplin.task").mark == name)
  assert(mine.mark == name and getmetatable(server).mark == name)
  assert(mine._link.mark == name)
end

function pair.trace()
  poplin.trace = function() traced = traced + 1 end
end

function pair.traced()
  return traced
end

--- Begins tasks, and steps until they stand in the middle of their work.
function pair.begin_tasks()
  local fault = server:fault("NOOP stall_before=yes")
  pair.waiting = poplin.spawn(function() return connect(server.url):noop() end)
  assert(server:wait_for(function() return fault:fired() == 1 end))
end

function pair.check_tasks()
  assert(not pair.waiting.finished)
end

function pair.connect_to_other(url)
  theirs = connect(url)
  theirs:retr_all()()
end

--- The other state's server has gone: that is an error and no more.
function pair.check_other_gone()
  local ok, err = theirs:noop()
  assert(not ok and (err.kind == "closed" or err.kind == "io"), err)
  theirs:close()
end

--- All kinds of work.
function pair.work()
  assert(mine:stat() == 1)
  assert(mine:retr(1) == "Subject: hi\r\n\r\nhello\r\n")
  assert(poplin.run(function()
    local pop <close> = connect(server.url)
    return pop:messages()[1]:header "subject"
  end) == "hi")
  local another <close> = assert(poplin.serve {
    password = function() return "secret" end,
    maildrop = function() return { list = function() return { { "a", 3 } } end } end,
  })
  local pop <close> = connect(another.url)
  assert(pop:stat() == 1)
  collectgarbage()
end

return pair
