--- poplin.seen: what is remembered of fetched messages, read and changed by a script.

local poplin = require "poplin"

describe("the seen store", function()
  local folder, path, seen

  before_each(function()
    folder = os.tmpname()
    assert(os.remove(folder))
    assert(os.execute("mkdir " .. folder))
    path = folder .. "/seen.db"
    seen = assert(poplin.seen(path))
  end)

  after_each(function()
    seen:close()
    os.execute("rm -r " .. folder)
  end)

  local function reopen()
    seen:close()
    seen = assert(poplin.seen(path))
  end

  local function refused(words)
    local store, err = poplin.seen(path)
    assert.is_nil(store)
    assert.truthy(err.text:find(words, 1, true), err.text)
    return err.kind
  end

  -- holds: POP-UIDL-5 C
  it("remembers each record as it was, by account and unique-id", function()
    local records = {
      { uid = "B", copy = 0, step = "delivered", octets = 17, first_seen = 5, changed = 6, gone = 7 },
      { uid = "b", copy = 0, step = "taken", first_seen = 1763800000, changed = 1763800001 },
      { uid = "b", copy = 1, step = "confirmed", octets = math.maxinteger, first_seen = 0, changed = 0 },
    }
    assert.is_true(seen:record("alice", records))
    reopen()
    assert.are.same(records, seen:messages("alice"))
    assert.are.same(records, seen:recall("alice"))
    assert.are.same({}, seen:messages("bob"))
    assert.are.same({ alice = 3 }, seen:accounts())
    assert.is_true(seen:record("alice", { { uid = "b", copy = 1 } }))
    assert.are.same({ records[1], records[2] }, seen:messages("alice"))
  end)

  it("marks and forgets by hand", function()
    local before = os.time()
    assert.is_true(seen:mark("alice", { "a", "b" }))
    assert.is_true(seen:mark("alice", { "b" }, "taken"))
    assert.is_true(seen:mark("bob", {}))
    local a, b = table.unpack(seen:messages("alice"))
    assert.are.same({ "a", "delivered", "b", "taken" }, { a.uid, a.step, b.uid, b.step })
    assert.is_true(before <= a.first_seen and a.changed <= os.time())
    assert.is_nil(a.octets)
    assert.are.equal(1, seen:forget("alice", "a"))
    assert.are.equal(0, seen:forget("alice", "a"))
    assert.are.equal(1, seen:forget("alice"))
    assert.are.same({}, seen:accounts())
  end)

  -- holds: T-UID-3 C
  it("takes what a server says for data, and raises for what can be no record", function()
    local hostile = "'); DROP TABLE seen; --%s%n"
    assert.is_true(seen:mark(hostile, { hostile }))
    assert.are.equal(hostile, seen:messages(hostile)[1].uid)
    for _, uid in ipairs { "", "a\nb", "ö", "a\0b", ("x"):rep(1601) } do
      assert.has_error(function() seen:mark("alice", { "good", uid }) end)
      assert.has_error(function() seen:forget("alice", uid) end)
      assert.has_error(function() seen:record("alice", { { uid = uid, step = "taken" } }) end)
    end
    assert.has_error(function() seen:mark("", { "a" }) end)
    assert.has_error(function() seen:messages("a\nb") end)
    assert.has_error(function() seen:mark("alice", { "a" }, "stolen") end)
    assert.has_error(function() seen:mark("alice", { 1 }) end)
    assert.has_error(function() seen:mark("alice", "a") end)
    for _, wrong in ipairs { { step = 1 }, { step = "stolen" }, { copy = -1 }, { copy = 2 ^ 32 }, { octets = 1.5 },
      { octets = -1 }, { first_seen = "then" }, { changed = 253402300800 } } do
      wrong.uid = "a"
      wrong.step = wrong.step or "taken"
      assert.has_error(function() seen:record("alice", { wrong }) end)
    end
    assert.has_error(function() seen:record("alice", { {} }) end)
    assert.has_error(function() seen:record("alice", { "a" }) end)
    assert.are.same({ [hostile] = 1 }, seen:accounts())
  end)

  -- holds: T-UID-6 C
  it("tells what is no store, and what to do", function()
    seen:close()
    local file <close> = assert(io.open(path, "wb"))
    file:write(("x"):rep(4096))
    file:close()
    assert.are.equal("io", refused "it is no SQLite file: name another, or move it away")
    assert(os.execute("rm " .. path .. " && mkdir " .. path))
    refused "it is a folder"
    path = folder .. "/no/seen.db"
    refused "see that it and its folder are there"
    path = folder .. "/other.db"
    seen = assert(poplin.seen(path))
  end)

  it("is closed once, by hand, at the end of a block, or by the collector", function()
    do
      local other <close> = assert(poplin.seen(path))
      other:mark("alice", { "a" })
    end
    seen:close()
    seen:close()
    assert.has_error(function() seen:accounts() end, "calling 'accounts' on bad self (this seen store is closed)")
    poplin.seen(path)
    collectgarbage()
  end)

  it("has accounts claimed, each by one at a time", function()
    local function claimed_by_another()
      local claim, err = seen:claim "alice"
      assert.is_nil(claim)
      return err.kind
    end
    do
      local _ <close> = assert(seen:claim "alice")
      assert.are.equal("in_use", claimed_by_another())
      assert(seen:claim "bob"):close()
      reopen()
      assert.are.equal("in_use", claimed_by_another())
      assert(seen:mark("alice", { "a" }))
    end
    local claim = assert(seen:claim "alice")
    claim:close()
    claim:close()
    assert(seen:claim "alice")
    collectgarbage()
    assert(seen:claim "alice"):close()
    assert.has_error(function() seen:claim "" end)
    assert.has_error(function() seen:claim "a\nb" end)
    assert.has_error(function() seen:claim() end)
    assert(os.execute("rm " .. path .. "-claims && mkdir " .. path .. "-claims"))
    local none, err = seen:claim "alice"
    assert.is_nil(none)
    assert.are.equal("io", err.kind)
    assert.truthy(err.text:find(path .. "-claims: it is a folder: name a file", 1, true), err.text)
  end)

  it("names many messages", function()
    local uids = {}
    for i = 1, 5000 do
      uids[i] = string.format("%06d", i)
    end
    assert.is_true(seen:mark("alice", uids))
    local records = seen:messages("alice")
    assert.are.equal(5000, #records)
    assert.are.equal("002500", records[2500].uid)
  end)
end)
