--- POP3 for people who script: a client and a server.
--
--    local poplin = require "poplin"
--    local pop <close> = assert(poplin.connect("pop3s://mail.example.org", { user = "alice", password = "…" }))
--    for message in pop:retr_all() do
--      if message.data:find("done", 1, true) then message:dele() end
--    end
--    assert(pop:quit()) -- only this commits
--
-- Functions return nil and an error object where something goes wrong: err.kind ("timeout", "auth", "in_use", …),
-- err.code (the response code, "SYS/TEMP"), err.text (the whole story; tostring does the same). `error` is for misuse
-- of the API; iterators raise the error object. The reference is docs/lua.md.

local core = require "poplin.core"
local client = require "poplin.client"
local discover = require "poplin.discover"
local fetch = require "poplin.fetch"
local generator = require "poplin.generator"
local headers = require "poplin.headers"
local logins = require "poplin.logins"
local server = require "poplin.server"
local task = require "poplin.task"
local trace = require "poplin.trace"

local poplin = {
  _VERSION = "poplin " .. core.version,

  connect = client.connect,
  fetch = fetch.fetch,
  serve = server.serve,
  discover = discover.discover,
  parse_url = discover.parse_url,
  format_url = discover.format_url,
  headers = headers.headers,
  maildir = core.maildir,
  seen = fetch.seen,
  scram_keys = logins.scram_keys,

  -- How a server's functions refuse: return nil, poplin.IN_USE
  AUTH = "auth",
  IN_USE = "in_use",
  TEMPORARY = "temporary",
  REFUSED = "refused",

  spawn = task.spawn,
  run = task.run,
  step = task.step,
  fileno = task.fileno,
  timeout = task.timeout,
  sleep = task.sleep,
  suspend = task.suspend,
  wrap = generator.wrap,
}

-- poplin.trace = function(line, fields) ... end shows the conversations; nil ends that.
return setmetatable(poplin, {
  __index = function(_, name)
    if name == "trace" then
      return trace.get()
    end
  end,
  __newindex = function(self, name, value)
    if name == "trace" then
      task.set_trace(value)
    else
      rawset(self, name, value)
    end
  end,
})
