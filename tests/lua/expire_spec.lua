--- How long mail stays: by age, until it was fetched, and by user, as LOGIN-DELAY may be; on clocks that tests move.

local poplin = require "poplin"
local testing = require "poplin.testing"
local support = require "support"

local DAY = 24 * 60 * 60

local function join(server, user)
  return poplin.connect(server.url, { user = user or "alice", password = "secret" })
end

-- How many messages a session sees.
local function count(server)
  local pop <close> = assert(join(server))
  local seen = assert(pop:stat())
  assert(pop:quit())
  return seen
end

-- A server whose users each have a maildrop of two messages, with these terms of their own; and what was deleted.
local function differing(terms, options)
  local deleted = {}
  local backend = {
    password = function() return "secret" end,
    maildrop = function(_, user)
      local drop = support.maildrop(support.messages(2))
      drop.deleted = deleted
      for name, value in pairs(terms[user] or {}) do
        drop[name] = value
      end
      return drop
    end,
  }
  local of = { backend = backend }
  for name, value in pairs(options) do
    of[name] = value
  end
  return assert(testing.Server(of)), deleted
end

describe("expire = 0", function()
  -- holds: POP-UPD-7 S
  it("deletes at QUIT what was fetched", function()
    for _, background in ipairs { false, true } do
      local server <close> = assert(testing.Server {
        users = { alice = "secret" }, expire = 0, background = background,
      })
      local one = server:deliver("alice", "one\n")
      local two = server:deliver("alice", "two\n")
      local pop = assert(join(server))
      assert(pop:retr(1))
      pop:close() -- without QUIT
      assert(server:wait_for(function() return server.sessions[1].outcome == "dropped" end))
      pop = assert(join(server))
      assert(pop:retr(1))
      assert(pop:top(2, 9))
      assert(pop:rset())
      assert(pop:quit())
      server.sessions[2]:assert_quit():assert_deleted(one)
      assert.are.equal(two, server:messages("alice")[1].uid)
    end
  end)

  -- holds: POP-UPD-7 S
  it("may be one user's", function()
    local server, deleted = differing({ bob = { expire = 7 } }, { expire = 0, expire_by_user = true })
    local _ <close> = server
    for _, user in ipairs { "alice", "bob" } do
      local pop = assert(join(server, user))
      assert(pop:retr(1))
      assert(pop:quit())
    end
    assert.are.equal(1, #deleted)
  end)
end)

describe("expire", function()
  -- holds: POP-EXP-1 S
  it("has mail in memory go by the server's clock", function()
    for _, background in ipairs { false, true } do
      local server <close> = assert(testing.Server {
        users = { alice = "secret" }, expire = 14, background = background,
      })
      server:deliver("alice", "old\n")
      server.clock:advance(13 * DAY)
      server:deliver("alice", "young\n")
      assert.are.equal(2, count(server))
      server.clock:advance(DAY)
      assert.are.equal(2, #server:messages("alice")) -- until a session opens the maildrop
      assert.are.equal(1, count(server))
      assert.are.equal("young\n", server:messages("alice")[1].data)
      server:close()
      assert(server:deliver("alice", "afterwards\n")) -- there is no clock any more
    end
  end)

  it("removes nothing by age without days", function()
    for _, expire in ipairs { 0, "never", false } do
      local server <close> = assert(testing.Server { users = { alice = "secret" }, expire = expire or nil })
      server:deliver("alice", "old\n")
      server.clock:advance(40 * DAY)
      assert.are.equal(1, count(server))
    end
  end)
end)

describe("a Maildir's expire", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    assert(os.remove(folder))
    assert(os.execute(string.format("mkdir -p %s/tmp %s/new %s/cur", folder, folder, folder)))
    for _, name in ipairs { "new/9.old", "cur/1.young:2,S" } do
      local file <close> = assert(io.open(folder .. "/" .. name, "wb"))
      file:write(name, "\n")
    end
    assert(os.execute("touch -d '10 days ago' " .. folder .. "/new/9.old"))
  end)

  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  -- holds: POP-EXP-1 S
  it("has mail go by its files' times", function()
    for _, row in ipairs { { 11, 2 }, { 0, 2 }, { "never", 2 }, { nil, 2 }, { 9, 1 } } do
      local server <close> = assert(poplin.serve {
        password = function() return "secret" end,
        maildrop = function() return poplin.maildir(folder, { expire = row[1] }) end,
        expire = row[1],
      })
      assert.are.equal(row[2], count(server))
      assert.are.same({}, server.errors)
    end
  end)

  it("can be the user's own", function()
    local server <close> = assert(poplin.serve {
      password = function() return "secret" end,
      maildrop = function() return poplin.maildir(folder, { expire = 30 }) end,
      expire = 7, expire_by_user = true,
    })
    local pop <close> = assert(join(server))
    assert.are.equal(30, pop.capabilities.expire)
  end)

  it("is told again, and what is none is named", function()
    local maildir <close> = assert(poplin.maildir(folder, { expire = 9 }))
    assert.are.equal(9, maildir.expire)
    assert.are.same({ { "1.young" } }, maildir:list())
    assert.is_nil(maildir.nonsense)
    assert.is_nil(assert(poplin.maildir(folder, {})).expire)
    assert.is_nil(assert(poplin.maildir(folder)).expire)
    assert.are.equal("never", assert(poplin.maildir(folder, { expire = "never" })).expire)
    for _, expire in ipairs { -1, 1.5, "soon", true, 1 << 40 } do
      assert.error_matches(function() poplin.maildir(folder, { expire = expire }) end, "expire must be a whole number")
    end
    assert.error_matches(function() poplin.maildir(folder, { expires = 1 }) end, "unknown option: expires")
    assert.has_error(function() poplin.maildir(folder, 9) end)
    local none, err = poplin.maildir(folder .. "/new", { expire = 9 })
    assert.is_nil(none)
    assert.is_truthy(err.text:find("no folder", 1, true))
  end)
end)

describe("a second value beside a maildrop", function()
  -- holds: T-UPD-2 S
  it("is for the server's owner, and the mail is served", function()
    local drop = support.maildrop(support.messages(1))
    local server <close> = support.serve(drop, { maildrop = function() return drop, "an old message stays" end })
    assert.are.equal(1, count(server))
    assert.are.equal(1, #server.errors)
    assert.are.equal("maildrop: an old message stays", tostring(server.errors[1]))
  end)
end)

describe("users that differ", function()
  local BOTH = { expire = 7, login_delay = 60, expire_by_user = true, login_delay_by_user = true }

  -- holds: POP-EXP-1 S, POP-DLY-1 S, POP-CAPA-7 C
  it("are each told their own terms", function()
    local server <close> = differing(
      { alice = { expire = "never", login_delay = 5 }, bob = { expire = 14 }, carol = { login_delay = 0 } }, BOTH)
    local before <close> = assert(poplin.connect(server.url))
    assert.are.same({ "7", "USER" }, before.capabilities.EXPIRE)
    assert.are.same({ "60", "USER" }, before.capabilities["LOGIN-DELAY"])
    local wanted = {
      alice = { { "NEVER" }, { "5" } }, bob = { { "14" }, { "60" } },
      carol = { { "7" }, { "0" } }, dave = { { "7" }, { "60" } },
    }
    for user, words in pairs(wanted) do
      local pop <close> = assert(join(server, user)) -- which asks again after the login
      assert.are.same(words, { pop.capabilities.EXPIRE, pop.capabilities["LOGIN-DELAY"] })
    end
  end)

  -- holds: POP-DLY-1 S
  it("wait for as long as is their own", function()
    local server <close> = differing({ alice = { login_delay = 5 } }, { login_delay = 60, login_delay_by_user = true })
    for _, user in ipairs { "alice", "bob" } do
      assert(assert(join(server, user)):quit())
      assert.are.equal("LOGIN-DELAY", select(2, join(server, user)).code)
    end
    server.clock:advance(5)
    assert(assert(join(server, "alice")):quit())
    assert.are.equal("LOGIN-DELAY", select(2, join(server, "bob")).code)
    server.clock:advance(55)
    assert(assert(join(server, "bob")):quit())
  end)

  it("do so only where the server says it", function()
    local server, deleted = differing({ alice = { expire = 0, login_delay = 1 } }, { expire = 7, login_delay = 9 })
    local _ <close> = server
    local pop = assert(join(server))
    assert.are.same({ 7, 9 }, { pop.capabilities.expire, pop.capabilities.login_delay })
    assert(pop:retr(1))
    assert(pop:quit())
    assert.are.same({}, deleted)
  end)

  -- holds: POP-EXP-1 S
  it("do not break what was announced", function()
    for words, terms in pairs {
      ["its expire below"] = { expire = 6 },
      ["own login_delay is above"] = { login_delay = 61 },
      ["expire must be a whole number"] = { expire = "soon" },
      ["login_delay must be a whole number"] = { login_delay = "5" },
    } do
      local options = { raise_errors = false }
      for name, value in pairs(BOTH) do
        options[name] = value
      end
      local server <close> = differing({ alice = terms }, options)
      assert.are.equal("temporary", select(2, join(server)).kind)
      assert.are.equal(1, #server.errors)
      assert.is_truthy(tostring(server.errors[1]):find(words, 1, true), tostring(server.errors[1]))
    end
  end)

  it("differ from something", function()
    for _, name in ipairs { "expire_by_user", "login_delay_by_user" } do
      assert.error_matches(function()
        testing.Server { users = { alice = "secret" }, [name] = true }
      end, name .. " goes with")
      assert.has_error(function()
        testing.Server { users = { alice = "secret" }, expire = 1, login_delay = 1, [name] = 1 }
      end)
    end
  end)
end)
