--- poplin.maildir, served to a client, while the test does what other programs do to a Maildir.

local poplin = require "poplin"
local support = require "support"

describe("a Maildir", function()
  local folder, path, server

  local function put(name, text)
    local file <close> = assert(io.open(path .. "/" .. name, "wb"))
    assert(file:write(text or ("Subject: " .. name .. "\n\nhello\n")))
  end

  local function exists(name)
    local file <close> = io.open(path .. "/" .. name, "rb")
    return file ~= nil
  end

  local function rename(from, to)
    assert(os.rename(path .. "/" .. from, path .. "/" .. to))
  end

  local function remove(name)
    assert(os.remove(path .. "/" .. name))
  end

  local function sent(name)
    return "Subject: " .. name .. "\r\n\r\nhello\r\n"
  end

  before_each(function()
    folder = os.tmpname()
    assert(os.remove(folder))
    path = folder .. "/Maildir"
    assert(os.execute(string.format("mkdir -p %s/tmp %s/new %s/cur", path, path, path)))
    server = assert(poplin.serve {
      password = function(_, user) return user == "alice" and "secret" or nil end,
      maildrop = function() return poplin.maildir(path) end,
    })
  end)

  after_each(function()
    server:stop()
    os.execute("rm -r " .. folder)
  end)

  local function errors()
    local texts = {}
    for i, problem in ipairs(server.errors) do
      texts[i] = tostring(problem)
    end
    return table.concat(texts, "\n")
  end

  local function uids(pop)
    local found = {}
    for i, line in ipairs(assert(pop:uidl())) do
      found[i] = line.uid
    end
    return found
  end

  -- holds: MDIR-5 S, POP-SIZE-1 S
  it("is a maildrop as it stands", function()
    for _, name in ipairs { "new/1000.b", "cur/999.z:2,S", "new/1000.a", "tmp/1.x", "new/.2" } do
      put(name)
    end
    local pop <close> = assert(support.connect(server))
    assert.are.same({ "999.z", "1000.a", "1000.b" }, uids(pop))
    assert.are.equal(sent("cur/999.z:2,S"), pop:retr(1))
    assert.are.equal(#sent("cur/999.z:2,S"), pop:list(1))
    assert.are.equal(sent("new/1000.b"), pop:retr(3))
    assert.are.equal("", errors())
  end)

  -- holds: T-LCK-2 S, POP-UPD-1 S
  it("goes on while other programs work on it", function()
    for _, name in ipairs { "new/1.a", "new/2.a", "new/3.a", "new/4.a" } do
      put(name)
    end
    local pop <close> = assert(support.connect(server))
    assert.are.equal(4, (pop:stat()))
    rename("new/1.a", "cur/1.a:2,RS")
    remove("new/2.a")
    put("new/5.a")
    assert.are.equal(sent("new/1.a"), pop:retr(1))
    local gone, err = pop:retr(2)
    assert.is_nil(gone)
    assert.are.same({ "refused", "the message is no longer there" }, { err.kind, err.peer })
    assert.are.same({ "1.a", "2.a", "3.a", "4.a" }, uids(pop))
    for number = 1, 3 do
      assert(pop:dele(number))
    end
    assert.is_true(exists("cur/1.a:2,RS"))
    assert(pop:quit())
    assert.is_false(exists("cur/1.a:2,RS") or exists("new/3.a"))
    local next_one <close> = assert(support.connect(server))
    assert.are.same({ "4.a", "5.a" }, uids(next_one))
    assert.are.equal("", errors())
  end)

  -- holds: T-UPD-1 S
  it("deletes nothing without QUIT", function()
    put("new/1.a")
    local pop = assert(support.connect(server))
    assert(pop:dele(1))
    support.warnings(function() pop:close() end)
    while server:open_sessions() > 0 do
      poplin.step(1)
    end
    assert.is_true(exists("new/1.a"))
  end)

  -- holds: T-UPD-2 S
  it("tells of a failure in the middle of the removal", function()
    for _, name in ipairs { "new/1.a", "new/2.b", "new/3.c", "new/4.d" } do
      put(name)
    end
    local pop <close> = assert(support.connect(server))
    for number = 1, 3 do
      assert(pop:dele(number))
    end
    remove("new/2.b")
    assert(os.execute("mkdir " .. path .. "/new/2.b")) -- which no unlink removes, not even for root
    local ok, err = pop:quit()
    assert.is_nil(ok)
    assert.are.equal("temporary", err.kind)
    assert.is_truthy(errors():find(path .. "/new/2.b: ", 1, true), errors())
    local next_one <close> = assert(support.connect(server))
    assert.are.same({ "4.d" }, uids(next_one))
  end)

  it("tells its owner what is wrong with it, and the client nothing of that", function()
    assert(os.execute("rmdir " .. path .. "/cur"))
    local pop, err = support.connect(server)
    assert.is_nil(pop)
    assert.are.equal("temporary", err.kind)
    assert.is_nil(err.text:find(path, 1, true))
    assert.is_truthy(errors():find(path .. ' is no Maildir: it has no folder "cur"', 1, true), errors())
    put("cur", "no folder")
    local maildir
    maildir, err = poplin.maildir(path)
    assert.is_nil(maildir)
    assert.are.equal("io", err.kind)
    assert.is_truthy(err.text:find('its "cur" is no folder', 1, true), err.text)
    remove("cur")
  end)

  it("has the methods of a maildrop", function()
    put("new/1.a", "one")
    put("cur/2.b:2,S", "two")
    local maildir <close> = assert(poplin.maildir(path))
    assert.are.same({ { "1.a" }, { "2.b" } }, maildir:list())
    local file = assert(maildir:retr("2.b"))
    assert.are.equal("file", io.type(file))
    assert.are.equal("two", file:read("a"))
    assert.is_true(file:close())
    assert.is_true(maildir:dele { "2.b" })
    assert.is_true(maildir:dele { "2.b" })
    local none, err, text = maildir:retr("2.b")
    assert.is_nil(none)
    assert.are.same({ "refused", "the message is no longer there" }, { err.kind, err.text })
    assert.are.equal(err.text, text)
    assert.is_false(exists("cur/2.b:2,S"))
  end)

  -- holds: T-API-3 B
  it("touches nothing when it is misused", function()
    put("new/1.a")
    local maildir = assert(poplin.maildir(path))
    for _, uid in ipairs { "1", "1.a\0", "", "../new/1.a" } do
      local file, err = maildir:retr(uid)
      assert.is_nil(file)
      assert.are.equal("refused", err.kind)
      local ok
      ok, err = maildir:dele { "1.a", uid }
      assert.is_nil(ok)
      assert.are.equal("refused", err.kind)
    end
    for _, wrong in ipairs { 1, true, {} } do
      assert.has_error(function() maildir:retr(wrong) end)
      assert.has_error(function() maildir:dele { "1.a", wrong } end)
      assert.has_error(function() poplin.maildir(wrong) end)
    end
    assert.has_error(function() maildir:dele("1.a") end)
    assert.has_error(function() poplin.maildir(path .. "\0") end)
    assert.is_true(exists("new/1.a"))
    for _ = 1, 2 do
      maildir:close()
    end
    for _, method in ipairs { "list", "retr", "dele" } do
      assert.error_matches(function() maildir[method](maildir, {}) end, "this Maildir is closed")
    end
  end)
end)
