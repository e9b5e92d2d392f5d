--- README's example and some of the examples, run as they stand; scripts_spec.lua and long_scripts_spec.lua have the
-- others.

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

describe("the example of the machines by themselves", function()
  it("serves a folder and fetches it over LuaSocket, in clear and by STLS, and knows whom it talks to", function()
    local folder, remove = new_folder()
    local certificate = assert(require "poplin.testing".certificate())
    for name, text in pairs { ca = certificate.ca_pem, cert = certificate.cert_pem, key = certificate.key_pem } do
      write(folder .. "/" .. name .. ".pem", text)
    end
    local program = "lua5.4 -W examples/lua/protocol_luasocket.lua "
    local serving = assert(io.popen("echo $$; exec 2>&1; POPLIN_PASSWORD=secret exec " .. program
      .. "serve examples/mail alice " .. folder .. "/cert.pem " .. folder .. "/key.pem"))
    local pid, port = serving:read("l"), assert(serving:read("l")):match("^pop3://127%.0%.0%.1:(%d+)$")
    finally(function()
      os.execute("kill " .. pid)
      serving:close()
      remove()
    end)
    local function fetch(host, more)
      return run(program .. "fetch pop3://alice@" .. host .. ":" .. port .. " " .. folder .. (more or ""))
    end
    local with_ca = " " .. folder .. "/ca.pem"
    for host, trust in pairs { ["127.0.0.1"] = "", localhost = with_ca } do
      assert.are.same({ true, "17 messages\n" }, { fetch(host, trust) })
      assert.are.equal((read("examples/mail/06-leading-dots.eml"):gsub("\r?\n", "\r\n")), read(folder .. "/6.eml"))
      assert(os.remove(folder .. "/6.eml"))
    end
    local ok, said = fetch("127.0.0.1", with_ca) -- LuaSec's own check was content
    assert.is_false(ok)
    assert.is_truthy(said:find("the server's certificate is not for 127.0.0.1", 1, true), said)
  end)
end)
