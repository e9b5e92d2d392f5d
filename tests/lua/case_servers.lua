--- The servers of the cases: test servers, and those over a script's own functions.

local backend_of = require "case_backend"
local cases = require "cases"
local kit = require "kit"
local poplin = require "poplin"
local testing = require "poplin.testing"
local words = require "case_words"

local servers = {}

-- Made once: making keys takes time.
local authority = assert(testing.ca())
local good = assert(authority:certificate())

--- The CA of the clients' certificates.
servers.clients = assert(testing.ca())

--- The options of a server, as poplin takes them.
function servers.common(self, options)
  local settings = {}
  for name, value in pairs(options) do
    settings[name] = words.filled(self, value)
  end
  if settings.client_ca then
    settings.client_ca, settings.client_ca_pem = nil, servers.clients:client("anybody").ca_pem
  end
  return settings
end

--- A test server of these options, its mail delivered.
function servers.of_test(self, given)
  local options = servers.common(self, given)
  local mail = options.mail or {}
  options.mail, options.background = nil, self.background or nil
  if options.backend then
    local backend = {}
    self.plan = backend_of(options.backend, self.folder, backend)
    options.backend, options.raise_errors = backend, false
  else
    options.users = options.users or { alice = "secret" }
  end
  if options.tls then
    options.certificate = options.blemish and assert(authority:certificate { blemish = options.blemish }) or good
    options.blemish = nil
  end
  local server = assert(testing.Server(options))
  local users = {}
  for user in pairs(mail) do
    table.insert(users, user)
  end
  table.sort(users)
  for _, user in ipairs(users) do
    for _, message in ipairs(mail[user]) do
      table.insert(self.uids, assert(server:deliver(user, cases.octets(message))))
    end
  end
  return server
end

--- A server over functions that answer as the case says.
function servers.of_script(self, given)
  local options = servers.common(self, given)
  self.plan = backend_of(options.backend, self.folder, options)
  options.backend = nil
  options.failed_login_delay = options.failed_login_delay or 0
  if options.certificate_files then
    options.certificate_files = nil
    for name, text in pairs { ["ca.pem"] = good.ca_pem, ["cert.pem"] = good.cert_pem, ["key.pem"] = good.key_pem } do
      kit.write(self.folder .. "/" .. name, text)
    end
    options.cert_file, options.key_file = self.folder .. "/cert.pem", self.folder .. "/key.pem"
  elseif options.tls then
    options.cert_pem, options.key_pem = good.cert_pem, good.key_pem
  end
  return assert(poplin.serve(options))
end

return servers
