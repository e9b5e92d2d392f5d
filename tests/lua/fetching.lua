--- What the tests of poplin.fetch share: a test server with mail, a folder for a test's Maildirs and seen store, and
-- looks at what stands there.

local lfs = require "lfs"
local poplin = require "poplin"
local kit = require "kit"
local support = require "support"

local fetching = {}

local folder, remove
local server

--- Before each test: its folder. After each: fetching.finish().
function fetching.begin()
  folder, remove = kit.new_folder()
  return folder
end

function fetching.finish()
  if server then
    server:close()
    server = nil
  end
  remove()
end

--- A server with so many messages of alice's; its octets are those of support.messages.
function fetching.serve(count, options)
  server = kit.start(options)
  for _, message in ipairs(support.messages(count)) do
    assert(server:deliver("alice", message[2]))
  end
  return server
end

--- What a fetch from there answers; `options` override what goes without saying.
function fetching.fetch(options)
  local settings = {
    user = "alice", password = "secret", ca_pem = server.ca_pem,
    into = folder .. "/Maildir", seen = folder .. "/seen.db",
  }
  for name, value in pairs(options or {}) do
    settings[name] = value
  end
  return poplin.fetch(server.url, settings)
end

--- The report as text; raises where there is none.
function fetching.told(options)
  return tostring(assert(fetching.fetch(options)))
end

--- The subjects of the mail that a Maildir holds ("Maildir" unless it is another one's name), sorted, as one text.
function fetching.subjects(name)
  local path, found = folder .. "/" .. (name or "Maildir"), {}
  for _, sub in ipairs { "new", "cur" } do
    for file in lfs.dir(path .. "/" .. sub) do
      if not file:find("^%.") then
        local handle <close> = assert(io.open(path .. "/" .. sub .. "/" .. file, "rb"))
        table.insert(found, poplin.headers(handle:read("a"), "subject")[1] or "none")
      end
    end
  end
  table.sort(found)
  return table.concat(found, ", ")
end

--- The subjects of the mail that is still on the server.
function fetching.left()
  local found = {}
  for i, message in ipairs(assert(server:messages("alice"))) do
    found[i] = poplin.headers(message.data, "subject")[1] or "none"
  end
  return table.concat(found, ", ")
end

--- Each message's result, in the order of the report.
function fetching.results(report)
  local found = {}
  for i, message in ipairs(report.messages) do
    found[i] = message.result
  end
  return found
end

--- The steps on record, by unique-id, of the only account; changes the records where `change` is given.
function fetching.steps(change)
  local seen <close> = assert(poplin.seen(folder .. "/seen.db"))
  local account = next(assert(seen:accounts()))
  local records, steps = account and assert(seen:messages(account)) or {}, {}
  for _, record in ipairs(records) do
    steps[record.uid] = record.step
    if change then
      change(record)
    end
  end
  if change then
    assert(seen:record(account, records))
  end
  return steps
end

--- A destination that takes all, and an array of the subjects that it was given.
function fetching.collector()
  local taken = {}
  return function(message)
    table.insert(taken, message:header "subject" or "none")
    return true
  end, taken
end

fetching.ALL = "message 1, message 2, message 3"

return fetching
