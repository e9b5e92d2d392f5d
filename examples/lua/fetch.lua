-- Fetches all mail into a folder, one file a message, named by its unique-id; what is there already is left alone.
--
--     POPLIN_PASSWORD=… lua5.4 examples/lua/fetch.lua pop3s://mail.example.org alice ~/mail [CA_FILE]
--
-- Nothing is deleted on the server.

local poplin = require "poplin"

local url, user, folder, ca_file = table.unpack(arg)
if not folder then
  io.stderr:write("usage: fetch.lua URL USER FOLDER [CA_FILE], the password in POPLIN_PASSWORD\n")
  os.exit(2)
end

-- A unique-id may hold any visible character, so also "/" and "..".
local function path_of(message)
  return folder .. "/" .. message.uid:gsub("[^%w-]", function(c) return string.format("%%%02x", c:byte()) end) .. ".eml"
end

local function exists(path)
  local file <close> = io.open(path)
  return file ~= nil
end

local password = os.getenv("POPLIN_PASSWORD")
local pop <close> = assert(poplin.connect(url, { user = user, password = password, ca_file = ca_file }))

local wanted = {}
for _, message in ipairs(assert(pop:messages())) do
  if not exists(path_of(message)) then
    table.insert(wanted, message)
  end
end

for message in pop:retr_all(wanted) do -- the next ones are on their way while this one is written
  local file <close> = assert(io.open(path_of(message), "wb"))
  assert(file:write(message.data))
end

assert(pop:quit())
print(#wanted .. " fetched")
