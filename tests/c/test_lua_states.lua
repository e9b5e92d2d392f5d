--- Servers of all kinds, each with a session that is in the middle of something, tasks that wait for it, and a
-- coroutine that will never go on. Returns a function that closes the servers, and a table that keeps the rest.

package.path = "lua/?.lua;lua/?/init.lua"
local poplin = require "poplin"
local testing = require "poplin.testing"

local servers, kept = {}, {}

for i, options in ipairs { {}, { background = true }, { background = true, tls = "implicit" } } do
  options.users = { alice = "secret" }
  local server = assert(testing.Server(options))
  assert(server:deliver("alice", "hello\n"))
  local fault = server:fault("RETR delay=1000")
  local pop = assert(poplin.connect(server.url, { user = "alice", password = "secret", ca_pem = server.ca_pem }))
  poplin.spawn(function() pop:retr(1) end)
  poplin.spawn(function() server:wait_for(function() end) end)
  assert(server:wait_for(function() return fault:fired() == 1 end))
  servers[i], kept[i] = server, { fault, pop, server.sessions[1] }
end

kept.asleep = coroutine.create(function()
  local _ <close> = testing.Server { background = true }
  coroutine.yield()
end)
assert(coroutine.resume(kept.asleep))

return function()
  for _, server in ipairs(servers) do
    assert(server.sessions[1].open)
    server:close()
    server.sessions[1]:assert_outcome("failed")
  end
end, kept
