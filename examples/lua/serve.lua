-- Serves files as mail: each is one message. Deleting is real: at QUIT, what was marked is removed.
--
--     lua5.4 examples/lua/serve.lua PORT CERT_FILE KEY_FILE FILE...         over TLS
--     lua5.4 examples/lua/serve.lua PORT FILE...                            in clear, for this machine only
--
-- PORT 0 takes one that is free. The user is "alice"; her password is in POPLIN_PASSWORD.

local poplin = require "poplin"

local port = math.tointeger(arg[1])
local password = os.getenv("POPLIN_PASSWORD")
if not port or not password then
  io.stderr:write("usage: serve.lua PORT [CERT_FILE KEY_FILE] FILE..., the password in POPLIN_PASSWORD\n")
  os.exit(2)
end

local certified = arg[2] ~= nil and arg[2]:find("%.pem$") ~= nil
local paths = { table.unpack(arg, certified and 4 or 2) }

-- What one session sees: the files that are there when it begins, with their place among the arguments as unique-id.
local mailbox = {}

function mailbox.list()
  local list = {}
  for i, path in ipairs(paths) do
    local file <close> = io.open(path, "rb")
    if file then
      table.insert(list, { "file-" .. i }) -- no size: poplin counts, since line ends become CRLF
    end
  end
  return list
end

local function path_of(uid)
  return paths[math.tointeger(uid:match("%d+"))]
end

function mailbox.retr(_, uid)
  return io.open(path_of(uid), "rb") -- sent piece by piece, then closed; nil and a reason are a refusal
end

function mailbox.dele(_, uids)
  for _, uid in ipairs(uids) do
    local ok, reason = os.remove(path_of(uid))
    if not ok then
      return nil, reason
    end
  end
end

local server <close> = assert(poplin.serve {
  port = port,
  cert_file = certified and arg[2] or nil,
  key_file = certified and arg[3] or nil,
  password = function(_, user) return user == "alice" and password or nil end,
  maildrop = function() return mailbox end,
})

print("serving at " .. server.url .. "; Ctrl-C ends it")
io.stdout:flush()
poplin.run()
