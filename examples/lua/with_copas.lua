-- Serves a mailbox that is a table, and fetches from it, beside copas' threads, while its loop ticks.
--
--     lua5.4 examples/lua/with_copas.lua
--
-- Debian's lua-copas is plain Lua, but lies where Lua 5.1 looks: LUA_PATH='/usr/share/lua/5.1/?.lua;;' finds it.

local copas = require "copas"
local socket = require "socket"
local poplin = require "poplin"
local hosted = require "poplin.copas"

local stop = hosted.host()

local ticks, done = 0, false

local mail = { one = "Subject: 1\n\nfirst\n", two = "Subject: 2\n\nsecond\n", three = "Subject: 3\n\nthird\n" }
local mailbox = {}

function mailbox.list()
  return { { "one" }, { "two" }, { "three" } }
end

function mailbox.retr(_, uid)
  return mail[uid]
end

function mailbox.dele(_, uids)
  for _, uid in ipairs(uids) do
    mail[uid] = nil
  end
end

local server = assert(poplin.serve {
  password = function(_, user) return user == "alice" and "secret" or nil end,
  maildrop = function() return mailbox end,
})

-- A task waits as if it were alone, and the loop below ticks meanwhile.
local function fetch()
  local pop <close> = assert(poplin.connect(server.url, { user = "alice", password = "secret" }))
  local fetched = 0
  for message in pop:retr_all() do
    local begun = ticks
    while ticks < begun + 2 do
      assert(pop:noop()) -- until it has ticked twice
    end
    print(message.uid, message.octets .. " octets")
    message:dele()
    fetched = fetched + 1
  end
  assert(pop:quit())
  return fetched
end

-- A thread of copas' waits for the task, and nobody else does.
copas.addthread(function()
  local fetched = hosted.call(fetch)
  server:stop()
  stop()
  done = true
  print(fetched .. " fetched, " .. (next(mail) and "some" or "none") .. " left, and the loop ticked "
    .. (ticks >= 2 * fetched and "all the while" or "too late"))
end)

-- Old versions of copas have no timers; this one works with all of them.
local next_tick = socket.gettime()
while not done do
  copas.step(math.max(next_tick - socket.gettime(), 0))
  if socket.gettime() >= next_tick then
    ticks = ticks + 1
    next_tick = socket.gettime() + 0.002
  end
end
