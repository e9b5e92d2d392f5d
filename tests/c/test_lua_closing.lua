--- Begins everything that a state may be in the middle of when it is closed. `round` differs from state to state: after
-- so many steps it is left, or so many of one kind. Where `place` is set, leave() is called there.

package.path = "lua/?.lua;lua/?/init.lua"
local poplin = require "poplin"
local testing = require "poplin.testing"

local function leave_at(here)
  if place == here then
    leave()
  end
end

local failure -- of a task
warn = function(...)
  failure = table.concat({ ... })
end

local function connect(server)
  return assert(poplin.connect(server.url, { user = "alice", password = "secret", ca_pem = server.ca_pem }))
end

kept = {} -- a global, so that all of it lives until the end
local function keep(value)
  table.insert(kept or {}, value)
  return value
end

-- ---- servers ----

-- On threads of their own, both with a session that waits.
local function serve_far(tls)
  return keep(assert(testing.Server {
    users = { alice = "secret" }, background = true, exclusive = false, tls = tls,
  }))
end
local far, certain = serve_far "never", serve_far "implicit"
for _, server in ipairs { far, certain } do
  for i = 1, 5 do
    assert(server:deliver("alice", "Subject: " .. i .. "\n\n" .. ("x"):rep(20000) .. "\n"))
  end
  keep(server:fault("RETR nth=4 delay=1000"))
end

-- On this state's loop, with a callback that fetches elsewhere and never has its answer.
local drop = {}

function drop.list()
  return { { "text", 17 }, { "pieces", 2 ^ 40 | 0 }, { "slow", 9 } } -- an endless one cannot be counted
end

function drop.retr(_, uid)
  if uid == "text" then
    leave_at "callback"
    return "Subject: text\n\n"
  elseif uid == "pieces" then
    return function()
      leave_at "pieces"
      return ("x"):rep(70000) .. "\n"
    end
  end
  local pop <close> = connect(far)
  for message in pop:retr_all() do
    keep(message)
  end
end

function drop.close()
  leave_at "close"
end

local near = keep(assert(poplin.serve {
  password = function() return "secret" end,
  maildrop = function() return drop end,
  exclusive = false,
}))
local near_certain = keep(assert(testing.Server { users = { alice = "secret" }, tls = "stls" }))

if place == "trace" then
  poplin.trace = function() leave() end
end

-- ---- clients ----

-- In the main program: a loop that was left, one that goes on, and a coroutine around one.
local first = keep(connect(far))
assert(first:dele(1))
for _ in first:retr_all() do
  break
end
local next_message = keep(keep(connect(near)):retr_all())
assert(next_message().data)
local generator = keep(coroutine.wrap(function()
  local pop <close> = connect(certain)
  for message in pop:retr_all() do
    leave_at "generator"
    coroutine.yield(message)
  end
end))
assert(generator().data)
keep(coroutine.create(function() return connect(far) end))

-- Tasks that wait: for a reply, a step, a message of an endless kind, each other, whatever happens.
local function retr(server, number)
  return keep(poplin.spawn(function()
    local pop <close> = connect(server)
    leave_at "task"
    return pop:retr(number, function() end)
  end))
end
for _, server in ipairs { far, certain } do
  keep(poplin.spawn(function()
    for message in keep(connect(server)):retr_all() do
      keep(message)
    end
  end))
end
retr(near, 2)
local slow = retr(near, 3)
keep(poplin.spawn(function() return slow:join() end))
keep(poplin.spawn(function() return far:wait_for(function() end, 1000) end))
keep(poplin.spawn(function()
  while true do
    coroutine.yield()
  end
end))
keep(poplin.spawn(poplin.wrap(function() return connect(near):retr(3) end)))

-- ---- as far as it goes in so many steps ----

for _ = 1, round do
  poplin.step(0)
end

-- Handshakes, a little further with each round: with servers, and with nobody.
for _, server in ipairs { certain, near_certain } do
  keep(poplin.spawn(connect, server))
end
for _, mode in ipairs { "implicit", "never" } do
  keep(poplin.spawn(poplin.connect, nil, { descriptor = silent_socket(), tls = mode, user = "alice", password = "x" }))
end
for _ = 0, round % 20 do -- once at least: what is in options yet is nobody's
  poplin.step(0)
end

-- In some states the collector has been through all that nobody keeps.
if round % 3 == 1 then
  kept = nil
  collectgarbage()
end

assert(not failure, failure)
leave_at "main"
if place == "close" then
  near:stop()
end
while place do
  poplin.step()
  assert(not failure, failure)
end
