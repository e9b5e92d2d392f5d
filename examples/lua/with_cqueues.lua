-- Serves a mailbox that is a table, and fetches from it, on a controller of cqueues', while a coroutine of its own
-- ticks.
--
--     lua5.4 examples/lua/with_cqueues.lua

local cqueues = require "cqueues"
local poplin = require "poplin"
local hosted = require "poplin.cqueues"

local controller = cqueues.new()
local stop = hosted.host(controller)

local ticks, done = 0, false
controller:wrap(function()
  while not done do
    cqueues.sleep(0.002)
    ticks = ticks + 1
  end
end)

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

-- A task waits as if it were alone, and the other coroutine ticks meanwhile.
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

-- A coroutine of cqueues' waits for the task, and nobody else does.
controller:wrap(function()
  local fetched = hosted.call(fetch)
  server:stop()
  stop()
  done = true
  print(fetched .. " fetched, " .. (next(mail) and "some" or "none") .. " left, and the coroutine ticked "
    .. (ticks >= 2 * fetched and "all the while" or "too late"))
end)

assert(controller:loop())
