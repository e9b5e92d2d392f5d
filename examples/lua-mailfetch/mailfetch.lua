--- Takes new mail from a POP3 account into a folder, a file a message, and deletes on the server what was written.
--
--    MAILFETCH_PASSWORD=… lua5.4 mailfetch.lua pop3s://alice@mail.example.org ~/mail [CA_FILE]
--
-- Nothing is lost wherever it is interrupted: a message is deleted only when its file is there. Nothing comes twice
-- either: a file's name derives from the message's unique-id, so what is there already is only deleted.

local poplin = require "poplin"

local mailfetch = {}

local PASSING = { closed = true, timeout = true, temporary = true, in_use = true } -- what another attempt may mend

--- The file of the message with this unique-id, which may hold any visible character, so also "/" and "..".
function mailfetch.path_of(folder, uid)
  return folder .. "/" .. uid:gsub("[^%w-]", function(c) return string.format("%%%02x", c:byte()) end) .. ".eml"
end

local function exists(path)
  local file <close> = io.open(path)
  return file ~= nil
end

-- Half a file never has the message's name.
local function save(path, data)
  local file = assert(io.open(path .. ".part", "wb"))
  assert(file:write(data))
  assert(file:close())
  assert(os.rename(path .. ".part", path))
end

-- One session: how many messages are new, or nil and an error.
local function session(connect, folder)
  local pop <close>, refused = connect()
  if not pop then
    return nil, refused
  end
  local messages, err = pop:messages()
  if not messages then
    return nil, err
  end
  local new = {}
  for _, message in ipairs(messages) do
    if not message.uid then
      return nil, "the server has no unique-ids (UIDL): new mail cannot be told from old"
    elseif exists(mailfetch.path_of(folder, message.uid)) then
      message:dele() -- it came in a session that was lost before its QUIT
    else
      table.insert(new, message)
    end
  end
  local count = 0
  for message in pop:retr_all(new) do
    save(mailfetch.path_of(folder, message.uid), message.data)
    message:dele()
    count = count + 1
  end
  local ok, failure = pop:quit() -- only this deletes
  if not ok then
    return nil, failure
  end
  return count
end

-- Loops over mail raise poplin's error objects; other errors are none of this program's to handle.
local function attempt(connect, folder)
  local ok, count, err = pcall(session, connect, folder)
  if ok then
    return count, err
  elseif type(count) == "table" and count.kind then
    return nil, count
  end
  error(count, 0)
end

--- Fetches into folder, and comes back where the connection is lost, `attempts` (3) times at most. `options` are those
-- of poplin.connect. Returns how many messages the last session brought, or nil and an error.
function mailfetch.fetch(url, folder, options, attempts)
  local count, err
  for _ = 1, attempts or 3 do
    count, err = attempt(function() return poplin.connect(url, options) end, folder)
    if count or type(err) ~= "table" or not PASSING[err.kind] then
      break
    end
  end
  return count, err
end

-- The program, where this file is not required by another.
if arg and arg[0] and arg[0]:find("mailfetch%.lua$") then
  local url, folder, ca_file = table.unpack(arg)
  local password = os.getenv("MAILFETCH_PASSWORD")
  if not folder or not password then
    io.stderr:write("usage: mailfetch.lua URL FOLDER [CA_FILE], the password in MAILFETCH_PASSWORD\n")
    os.exit(2)
  end
  local count, err = mailfetch.fetch(url, folder, { password = password, ca_file = ca_file })
  if not count then
    io.stderr:write("mailfetch: " .. tostring(err) .. "\n")
    os.exit(1)
  end
  print("new messages: " .. count)
end

return mailfetch
