--- What a server offers beyond RFC 1939, and what it allows: UTF8, LANG, EXPIRE, locks, limits; and what clients read.

local poplin = require "poplin"
local testing = require "poplin.testing"
local support = require "support"

local PLAIN = "Subject: plain\r\n\r\nhello\r\n"
local CAFE = "Subject: café\r\n\r\nhello\r\n"
local GERMAN = {
  { tag = "de", description = "Deutsch", texts = { bye = "tschüß", ["no such message"] = "keine Nachricht" } },
  { tag = "tlh" },
}

-- A script's maildrops: of each user the same two messages, of which the second is marked as UTF-8.
local function script()
  local mail = { plain = PLAIN, utf8 = CAFE }
  local backend = { deleted = {} }
  function backend.password(_, user)
    return user == "alice" and "secret" or nil
  end
  function backend.maildrop()
    return {
      list = function()
        return { { "plain" }, { "utf8", #CAFE, utf8 = true } }
      end,
      retr = function(_, uid) return mail[uid] end,
      dele = function(_, uids)
        for _, uid in ipairs(uids) do
          table.insert(backend.deleted, uid)
        end
      end,
    }
  end
  return backend
end

-- Calls test(server, backend or nil) with each kind of test server.
local function each(options, test)
  for _, kind in ipairs { "memory", "background", "script" } do
    local of, backend = {}, kind == "script" and script() or nil
    for name, value in pairs(options) do
      of[name] = value
    end
    of.backend, of.users = backend, not backend and { alice = "secret" } or nil
    of.background = kind == "background" or nil
    local server <close> = assert(testing.Server(of))
    if not backend then
      server:deliver("alice", PLAIN)
      server:deliver("alice", CAFE)
    end
    test(server, backend)
  end
end

local function join(server, options)
  local of = { user = "alice", password = "secret" }
  for name, value in pairs(options or {}) do
    of[name] = value
  end
  return poplin.connect(server.url, of)
end

describe("UTF8", function()
  -- holds: POP-UTF8-1 B, POP-UTF8-2 S
  it("lets mail in UTF-8 through to those who ask", function()
    each({ utf8 = true }, function(server)
      local pop = assert(join(server))
      assert.is_true(pop.capabilities.utf8 and pop.capabilities.utf8_user)
      assert.are.equal(PLAIN, assert(pop:retr(1)))
      local none, err = pop:retr(2)
      assert.is_nil(none)
      assert.are.same({ "refused", "UTF8" }, { err.kind, err.code })
      assert(pop:quit())
      pop = assert(join(server, { utf8 = true }))
      assert.are.equal(CAFE, assert(pop:retr(2)))
      assert(pop:quit())
      pop = assert(poplin.connect(server.url))
      assert.is_true(pop:utf8())
      assert(pop:login("alice", "secret"))
      assert.are.equal(CAFE, assert(pop:retr(2)))
      assert(pop:quit())
    end)
  end)

  it("is left alone where the server has none", function()
    each({}, function(server)
      local pop <close> = assert(join(server, { utf8 = true }))
      assert.is_false(pop.capabilities.utf8)
      assert.are.equal(CAFE, assert(pop:retr(2)))
    end)
  end)
end)

describe("LANG", function()
  -- holds: POP-LANG-1 B, POP-LANG-2 S
  it("lists languages, and chooses one", function()
    each({ languages = GERMAN }, function(server)
      local pop <close> = assert(poplin.connect(server.url))
      assert.are.same({
        { tag = "de", description = "Deutsch" }, { tag = "tlh" }, { tag = "i-default", description = "English" },
      }, assert(pop:lang()))
      assert.are.equal("de", assert(pop:lang("*")))
      assert.are.equal("refused", select(2, pop:lang("fr")).kind)
      assert(pop:login("alice", "secret"))
      assert.are.equal("keine Nachricht", select(2, pop:retr(9)).peer)
      assert.are.equal("tlh", assert(pop:lang("tlh")))
      assert.are.equal("no such message", select(2, pop:retr(9)).peer)
    end)
  end)

  it("sends nothing that is no language", function()
    local server <close> = assert(testing.Server { users = { alice = "secret" }, languages = GERMAN })
    local pop <close> = assert(poplin.connect(server.url))
    for _, language in ipairs { "", "de\r\nQUIT", "de AT" } do
      local none, err = pop:lang(language)
      assert.is_nil(none)
      assert.is_truthy(tostring(err):find("a language is a tag", 1, true), tostring(err))
    end
    assert.are.equal("de", assert(pop:lang("de")))
  end)
end)

describe("capabilities", function()
  -- holds: POP-CAPA-10 B, POP-EXP-1 S
  it("are data", function()
    each({ expire = 7, utf8 = true, languages = GERMAN }, function(server)
      local pop <close> = assert(poplin.connect(server.url))
      local announced = pop.capabilities
      assert.are.same(announced, assert(pop:capa()))
      assert.are.same({ "7" }, announced.EXPIRE)
      assert.are.equal(7, announced.expire)
      assert.is_nil(announced.login_delay)
      assert.are.same({ "PLAIN" }, announced.sasl)
      assert.are.equal("poplin", announced.implementation)
      for _, name in ipairs { "user", "top", "uidl", "pipelining", "utf8", "utf8_user", "lang" } do
        assert.is_true(announced[name], name)
      end
      assert.is_false(announced.stls)
      assert.is_nil(announced.nonsense)
    end)
  end)

  -- holds: POP-CAPA-3 C, T-TXT-2 C
  it("do no harm where they come twice or oddly", function()
    local port, finished = support.peer [[
      send "+OK\r\n"
      expect "CAPA\r\n"
      send "+OK\r\nSASL plain\r\nsasl X\r\nEXPIRE -1\r\nLOGIN-DELAY 99999999999\r\n"
      send "UTF8 A user\r\nIMPLEMENTATION a\tb\r\n.\r\n"
      expect "QUIT\r\n"
      send "+OK\r\n"
    ]]
    local pop = assert(poplin.connect("pop3://127.0.0.1:" .. port))
    local announced = pop.capabilities
    assert.are.same({ "PLAIN", "X" }, announced.sasl)
    assert.is_nil(announced.expire)
    assert.is_nil(announced.login_delay)
    assert.is_true(announced.utf8_user)
    assert.are.equal("a\tb", announced.implementation)
    assert(pop:quit())
    local ok, transcript = finished()
    assert.is_true(ok, transcript)
  end)

  it("tell how long mail stays, where that is a number", function()
    for expire, words in pairs { [0] = "0", never = "NEVER" } do
      local server <close> = assert(testing.Server { users = { alice = "secret" }, expire = expire, login_delay = 9 })
      local pop <close> = assert(join(server))
      assert.are.same({ words }, pop.capabilities.EXPIRE)
      assert.are.equal(expire == 0 and 0 or nil, pop.capabilities.expire)
      assert.are.equal(9, pop.capabilities.login_delay)
    end
  end)
end)

describe("lock", function()
  -- holds: POP-ST-4 S
  it("snapshot has sessions live side by side", function()
    each({ lock = "snapshot" }, function(server, backend)
      local one, other = assert(join(server)), assert(join(server))
      assert(one:dele(1))
      assert.are.equal(PLAIN, assert(other:retr(1)))
      assert(one:quit())
      assert.is_truthy(select(2, other:retr(1)).peer:find("another session has deleted", 1, true))
      assert.are.equal(2, assert(other:stat()))
      assert(other:dele(1))
      assert(other:dele(2))
      assert(other:quit())
      if backend then
        assert.are.same({ "plain", "utf8" }, backend.deleted)
      end
    end)
  end)

  -- holds: POP-ST-3 S
  it("exclusive has the next one wait, where it may", function()
    local server <close> = assert(testing.Server { users = { alice = "secret" }, lock_wait = 100 })
    local first, second = assert(join(server)), nil
    poplin.spawn(function() second = assert(join(server)) end)
    while #server.sessions < 2 or #server.sessions[2].commands < 2 do
      poplin.step(1)
    end
    assert.is_nil(second)
    assert(first:quit())
    while not second do
      poplin.step(1)
    end
    local refused
    poplin.spawn(function() refused = select(2, join(server)) end)
    while #server.sessions < 3 or #server.sessions[3].commands < 2 do
      poplin.step(1)
    end
    server.clock:advance(100)
    while not refused do
      poplin.step(1)
    end
    assert.are.equal("in_use", refused.kind)
    second:close()
  end)

  it("none is what exclusive = false is", function()
    for _, options in ipairs { { lock = "none" }, { exclusive = false } } do
      each(options, function(server)
        assert(join(server)):close()
        local one <close> = assert(join(server))
        assert(join(server)):close()
        assert(one:noop())
      end)
    end
  end)
end)

describe("limits", function()
  -- holds: LIM-10 S
  it("are the owner's", function()
    each({ limits = { max_failed_logins = 1 } }, function(server)
      local pop = assert(poplin.connect(server.url))
      assert.are.equal("auth", select(2, pop:login("alice", "wrong")).kind)
      assert.are.equal("closed", select(2, pop:capa()).kind)
    end)
  end)

  it("hold for handshakes and for maildrops", function()
    local server <close> = assert(poplin.serve {
      password = function() return "secret" end, limits = { max_messages = 1, handshake = 5, stall = 6 },
      maildrop = function() return support.maildrop(support.messages(2)) end,
    })
    assert.are.equal("temporary", select(2, join(server)).kind)
    assert.is_truthy(tostring(server.errors[1]):find("max_messages", 1, true))
  end)
end)

describe("languages", function()
  it("are told from what is none", function()
    for _, languages in ipairs {
      { "de" }, { de = { description = "Deutsch" } }, { { tag = "de AT" } }, { { tag = "de", texts = "bye" } },
      { { tag = "de", texts = { "tschüß" } } }, { { tag = "de", description = 1 } }, { { tag = "de\n" } },
    } do
      local ok, err = pcall(testing.Server, { users = { alice = "secret" }, languages = languages })
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find("languages is an array", 1, true), tostring(err))
    end
  end)
end)

describe("options that make no sense", function()
  it("are named", function()
    for words, options in pairs {
      ["lock must be 'exclusive'"] = { lock = "shared" },
      ["which of the two"] = { lock = "exclusive", exclusive = false },
      ["lock_wait goes with"] = { lock = "none", lock_wait = 1 },
      ["lock_wait must be a number"] = { lock_wait = -1 },
      ["expire must be"] = { expire = "soon" },
      ["languages is an array"] = { languages = { { "de" } } },
      ["languages is not as it should be"] = { languages = { { tag = "d_e" } } },
      ["unknown limit: max_lines"] = { limits = { max_lines = 1 } },
      ["max_line is 255 at least"] = { limits = { max_line = 100 } },
      ["limits must be a table"] = { limits = 5 },
      ["stall must be more than 0"] = { limits = { stall = 0 } },
      ["handshake must be a number"] = { limits = { handshake = 0 / 0 } },
      ["inactivity must be more than 0"] = { inactivity = 0 },
    } do
      for _, make in ipairs {
        function(of) of.password = function() end of.maildrop = function() end return poplin.serve(of) end,
        function(of) of.users = { alice = "secret" } return testing.Server(of) end,
      } do
        local of = {}
        for name, value in pairs(options) do
          of[name] = value
        end
        local ok, err = pcall(function() return assert(make(of)) end)
        assert.is_false(ok, words)
        assert.is_truthy(tostring(err):find(words, 1, true), tostring(err))
      end
    end
  end)
end)
