-- Finds the POP3 servers of a mail address by DNS, and tells which of them need a second look.
--
--     lua5.4 examples/lua/discover.lua alice@example.org
--
-- DNS is asked by the program dig.

local poplin = require "poplin"

-- poplin gives nothing as name that a shell would take for anything else: a host name of letters, digits, "-", "_".
local function resolve(name)
  local dig = assert(io.popen("dig +noall +answer +nocomments -t SRV " .. name .. "."))
  local records = {}
  for line in dig:lines() do
    local priority, weight, port, target = line:match("%sSRV%s+(%d+)%s+(%d+)%s+(%d+)%s+(%S+)")
    if target then
      table.insert(records, {
        priority = math.tointeger(priority), weight = math.tointeger(weight), port = math.tointeger(port),
        target = target,
      })
    end
  end
  if not dig:close() then
    return nil, "dig failed for " .. name
  end
  return records
end

if not arg[1] then
  io.stderr:write("usage: discover.lua ADDRESS\n")
  os.exit(2)
end

local candidates = assert(poplin.discover(arg[1], resolve))
for _, candidate in ipairs(candidates) do
  print(candidate.url, "tls=" .. candidate.tls, candidate.verified and "" or "(ask the user whether he knows it)")
end
os.exit(#candidates > 0)
