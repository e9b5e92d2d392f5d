--- README's example and the examples, run as they stand.

local testing = require "poplin.testing"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

-- A new folder; its files are removed with it.
local function new_folder()
  local folder = os.tmpname()
  assert(os.remove(folder))
  assert(os.execute("mkdir " .. folder))
  return folder, function() os.execute("rm -r " .. folder) end
end

-- Runs a command: whether it succeeded, and what it wrote.
local function run(command)
  local process = assert(io.popen("exec 2>&1; POPLIN_PASSWORD=secret " .. command))
  local said = process:read("a")
  return process:close() == true, said
end

-- As users see text: line ends CRLF, the last line ended.
local function on_the_wire(text)
  local lines = text:gsub("\r\n", "\n"):gsub("\n", "\r\n")
  return lines:sub(-2) == "\r\n" and lines or lines .. "\r\n"
end

describe("README", function()
  it("has a Lua example that does what it says", function()
    local example = read("README.md"):match("\n```lua\n(.-)```\n")
    local folder, remove = new_folder()
    finally(remove)
    write(folder .. "/example.lua", example)
    assert.are.same({ true, "true\ttrue\n" }, { run("lua5.4 -W " .. folder .. "/example.lua") })
  end)
end)

describe("docs/testing.md", function()
  local program = [[
#!/usr/bin/env lua5.4
local poplin = require "poplin"
local pop <close> = assert(poplin.connect("pop3://127.0.0.1:" .. arg[2], { user = "alice", password = "secret" }))
for message in pop:retr_all() do
  if not arg[0]:find("careless", 1, true) then message:dele() end
end
assert(pop:quit())
]]

  it("has a Lua example that notices what a program does", function()
    local folder, remove = new_folder()
    finally(remove)
    local example = read("docs/testing.md"):match("\n```lua\n(.-)```\n")
    for name, expected in pairs { ["my-program"] = true, ["careless-program"] = false } do
      write(folder .. "/" .. name, program)
      write(folder .. "/example.lua", (example:gsub("my%-program", name)))
      assert(os.execute("chmod +x " .. folder .. "/" .. name))
      local ok, said = run("PATH=" .. folder .. ":$PATH lua5.4 -W " .. folder .. "/example.lua")
      assert.are.equal(expected, ok, said)
      assert.are.equal(not expected, said:find("expected these messages to be deleted", 1, true) ~= nil, said)
    end
  end)
end)

describe("the sample project", function()
  it("passes its own tests", function()
    local ok, said = run("sh -c 'cd examples/lua-mailfetch && lua5.4 $(command -v busted) -o plainTerminal'")
    assert.is_true(ok, said)
    assert.is_truthy(said:find("6 successes / 0 failures / 0 errors", 1, true), said)
  end)
end)

