-- poplin.fetch from Lua. Arguments: PORT plain|tls KEEP CA_FILE FOLDER. It says "go" and "done".
local poplin = require "poplin"

local port, security, keep, ca_file, folder = table.unpack(arg)
local scheme = security == "tls" and "pop3s" or "pop3"
local fetch = poplin.fetch
print("go")
io.stdout:flush()
assert(fetch(("%s://127.0.0.1:%s"):format(scheme, port), {
  user = "bench", password = "bench", ca_file = ca_file,
  into = folder .. "/mail", seen = folder .. "/seen.sqlite", keep = keep,
}))
print("done")
io.stdout:flush()
