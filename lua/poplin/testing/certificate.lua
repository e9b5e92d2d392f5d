--- Throw-away CAs and certificates, good ones and bad ones.

local core = require "poplin.core"
local misuse = require "poplin.misuse"
local known = require "poplin.options"

local certificates = {}

local NAMES = { "localhost", "127.0.0.1", "::1" }

local CA = { __name = "poplin.testing.ca" }
CA.__index = CA

-- Host names, and a table with the rest, in any order.
local function arguments(...)
  local names, blemish = {}, "none"
  for _, argument in ipairs { ... } do
    if type(argument) == "table" then
      local problem = known.unknown(argument, known.CERTIFICATE, "option of a certificate")
      if problem then
        misuse.error("poplin: %s", problem)
      end
      blemish = argument.blemish or blemish
    elseif type(argument) == "string" then
      table.insert(names, argument)
    else
      misuse.error("poplin: a certificate is for host names and IP addresses, not a %s", type(argument))
    end
  end
  if not certificates.BLEMISHES[blemish] then
    misuse.error("poplin: no such blemish: %s; poplin.testing.BLEMISHES has them all", tostring(blemish))
  end
  return names[1] and names or NAMES, blemish
end

--- A server certificate for these host names and IP addresses ("localhost" and the loopback addresses where there are
-- none), with `{ blemish = … }` a bad one: a table of PEM texts, ca_pem for the client, cert_pem and key_pem for the
-- server, and the OCSP response to staple where the blemish needs one. nil and an error where a name is none.
function CA:certificate(...)
  local names, blemish = arguments(...)
  local ca_pem, cert_pem, key_pem, staple = self._authority:issue(blemish, table.unpack(names))
  if not ca_pem then
    return nil, cert_pem
  end
  return { ca_pem = ca_pem, cert_pem = cert_pem, key_pem = key_pem, staple = staple }
end

--- A client's certificate, by which this user logs in with EXTERNAL: a table of PEM texts, ca_pem for the server's
-- client_ca_pem, cert_pem and key_pem for the client. nil and an error where the name cannot stand in one.
function CA:client(user)
  if type(user) ~= "string" then
    misuse.error("poplin: a client's certificate is for a user's name, not a %s", type(user))
  end
  local ca_pem, cert_pem, key_pem = self._authority:issue_client(user)
  if not ca_pem then
    return nil, cert_pem
  end
  return { ca_pem = ca_pem, cert_pem = cert_pem, key_pem = key_pem }
end

--- A throw-away CA, for several certificates.
function certificates.ca()
  local authority, err = core.authority()
  return authority and setmetatable({ _authority = authority }, CA), err
end

--- One certificate of a CA of its own, as CA:certificate.
function certificates.certificate(...)
  local ca, err = certificates.ca()
  if not ca then
    return nil, err
  end
  return ca:certificate(...)
end

certificates.BLEMISHES = {}
for _, row in ipairs(core.blemishes()) do
  certificates.BLEMISHES[row[1]] = row[2]
end

return certificates
