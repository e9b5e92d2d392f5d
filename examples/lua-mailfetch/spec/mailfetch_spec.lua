--- The fetcher against a server that behaves, and against some that do not.

local mailfetch = require "mailfetch"
local testing = require "poplin.testing"

local USERS = { alice = "secret" }

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

describe("mailfetch", function()
  local folder

  before_each(function()
    folder = os.tmpname()
    assert(os.remove(folder))
    assert(os.execute("mkdir " .. folder))
  end)

  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  local function deliver(server, count)
    local uids = {}
    for i = 1, count do
      uids[i] = assert(server:deliver("alice", "Subject: " .. i .. "\r\n\r\n" .. ("text "):rep(20) .. "\r\n"))
    end
    return uids
  end

  local function fetch(server, options)
    return mailfetch.fetch(server.url, folder, options or { user = "alice", password = "secret" })
  end

  -- The subjects of these messages, as they are in the folder.
  local function saved(uids)
    local subjects = {}
    for i, uid in ipairs(uids) do
      subjects[i] = read(mailfetch.path_of(folder, uid)):match("^Subject: (%d+)\r\n")
    end
    return table.concat(subjects, " ")
  end

  it("saves new mail and deletes it", function()
    testing.with_server({ users = USERS }, function(server)
      local uids = deliver(server, 3)
      assert.are.equal(3, (fetch(server)))
      assert.are.equal("1 2 3", saved(uids))
      server.sessions[1]:assert_quit():assert_retrieved(table.unpack(uids)):assert_deleted(table.unpack(uids))
      assert.are.same({}, server:messages("alice"))
    end)
  end)

  it("loses nothing by a connection that drops in the middle of a message", function()
    testing.with_server({ users = USERS }, function(server)
      local uids = deliver(server, 3)
      local drop = server:fault("RETR", { nth = 2, drop_after = 40 })
      assert(fetch(server))
      assert.are.equal(1, drop:fired())
      assert.are.equal("1 2 3", saved(uids))
      server.sessions[1]:assert_outcome("dropped"):assert_deleted()
      server.sessions[2]:assert_quit():assert_retrieved(uids[2], uids[3]):assert_deleted(table.unpack(uids))
      assert.are.same({ uids[1] }, server.sessions[1].retrieved)
    end)
  end)

  it("gives up in the end", function()
    testing.with_server({ users = USERS }, function(server)
      deliver(server, 1)
      server:fault("RETR", { drop_after = 40 })
      local count, err = fetch(server)
      assert.is_nil(count)
      assert.are.equal("closed", err.kind)
      assert.are.equal(3, #server.sessions)
      assert.are.equal(1, #server:messages("alice"))
    end)
  end)

  it("tries a wrong password once", function()
    testing.with_server({ users = USERS }, function(server)
      local count, err = fetch(server, { user = "alice", password = "wr0ng" })
      assert.is_nil(count)
      assert.are.equal("auth", err.kind)
      assert.is_nil(err.text:find("wr0ng", 1, true))
      assert.are.equal(1, #server.sessions)
    end)
  end)

  it("gives no password to a server with a bad certificate", function()
    for _, blemish in ipairs { "expired", "wrong-host", "unknown-root", "self-signed" } do
      local certificate = assert(testing.certificate { blemish = blemish })
      testing.with_server({ users = USERS, certificate = certificate }, function(server)
        local count, err = fetch(server, { user = "alice", password = "secret", ca_pem = server.ca_pem })
        assert.is_nil(count)
        assert.are.equal("certificate", err.kind)
        assert.are.same({}, server.sessions[1].commands)
      end)
    end
  end)

  it("is a program, which is run against a server in the background", function()
    testing.with_server({ users = USERS, background = true, tls = "implicit" }, function(server)
      local uids = deliver(server, 2)
      local ca_file <close> = assert(io.open(folder .. "/ca.pem", "w"))
      assert(ca_file:write(server.ca_pem))
      assert(ca_file:flush())
      assert(os.execute(string.format("MAILFETCH_PASSWORD=secret lua5.4 mailfetch.lua %s %s %s/ca.pem >%s/said",
        server:url_for("alice"), folder, folder, folder)))
      assert.are.equal("new messages: 2\n", read(folder .. "/said"))
      assert.are.equal("1 2", saved(uids))
      server.sessions[1]:assert_quit():assert_no_cleartext_secret()
    end)
  end)
end)
