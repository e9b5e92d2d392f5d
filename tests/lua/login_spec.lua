--- Every way to log in, as connect() takes it, against scripted servers.

local poplin = require "poplin"
local support = require "support"

local OFFER = [[
send "+OK hi\r\n"
expect "CAPA\r\n"
send "+OK\r\nRESP-CODES\r\nSASL PLAIN LOGIN XOAUTH2 ANONYMOUS\r\n.\r\n"
]]
local OLD = 'expect "AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciBvbGQBAQ==\\r\\n"\n'
local REFUSED = OFFER .. OLD .. [[
send "+ eyJzdGF0dXMiOiI0MDEifQ==\r\n"
expect "\r\n"
send "-ERR [AUTH] no\r\n"
]]

local function connect(script, options)
  local port, ended = support.peer(script)
  local pop, err = poplin.connect("pop3://localhost:" .. port, options)
  if pop then
    pop:close()
  end
  assert.is_true(ended())
  return pop, err
end

describe("a login", function()
  it("goes by what auth names", function()
    local plain = OFFER .. 'expect "AUTH PLAIN AGFsaWNlAHNlY3JldA==\\r\\n"\nsend "+OK\\r\\n"\n'
    local pop = assert(connect(plain, { user = "alice", password = "secret", auth = { "PLAIN", "LOGIN" } }))
    assert.are.equal("PLAIN", pop.mechanism)
    local anonymous = OFFER .. 'expect "AUTH ANONYMOUS =\\r\\n"\nsend "+OK\\r\\n"\n'
    assert.are.equal("ANONYMOUS", assert(connect(anonymous, { auth = "ANONYMOUS" })).mechanism)
  end)

  -- holds: T-OAU-1 C
  it("by a token that is refused tells the answer", function()
    local pop, err = connect(REFUSED, { user = "alice", token = "old" })
    assert.is_nil(pop)
    assert.are.same({ "auth", '{"status":"401"}' }, { err.kind, err.answer })
  end)
end)
