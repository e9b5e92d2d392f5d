--- Where to connect: URLs as tables, and the servers that a mail domain names for POP3 (RFC 6186).

local arguments = require "poplin.arguments"
local core = require "poplin.core"
local misuse = require "poplin.misuse"
local known = require "poplin.options"

local discover = {}

--- A URL, or bare host, taken apart: a table with scheme ("pop3s", "pop3", "pop"), host, port, and where they are there
-- user and auth; nil and an error where it is none.
function discover.parse_url(text)
  if type(text) ~= "string" then
    misuse.error("bad argument #1 to 'parse_url' (string expected, got %s)", type(text))
  end
  local host, port, user, auth, _, scheme = core.parse_url(text, "auto")
  if not host then
    return nil, port
  end
  return { scheme = scheme, host = host, port = port, user = user, auth = auth }
end

--- The URL of such a table: scheme may be absent (pop3s), and so may port (the scheme's own). nil and an error where no
-- URL has these parts.
function discover.format_url(parts)
  if type(parts) ~= "table" then
    misuse.error("bad argument #1 to 'format_url' (table expected, got %s)", type(parts))
  end
  arguments.check_names("poplin.format_url", parts, known.URL, "field")
  return misuse.of("poplin.format_url", core.format_url, parts)
end

-- Asks for the answers to one name and appends them to the records: true, or nil and an error.
local function look_up(resolve, name, pop3s, records)
  local answers, err = resolve(name)
  if not answers and err ~= nil then
    return nil, err
  elseif type(answers or {}) ~= "table" then
    misuse.error("poplin.discover: resolve must return an array of records, not %s", type(answers))
  end
  for _, answer in ipairs(answers or {}) do
    if type(answer) ~= "table" then
      misuse.error("poplin.discover: a record must be a table, not %s", type(answer))
    end
    table.insert(records, {
      pop3s = pop3s, signed = answer.signed or false, target = answer.target or ".",
      priority = answer.priority, weight = answer.weight, port = answer.port,
    })
  end
  return true
end

-- Four random octets for each record.
local function draw(count, random)
  local numbers = {}
  for i = 1, count do
    numbers[i] = string.pack("=I4", random(0, 0xFFFFFFFF))
  end
  return table.concat(numbers)
end

--- The servers that a mail domain names, the one to try first in front: an array of candidates; nil and what `resolve`
-- says where a look-up fails. See docs/lua.md.
function discover.discover(address, resolve, options)
  if type(address) ~= "string" or type(resolve) ~= "function" then
    misuse.error("poplin.discover(address, resolve, options): a string and a function are needed")
  end
  options = options or {}
  arguments.check_names("poplin.discover", options, known.DISCOVER)
  local domain, users, pop3s_name, pop3_name = core.account(address)
  if not domain then
    return nil, users
  end
  local records = {}
  for _, one in ipairs { { pop3s_name, true }, { pop3_name, false } } do
    local ok, err = look_up(resolve, one[1], one[2], records)
    if not ok then
      return nil, err
    end
  end
  local numbers = draw(#records, options.random or math.random)
  local ok, candidates = pcall(core.discover, domain, records, numbers, options.cleartext or false)
  if not ok then
    misuse.error("poplin.discover: %s", candidates)
  end
  for _, candidate in ipairs(candidates) do
    candidate.users = #users > 0 and { table.unpack(users) } or nil
    candidate.url = core.format_url {
      scheme = candidate.tls == "implicit" and "pop3s" or "pop3", host = candidate.host, port = candidate.port,
    }
  end
  return candidates
end

return discover
