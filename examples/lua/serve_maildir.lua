-- Serves a Maildir, while other programs deliver to it and read it. Deleting is real: at QUIT, what was marked is
-- removed.
--
--     POPLIN_PASSWORD=… lua5.4 serve_maildir.lua MAILDIR PORT CERT_FILE KEY_FILE  over TLS
--     POPLIN_PASSWORD=… lua5.4 serve_maildir.lua MAILDIR PORT                     in clear, for this machine only
--
-- PORT 0 takes one that is free. The user is "alice".
--
-- Goes on until it is interrupted (130). Ends with 1 where it cannot serve, and 2 where it is called the wrong way.

local poplin = require "poplin"

local path, port = arg[1], math.tointeger(arg[2])
local password = os.getenv("POPLIN_PASSWORD")
if not port or not password then
  io.stderr:write("usage: serve_maildir.lua MAILDIR PORT [CERT_FILE KEY_FILE], the password in POPLIN_PASSWORD\n")
  os.exit(2, true)
end

local ok, problem = pcall(function()
  assert(poplin.maildir(path)):close()
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
end)
if not ok and type(problem) == "string" and problem:find("interrupted!$") then
  os.exit(130, true)
end
io.stderr:write("serve_maildir.lua: ", tostring(problem), "\n")
os.exit(1, true)
