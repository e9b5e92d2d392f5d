-- Serves a Maildir, while other programs deliver to it and read it. Deleting is real: at QUIT, what was marked is
-- removed.
--
--     lua5.4 examples/lua/maildir.lua MAILDIR PORT [CERT_FILE KEY_FILE]
--
-- PORT 0 takes one that is free; without a certificate it serves this machine only. The user is "alice"; her password
-- is in POPLIN_PASSWORD.

local poplin = require "poplin"

local path, port = arg[1], math.tointeger(arg[2])
local password = os.getenv("POPLIN_PASSWORD")
if not port or not password then
  io.stderr:write("usage: maildir.lua MAILDIR PORT [CERT_FILE KEY_FILE], the password in POPLIN_PASSWORD\n")
  os.exit(2)
end

local server <close> = assert(poplin.serve {
  port = port,
  cert_file = arg[3],
  key_file = arg[4],
  password = function(_, user) return user == "alice" and password or nil end,
  maildrop = function() return poplin.maildir(path) end, -- with more users: "/home/" .. user .. "/Maildir"
})

print("serving at " .. server.url .. "; Ctrl-C ends it")
io.stdout:flush()
poplin.run()
