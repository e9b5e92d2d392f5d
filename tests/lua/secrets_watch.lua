--- Watches all specs that use support for secrets that come out: whatever was given to log in with, and whatever the
-- users of a test server have, is looked for in each error of connect and in what each test server keeps and tells.

local poplin = require "poplin"
local testing = require "poplin.testing"
local Server = require "poplin.testing.server"

local watch = { secrets = {} }

local TELLING = 8 -- a shorter one may be a word of somebody's sentence ("secret"): only its encoded forms tell
local ENCODABLE = 4
local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function keep(secret)
  if type(secret) == "string" then
    watch.secrets[secret] = true
  end
end

-- The base64 digits that these octets alone decide, where so many octets come before them.
local function encoded(octets, before)
  local digits, kept, bits = {}, 0, -(-before * 8 % 6) -- the digit that begins in the octet before is not theirs
  for i = 1, #octets do
    bits = bits + 8
    kept = (kept << 8 | octets:byte(i)) & (1 << bits) - 1
    while bits >= 6 do
      bits = bits - 6
      local digit = kept >> bits & 63
      table.insert(digits, DIGITS:sub(digit + 1, digit + 1))
    end
    kept = kept & (1 << bits) - 1
  end
  return table.concat(digits)
end

local function tells(text, secret)
  if #secret >= TELLING and text:find(secret, 1, true) then
    return true
  end
  for before = 0, #secret >= ENCODABLE and 2 or -1 do
    if text:find(encoded(secret, before), 1, true) then
      return true
    end
  end
  return false
end

--- Raises where one of the secrets is in a text.
function watch.check(text)
  for secret in pairs(watch.secrets) do
    if tells(text, secret) then
      error("a secret was told: " .. text, 0)
    end
  end
end

local function check_error(err)
  local parts = { tostring(err) }
  for _, part in ipairs { "text", "doing", "host", "reason", "peer", "answer" } do
    table.insert(parts, tostring(err[part]))
  end
  watch.check(table.concat(parts, " "))
end

local function check_server(server)
  local parts = { server.transcript, tostring(server) }
  for _, problem in ipairs(server.errors) do
    table.insert(parts, tostring(problem))
  end
  watch.check(table.concat(parts, " "))
end

-- What a function gives is a secret too.
local function watched(given)
  if type(given) ~= "function" then
    keep(given)
    return given
  end
  return function(...)
    local answers = table.pack(given(...))
    keep(answers[1])
    return table.unpack(answers, 1, answers.n)
  end
end

local function with_watched(options)
  if type(options) ~= "table" then
    return options
  end
  local copy = {}
  for name, value in pairs(options) do
    copy[name] = (name == "password" or name == "token") and watched(value) or value
  end
  return copy
end

-- An error of misuse names the script's own line, which is not the one here.
local function raise_for(caller, problem)
  if type(problem) == "string" then
    problem = problem:gsub("^[^\n]-secrets_watch%.lua:%d+: ", caller.short_src .. ":" .. caller.currentline .. ": ")
  end
  error(problem, 0)
end

local function watch_connect()
  local connect = poplin.connect
  function poplin.connect(url, options)
    local caller = debug.getinfo(2, "Sl")
    local ok, pop, err = pcall(connect, url, with_watched(options))
    if not ok then
      raise_for(caller, pop)
    elseif not pop then
      check_error(err)
    end
    return pop, err
  end
end

local function watch_servers()
  local new = Server.new
  function Server.new(options)
    for _, option in ipairs { "users", "tokens" } do
      local given = type(options) == "table" and options[option]
      for _, secret in pairs(type(given) == "table" and given or {}) do
        keep(secret)
      end
    end
    return new(options)
  end
  testing.Server = Server.new
  for _, giving in ipairs { "add_user", "set_token" } do
    local genuine = Server[giving]
    Server[giving] = function(server, name, secret)
      keep(secret)
      return genuine(server, name, secret)
    end
  end
  for _, ending in ipairs { "close", "stop", "__close" } do
    local genuine = Server[ending]
    Server[ending] = function(server, err)
      local ok, problem = pcall(genuine, server, err)
      if err == nil then -- else that is on its way
        check_server(server)
      end
      if not ok then
        error(problem, 0)
      end
    end
  end
end

watch_connect()
watch_servers()

return watch
