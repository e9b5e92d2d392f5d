-- Serves a mailbox that is a table, and fetches from it, on libuv's loop, while a timer of luv's ticks.
--
--     lua5.4 examples/lua/with_luv.lua

local uv = require "luv"
local poplin = require "poplin"
local hosted = require "poplin.luv"

local stop = hosted.host()

local ticks = 0
local timer = uv.new_timer()
timer:start(2, 2, function() ticks = ticks + 1 end)

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

-- A task waits as if it were alone, and the timer ticks meanwhile.
local function fetch()
  local pop <close> = assert(poplin.connect(server.url, { user = "alice", password = "secret" }))
  local fetched = 0
  for message in pop:retr_all() do
    local begun = ticks
    while ticks < begun + 2 do
      assert(pop:noop()) -- until the timer has ticked twice
    end
    print(message.uid, message.octets .. " octets")
    message:dele()
    fetched = fetched + 1
  end
  assert(pop:quit())
  return fetched
end

-- luv's way to hand over a result: a callback.
hosted.call(fetch, function(err, fetched)
  server:stop()
  stop()
  timer:close()
  assert(not err, err)
  print(fetched .. " fetched, " .. (next(mail) and "some" or "none") .. " left, and the timer ticked "
    .. (ticks >= 2 * fetched and "all the while" or "too late"))
end)

uv.run()
