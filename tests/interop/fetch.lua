-- fetch.lua URL TLS CA USER PASSWORD FOLDER [commit|drop NUMBER...]: writes each message to FOLDER/<its number>, marks those
-- of the numbers as deleted, and leaves with QUIT or by dropping the connection.

local poplin = require "poplin"

local url, tls, ca_file, user, password, folder, ending = table.unpack(arg, 1, 7)
local delete = {}
for index = 8, #arg do
  delete[tonumber(arg[index])] = true
end

local pop = assert(poplin.connect(url, { tls = tls, ca_file = ca_file, user = user, password = password }))
for message in pop:retr_all() do
  local file = assert(io.open(folder .. "/" .. message.number, "wb"))
  assert(file:write(message.data))
  assert(file:close())
  if delete[message.number] then
    message:dele()
  end
end
if ending == "drop" then
  assert(pop:noop()) -- every DELE has been answered
  pop:close()
else
  assert(pop:quit())
end
