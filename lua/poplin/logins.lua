--- What client and server share of logins: the names of the ways to log in, and SCRAM keys.

local core = require "poplin.core"
local misuse = require "poplin.misuse"
local known = require "poplin.options"

local logins = {}

local function are_strings(names)
  for _, name in ipairs(names) do
    if type(name) ~= "string" then
      return false
    end
  end
  return true
end

--- The option `auth`, a string of names or an array of them, as the core takes it; nil for any. False, and what is
-- wrong, where it is neither. RFC 2384's "*" is any; its "+" marks what is none of SASL's.
function logins.mechanisms(auth)
  if type(auth) == "table" and are_strings(auth) then
    auth = table.concat(auth, " ")
  elseif auth ~= nil and type(auth) ~= "string" then
    return false, "auth must be the names of mechanisms, in a string or an array"
  end
  if auth == nil or auth == "*" then
    return nil
  end
  return (auth:gsub("%f[^%s\0]%+", ""))
end

--- SCRAM keys of a password, for a server's scram_keys to return: a text to be stored. nil and an error for a password
-- that SCRAM cannot take. Options: iterations (4096), salt (16 random octets), hash ("SHA-256" or "SHA-1").
function logins.scram_keys(password, options)
  options = options or {}
  local problem = type(options) == "table" and known.unknown(options, known.SCRAM_KEYS)
  if problem then
    misuse.error("poplin.scram_keys: %s", problem)
  end
  return misuse.of("poplin.scram_keys", core.scram_keys, password, options)
end

return logins
