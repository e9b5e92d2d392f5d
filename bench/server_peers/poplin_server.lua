--- poplin's test server in Lua, on a thread of its own; peer.py says how it is spoken to. Several sessions may have the
-- maildrop open at once, as with the other servers. The clock and the first client are LuaSocket's.

local socket = require "socket"
local testing = require "poplin.testing"

local function start()
  return assert(testing.Server { users = { guido = "python" }, exclusive = false, background = true })
end

local function greet(port)
  local client = assert(socket.connect("127.0.0.1", port))
  assert(client:receive())
  local greeted = socket.gettime()
  assert(client:send("QUIT\r\n"))
  repeat
    local line = client:receive()
  until not line
  client:close()
  return greeted
end

io.stdout:setvbuf("line")
print("ready")
local server
for order in io.lines() do
  local begin = socket.gettime()
  if order == "start" then
    server = start()
    local started = socket.gettime()
    local greeted = greet(server.port)
    for number = 1, 10 do
      server:deliver("guido", "Subject: " .. number .. "\r\n\r\n" .. ("Hello.\r\n"):rep(100))
    end
    print(string.format('{"port": %d, "start": %.9f, "greeting": %.9f}', server.port, started - begin, greeted - begin))
  else
    server:close()
    print(string.format('{"stop": %.9f}', socket.gettime() - begin))
  end
end
