--- Returns functions to play, each of which uses all that there is of one kind of test server.

package.path = "lua/?.lua;lua/?/init.lua"
local poplin = require "poplin"
local testing = require "poplin.testing"

local users = { alice = "secret" }
local certificate = assert(testing.certificate())
local maildrop = {
  list = function() return { { "a" }, { "b" } } end,
  retr = function(_, uid) return uid end,
  dele = function() end,
}
local backend = {
  password = function() return "secret" end,
  maildrop = function() return maildrop end,
}
local by_token = {
  token = function(_, _, token) return token == "secret" and "alice" end,
  login_failed = function(_, user, address) assert(user == "alice" and address == "127.0.0.1") end,
  maildrop = backend.maildrop,
}

local function play(options, credential)
  local server <close> = assert(testing.Server(options))
  credential = credential or "password"
  local function connect()
    return assert(poplin.connect(server.url, { user = "alice", [credential] = "secret", ca_pem = server.ca_pem }))
  end
  if not options.backend then
    assert(server:deliver("alice", "one\n"))
    assert(server:deliver("alice", "two\n"))
    assert(#server:messages("alice") == 2)
  end
  local fault <close> = server:fault("RETR", { nth = 2, drop_after = 10 })
  do
    local pop <close> = connect()
    assert(pop:retr(1))
    pop:retr(2)
  end
  assert(server:wait_for(function() return server.sessions[1].outcome end))
  local session = server.sessions[1]:assert_outcome("dropped")
  assert(#session.retrieved == 1 and #session.exchanges > 1 and server.transcript ~= "")
  assert(not pcall(session.assert_quit, session))
  fault:remove()
  poplin.run(function()
    local pop <close> = connect()
    for message in pop:retr_all() do
      message:dele()
    end
    assert(pop:quit())
    server.sessions[2]:assert_quit()
  end)
  server:reset()
end

return {
  function() play { users = users } end,
  function() play { users = users, background = true } end,
  function() play { users = users, certificate = certificate } end,
  function() play { backend = backend } end,
  function()
    local server <close> = assert(testing.Server { backend = by_token })
    assert(not poplin.connect(server.url, { user = "alice", token = "guess" }))
    play({ backend = by_token }, "token")
  end,
}
