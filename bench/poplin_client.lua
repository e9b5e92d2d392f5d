-- poplin from Lua: all messages as strings, handed over and dropped. See job.h for the arguments and the report.
local poplin = require "poplin"

local host, port, security, ca_file, sessions = table.unpack(arg)
local scheme = security == "tls" and "pop3s" or "pop3"
local url = ("%s://%s:%s"):format(scheme, host, port)

print("go")
io.stdout:flush()
local cpu = os.clock()
local messages, octets = 0, 0
for _ = 1, tonumber(sessions) do
  local pop <close> = assert(poplin.connect(url, { user = "bench", password = "bench", ca_file = ca_file }))
  for message in pop:retr_all() do
    messages = messages + 1
    octets = octets + #message.data
  end
  assert(pop:quit())
end
print(('{"messages": %d, "octets": %d, "cpu": %.6f}'):format(messages, octets, os.clock() - cpu))
