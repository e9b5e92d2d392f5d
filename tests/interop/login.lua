-- login.lua URL CA USER AUTH PASSWORD TOKEN: logs in, with the token where it is not "", and prints the mechanism, or the kind
-- of the error and what the server said of the token.

local poplin = require "poplin"

local url, ca_file, user, auth, password, token = table.unpack(arg)
local secret = token ~= "" and { token = token } or { password = password }
local pop, err = poplin.connect(url, {
  tls = "stls", ca_file = ca_file, user = user, auth = auth, password = secret.password, token = secret.token,
})
if pop then
  print(pop.mechanism)
  assert(pop:quit())
else
  print(err.kind, err.answer or "")
end