describe("the examples", function()
  local folder, remove, pid, server, url
  local mail = { "examples/mail/01-plain.eml", "examples/mail/04-attachment.eml", "examples/mail/06-leading-dots.eml" }

  before_each(function()
    folder, remove = new_folder()
    local certificate = assert(testing.certificate())
    write(folder .. "/ca.pem", certificate.ca_pem)
    write(folder .. "/cert.pem", certificate.cert_pem)
    write(folder .. "/key.pem", certificate.key_pem)
    local arguments = string.format("0 %s/cert.pem %s/key.pem %s", folder, folder, table.concat(mail, " "))
    server = assert(io.popen("echo $$; POPLIN_PASSWORD=secret exec lua5.4 examples/lua/serve.lua " .. arguments))
    pid = server:read("l")
    url = assert(server:read("l")):match("serving at (pop3s://%S+);")
  end)

  after_each(function()
    os.execute("kill " .. pid)
    server:close()
    remove()
  end)

  it("serve files, and fetch them into a folder, once", function()
    local command = table.concat({ "lua5.4 examples/lua/fetch.lua", url, "alice", folder, folder .. "/ca.pem" }, " ")
    assert.are.same({ true, "3 fetched\n" }, { run(command) })
    for i, path in ipairs(mail) do
      assert.are.equal(on_the_wire(read(path)), read(folder .. "/file-" .. i .. ".eml"))
    end
    assert.are.same({ true, "0 fetched\n" }, { run(command) })
  end)

  it("say what is wrong", function()
    local ok, said = run(table.concat({ "lua5.4 examples/lua/fetch.lua", url, "alice", folder }, " "))
    assert.is_false(ok)
    assert.is_truthy(said:find("certificate", 1, true))
  end)

  it("serve a Maildir", function()
    assert(os.execute(string.format("mkdir -p %s/mail/new %s/mail/cur %s/got", folder, folder, folder)))
    write(folder .. "/mail/new/1.a", read(mail[1]))
    write(folder .. "/mail/cur/2.b:2,S", read(mail[3]))
    local serving <close> = assert(io.popen("echo $$; POPLIN_PASSWORD=secret exec lua5.4 examples/lua/maildir.lua "
      .. string.format("%s/mail 0 %s/cert.pem %s/key.pem", folder, folder, folder)))
    local its_pid = serving:read("l")
    local its_url = assert(serving:read("l")):match("serving at (pop3s://%S+);")
    local ok, said = run(table.concat({ "lua5.4 examples/lua/fetch.lua", its_url, "alice", folder .. "/got",
      folder .. "/ca.pem" }, " "))
    os.execute("kill " .. its_pid)
    assert.are.same({ true, "2 fetched\n" }, { ok, said })
    assert.are.equal(on_the_wire(read(mail[1])), read(folder .. "/got/1%2ea.eml"))
    assert.are.equal(on_the_wire(read(mail[3])), read(folder .. "/got/2%2eb.eml"))
  end)

  it("fetch with progress, for the demonstration", function()
    local ok, said = run(table.concat({ "lua5.4 examples/demo/fetch.lua", url, folder .. "/ca.pem", "alice" }, " "))
    assert.is_true(ok)
    assert.is_truthy(said:find("TLS1.3", 1, true))
    assert.is_truthy(said:find("[" .. ("#"):rep(30) .. "] 3 of 3 messages", 1, true))
  end)
end)

describe("the example of a discovery", function()
  it("asks dig, and tells what needs a second look", function()
    local folder, remove = new_folder()
    finally(remove)
    write(folder .. "/dig", [[#!/bin/sh
case "$*" in
*_pop3s._tcp.example.org.) echo "_pop3s._tcp.example.org. 60 IN SRV 10 0 995 pop.example.org." ;;
*_pop3._tcp.example.org.) echo "_pop3._tcp.example.org. 60 IN SRV 0 0 110 pop.provider.test." ;;
*) exit 9 ;;
esac
]])
    assert(os.execute("chmod +x " .. folder .. "/dig"))
    local command = "PATH=" .. folder .. ":$PATH lua5.4 examples/lua/discover.lua "
    local ok, said = run(command .. "alice@example.org")
    assert.is_true(ok)
    assert.are.equal("pop3s://pop.example.org\ttls=implicit\t\n" ..
      "pop3://pop.provider.test\ttls=stls\t(ask the user whether he knows it)\n", said)
    ok, said = run(command .. "alice@example.net")
    assert.is_false(ok)
    assert.is_truthy(said:find("dig failed for _pop3s._tcp.example.net", 1, true))
    assert.is_false((run(command .. "'alice@x;false'")))
  end)
end)

describe("the examples of hosts", function()
  for name, ticked in pairs { luv = "timer", cqueues = "coroutine", copas = "loop" } do
    it("fetch and serve in " .. name .. " while that goes on with its own", function()
      local ok, said = run("env LUA_PATH=\"$LUA_PATH;/usr/share/lua/5.1/?.lua\" lua5.4 -W examples/lua/with_" .. name
        .. ".lua")
      assert.is_true(ok, said)
      assert.are.equal("one\t21 octets\ntwo\t22 octets\nthree\t21 octets\n3 fetched, none left, and the " .. ticked
        .. " ticked all the while\n", said)
    end)
  end
end)
