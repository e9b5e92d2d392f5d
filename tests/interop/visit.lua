-- visit.lua URL TLS CA USER PASSWORD FOLDER LINES [NUMBER...]: asks for everything, as visits.py does, deletes the
-- messages of the numbers, and writes what it saw: a line "COUNT OCTETS", a line "NUMBER OCTETS UNIQUE-ID" for each
-- message, and the files FOLDER/NUMBER and FOLDER/NUMBER.top.

local poplin = require "poplin"

local url, tls, ca_file, user, password, folder, lines = table.unpack(arg, 1, 7)

local function write(name, data)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  assert(file:write(data))
  assert(file:close())
end

local pop = assert(poplin.connect(url, { tls = tls, ca_file = ca_file, user = user, password = password }))
local uids = {}
for _, entry in ipairs(assert(pop:uidl())) do
  uids[entry.number] = entry.uid
end
local count, octets = pop:stat()
print(assert(count), octets)
for _, entry in ipairs(assert(pop:list())) do
  print(entry.number, entry.octets, uids[entry.number])
  write(entry.number .. ".top", assert(pop:top(entry.number, tonumber(lines))))
end
for message in pop:retr_all() do
  write(message.number, message.data)
end
for index = 8, #arg do
  assert(pop:dele(tonumber(arg[index])))
end
assert(pop:quit())
