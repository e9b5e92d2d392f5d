-- Serves the files of a folder, a message each. Deleting is real: at QUIT, what was marked is removed.
--
--     POPLIN_PASSWORD=… lua5.4 serve_files.lua FOLDER PORT CERT_FILE KEY_FILE  over TLS
--     POPLIN_PASSWORD=… lua5.4 serve_files.lua FOLDER PORT                     in clear, for this machine only
--
-- PORT 0 takes one that is free. The user is "alice". Folders, links and files that begin with a dot are no messages.
-- It needs LuaFileSystem (Debian: lua-filesystem). For a Maildir see serve_maildir.lua.
--
-- Goes on until it is interrupted (130). Ends with 1 where it cannot serve, and 2 where it is called the wrong way.

local lfs = require "lfs"
local poplin = require "poplin"

local problems -- what the server met with in the functions below

-- ---- the mailbox ----

-- A file's number and time, since its name may be no unique-id, or be that of another message tomorrow. nil: no
-- message.
local function uid_of(path)
  local attributes = lfs.symlinkattributes(path)
  if attributes and attributes.mode == "file" then
    return string.format("%x.%x", attributes.ino, attributes.modification)
  end
end

-- A mailbox for one session, which sees the files that are there when it begins, by name.
local function open_mailbox(folder)
  local mailbox, paths = {}, {}

  function mailbox.list()
    local names, list = {}, {}
    for name in lfs.dir(folder) do
      table.insert(names, name)
    end
    table.sort(names)
    for _, name in ipairs(names) do
      local path = folder .. "/" .. name
      local uid = name:sub(1, 1) ~= "." and uid_of(path)
      if uid and not paths[uid] then -- else a second name of the same file
        paths[uid] = path
        table.insert(list, { uid }) -- no size: poplin counts, since line ends become CRLF
      end
    end
    return list
  end

  function mailbox.retr(_, uid)
    if uid_of(paths[uid]) ~= uid then
      return nil, poplin.REFUSED, "it is gone"
    end
    return io.open(paths[uid], "rb") -- sent piece by piece, then closed
  end

  -- At QUIT, all at once. What is gone already, or another file by now, is left alone.
  function mailbox.dele(_, uids)
    for _, uid in ipairs(uids) do
      if uid_of(paths[uid]) == uid then
        assert(os.remove(paths[uid])) -- else the client is told that not all was deleted
      end
    end
  end

  function mailbox.close(_, outcome, err)
    io.stderr:write("a session ended: ", outcome, err and ": " .. tostring(err) or "", "\n")
    while problems[1] do
      io.stderr:write(tostring(table.remove(problems, 1)), "\n")
    end
  end

  return mailbox
end

-- ---- the program ----

local folder, port, cert_file, key_file = arg[1], math.tointeger(arg[2]), arg[3], arg[4]
local password = os.getenv("POPLIN_PASSWORD")
if not port or not password then
  io.stderr:write("usage: serve_files.lua FOLDER PORT [CERT_FILE KEY_FILE], the password in POPLIN_PASSWORD\n")
  os.exit(2, true)
end

local ok, problem = pcall(function()
  assert(lfs.attributes(folder, "mode") == "directory", folder .. " is no folder")
  local server <close> = assert(poplin.serve {
    port = port,
    cert_file = cert_file,
    key_file = key_file,
    password = function(_, user) return user == "alice" and password or nil end,
    maildrop = function() return open_mailbox(folder) end, -- with more users: "/var/mail/" .. user
  })
  problems = server.errors
  print("serving at " .. server.url .. "; Ctrl-C ends it")
  io.stdout:flush()
  poplin.run()
end)
if not ok and type(problem) == "string" and problem:find("interrupted!$") then
  os.exit(130, true)
end
io.stderr:write("serve_files.lua: ", tostring(problem), "\n")
os.exit(1, true)
