-- Serves a mailbox that is a table: mail that a program makes up, so that any mail reader can show it.
--
--     POPLIN_PASSWORD=… lua5.4 serve_table.lua PORT CERT_FILE KEY_FILE         over TLS
--     POPLIN_PASSWORD=… lua5.4 serve_table.lua PORT                            in clear, for this machine only
--
-- PORT 0 takes one that is free. The user is "alice". Mail that is deleted is gone until the program is started anew.
--
-- Goes on until it is interrupted (130). Ends with 1 where it cannot serve, and 2 where it is called the wrong way.

local poplin = require "poplin"

-- ---- the mail ----

local mail = {} -- an array of { uid = s, text = s }
local delivered = 0

-- A unique-id is never given twice, not even by the program's next run.
local began = os.time()
local function deliver(subject, body)
  delivered = delivered + 1
  table.insert(mail, {
    uid = began .. "." .. delivered,
    text = "From: the program <program@localhost>\nTo: alice@localhost\nSubject: " .. subject .. "\nDate: "
      .. os.date("!%a, %d %b %Y %H:%M:%S +0000") .. "\n\n" .. body .. "\n",
  })
end

deliver("started", "The program was started, and will tell of itself here.")
deliver("hint", "Line ends, sizes and\n.\nlines that are a dot are poplin's work.")

-- ---- the mailbox ----

local function place_of(uid)
  for i, message in ipairs(mail) do
    if message.uid == uid then
      return i
    end
  end
end

local mailbox = {}

-- What a session sees: what is there when it begins.
function mailbox.list()
  local list = {}
  for i, message in ipairs(mail) do
    list[i] = { message.uid } -- no size: poplin counts when it is asked for
  end
  return list
end

function mailbox.retr(_, uid)
  local place = place_of(uid)
  if not place then
    return nil, poplin.REFUSED, "it is gone"
  end
  return mail[place].text
end

-- At QUIT, all at once.
function mailbox.dele(_, uids)
  for _, uid in ipairs(uids) do
    local place = place_of(uid)
    if place then
      table.remove(mail, place)
    end
  end
end

function mailbox.close(_, outcome, err)
  io.stderr:write("a session ended: ", outcome, err and ": " .. tostring(err) or "", "; ", #mail, " left\n")
end

-- ---- the program ----

local port, cert_file, key_file = math.tointeger(arg[1]), arg[2], arg[3]
local password = os.getenv("POPLIN_PASSWORD")
if not port or not password then
  io.stderr:write("usage: serve_table.lua PORT [CERT_FILE KEY_FILE], the password in POPLIN_PASSWORD\n")
  os.exit(2, true)
end

local ok, problem = pcall(function()
  local server <close> = assert(poplin.serve {
    port = port,
    cert_file = cert_file,
    key_file = key_file,
    password = function(_, user) return user == "alice" and password or nil end,
    maildrop = function() return mailbox end, -- with more users: one each
  })
  print("serving at " .. server.url .. "; Ctrl-C ends it")
  io.stdout:flush()
  poplin.run()
end)
if not ok and type(problem) == "string" and problem:find("interrupted!$") then
  os.exit(130, true)
end
io.stderr:write("serve_table.lua: ", tostring(problem), "\n")
os.exit(1, true)
