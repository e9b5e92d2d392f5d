-- Fetches all mail over TLS and shows how far it is. Part of `make demo`.
--
--     POPLIN_PASSWORD=… lua5.4 examples/demo/fetch.lua URL CA_FILE USER

local poplin = require "poplin"

local BAR = 30

local url, ca_file, user = table.unpack(arg)
if not user then
  io.stderr:write("usage: fetch.lua URL CA_FILE USER, the password in POPLIN_PASSWORD\n")
  os.exit(2)
end

local function show_progress(done, total, octets)
  local filled = total == 0 and BAR or done * BAR // total
  local bar = ("#"):rep(filled) .. (" "):rep(BAR - filled)
  io.stderr:write(string.format("\r[%s] %d of %d messages, %.1f KiB", bar, done, total, octets / 1024))
  io.stderr:write(done == total and "\n" or "")
end

local function subject_of(data)
  local header = data:match("^(.-\r\n)\r\n") or data
  return ("\n" .. header):match("\n[Ss]ubject:%s*([^\r\n]*)") or "(no subject)"
end

local password = os.getenv("POPLIN_PASSWORD")
local pop <close> = assert(poplin.connect(url, { user = user, password = password, ca_file = ca_file }))
print("Connected to " .. url .. " with " .. tostring(pop.tls or "no TLS") .. ", logged in by " .. pop.mechanism)

local total = assert(pop:stat())
local octets, lines = 0, {}
for message in pop:retr_all() do
  octets = octets + #message.data
  table.insert(lines, string.format("%4d  %8d octets  %s", message.number, #message.data, subject_of(message.data)))
  show_progress(#lines, total, octets)
end
assert(pop:quit())
print(table.concat(lines, "\n"))
