--- What the tests of poplin.protocol share: both ends in one script, and no connection between them.

local assert = require "luassert"
local poplin = require "poplin"
local protocol = require "poplin.protocol"

local kit = {}

kit.MAIL = {
  { "uid-1", "Subject: one\n\n.\n..two\nlast" },
  { "uid-2", "" },
  { "uid-3", ("x\r\n"):rep(50000) },
}

--- A message as it arrives.
function kit.wire(content)
  local lines = content:gsub("\r\n", "\n"):gsub("\n", "\r\n")
  return (lines == "" or lines:sub(-2) == "\r\n") and lines or lines .. "\r\n"
end

local function content_of(uid)
  for _, message in ipairs(kit.MAIL) do
    if message[1] == uid then
      return message[2]
    end
  end
end

function kit.of_type(type_, events)
  local found = {}
  for _, event in ipairs(events) do
    if event.type == type_ then
      table.insert(found, event)
    end
  end
  return found
end

function kit.types(events)
  local found = {}
  for i, event in ipairs(events) do
    found[i] = event.type
  end
  return found
end

--- All events that there are.
function kit.events(of)
  local found = {}
  for event in of:events() do
    table.insert(found, event)
  end
  return found
end

-- ---- both ends ----

-- How a session's questions are answered: alice has a password, keys and a token, and her maildrop is kit.MAIL.
local ANSWERS = {}

function ANSWERS.check_password(session, event)
  if event.user == "alice" and event.password == "secret" then
    return session:accept(event)
  end
  return session:refuse(event, poplin.AUTH)
end

function ANSWERS.find_secret(session, event)
  if event.user == "alice" then
    return session:password(event, "secret")
  elseif event.user == "keys" then
    return session:keys(event, poplin.scram_keys("secret", { salt = "sixteen octets.." }))
  end
  return session:refuse(event, poplin.AUTH)
end

function ANSWERS.check_token(session, event)
  if event.token == "good" then
    return session:accept_as(event, "alice")
  end
  return session:refuse(event, poplin.AUTH)
end

function ANSWERS.open_maildrop(session, event)
  local list = {}
  for i, message in ipairs(kit.MAIL) do
    list[i] = { message[1], #kit.wire(message[2]) }
  end
  return session:open(event, list)
end

function ANSWERS.send_body(session, event)
  return session:body(event, content_of(event.uid))
end

function ANSWERS.failed_login(session, event)
  return session:accept(event)
end
ANSWERS.commit = ANSWERS.failed_login

function kit.new_host(options)
  return { session = assert(protocol.session(options)), asked = {} }
end

function kit.answer(host)
  for event in host.session:events() do
    table.insert(host.asked, event)
    local reply = ANSWERS[event.type]
    if reply then
      assert(reply(host.session, event))
    end
  end
end

--- Carries octets both ways until there are none, and hands TLS out to both ends where they ask for it.
function kit.talk(pop, host, react)
  local seen = {}
  while true do
    local came = {}
    for event in pop:events() do
      table.insert(came, event)
      table.insert(seen, event)
      if react then
        react(event)
      end
    end
    local sent = assert(pop:data_to_send())
    if sent ~= "" then
      assert(host.session:receive_data(sent))
    end
    kit.answer(host)
    local answered = assert(host.session:data_to_send())
    if answered ~= "" then
      assert(pop:receive_data(answered))
    end
    if kit.of_type("start_tls", came)[1] then
      assert(pop:tls_started { version = "TLSv1.3", exporter = ("x"):rep(32) })
      assert(host.session:tls_started { version = "TLSv1.3", exporter = ("x"):rep(32) })
    elseif #came == 0 and sent == "" and answered == "" then
      return seen
    end
  end
end

function kit.plain(options)
  local of = { tls = "never", protected = true, host = "pop.example.org", port = 110 }
  for name, value in pairs(options or {}) do
    of[name] = value
  end
  return assert(protocol.client(of))
end

--- Both ends, alice being logged in, or nobody with user = false.
function kit.opened(user, options)
  local of = { protected = true }
  for name, value in pairs(options or {}) do
    of[name] = value
  end
  local pop, host = kit.plain(), kit.new_host(of)
  if user == false then
    assert(pop:open())
  else
    assert(pop:open("alice", "secret"))
  end
  local seen = kit.talk(pop, host)
  assert.are.equal("opened", seen[#seen].type)
  assert.is_true(seen[#seen].ok)
  return pop, host
end

--- A client that was greeted.
function kit.greeted(options)
  local pop = kit.plain(options)
  assert(pop:receive_data("+OK\r\n"))
  assert.are.same({ "greeting" }, kit.types(kit.events(pop)))
  return pop
end

--- A session in which alice has said who she is, her question being open.
function kit.asked(options, more)
  local of = { protected = true }
  for name, value in pairs(options or {}) do
    of[name] = value
  end
  local session = assert(protocol.session(of))
  assert(session:receive_data("USER alice\r\nPASS secret\r\n" .. (more or "")))
  local question = assert(session:next_event())
  return session, question
end

function kit.fails(kind, pattern, ok, err)
  assert.is_nil(ok)
  assert.are.equal(kind, err.kind, err.text)
  assert.is_truthy(err.text:find(pattern, 1, true), err.text)
  return err
end

function kit.raises(pattern, f, ...)
  local ok, problem = pcall(f, ...)
  assert.is_false(ok)
  problem = tostring(problem)
  assert.is_truthy(problem:find(pattern, 1, true), problem)
  return problem
end

return kit
