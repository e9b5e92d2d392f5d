--- What the test server's own tests share: a server for alice, a session that takes all, files to load.

local testing = require "poplin.testing"
local support = require "support"

local kit = {}

kit.USERS = { alice = "secret" }
kit.MAIL = "Subject: hi\r\n\r\nhello\r\n"

--- A test server, for alice unless it has users or a backend.
function kit.start(options)
  options = options or {}
  options.users = options.users or not options.backend and kit.USERS or nil
  return assert(testing.Server(options))
end

--- A session of alice's that fetches and deletes all there is.
function kit.take_all(server)
  local pop <close> = assert(support.connect(server, { ca_pem = server.ca_pem }))
  for message in pop:retr_all() do
    message:dele()
  end
  assert(pop:quit())
end

function kit.contains(text, part)
  return assert(text:find(part, 1, true), text)
end

--- A new folder; its files are removed with it.
function kit.new_folder()
  local folder = os.tmpname()
  assert(os.remove(folder))
  assert(os.execute("mkdir " .. folder))
  return folder, function() os.execute("rm -r " .. folder) end
end

function kit.write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

return kit
