--- For tests: throw-away certificates, and a clock to move.

local core = require "poplin.core"
local task = require "poplin.task"

local testing = {}

--- A throw-away CA and a server certificate for these host names and IP addresses ("localhost" and the loopback
-- addresses where there are none): a table of PEM texts, ca_pem for the client, cert_pem and key_pem for the server.
function testing.certificate(...)
  local names = select("#", ...) > 0 and { ... } or { "localhost", "127.0.0.1", "::1" }
  local ca_pem, cert_pem, key_pem = core.certificate(table.unpack(names))
  if not ca_pem then
    return nil, cert_pem
  end
  return { ca_pem = ca_pem, cert_pem = cert_pem, key_pem = key_pem }
end

--- Moves the clock of all deadlines forward; what is due then is handled by the next step.
function testing.advance(seconds)
  task.loop():advance(math.tointeger(math.floor(seconds * 1000 + 0.5)))
end

return testing
