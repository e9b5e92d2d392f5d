--- Fetching: the core's engine decides and keeps the order of things; what it asks, this does.
--
-- Maildirs and the SQLite file are the core's own business. Here are the connection, the script's functions, which may
-- wait like any other code of the script's, and the report. Whatever ends a fetch early (a dropped line, an error of a
-- function's, Ctrl-C, no memory), what was delivered by then is recorded before the error goes on.

local arguments = require "poplin.arguments"
local client = require "poplin.client"
local core = require "poplin.core"
local destinations = require "poplin.fetch.destinations"
local misuse = require "poplin.misuse"
local reports = require "poplin.fetch.report"
local task = require "poplin.task"
local wishes = require "poplin.fetch.wishes"

local fetch = {}

local NOTHING = { listed = 0, known = 0, octets_done = 0 }
local NO_SUCH_FILE = 2

local Fetching = {}
Fetching.__index = Fetching

-- Numbers are a session's own.
local function forget_session(self)
  self.routes, self.errors, self.places = {}, {}, {}
  self.complete = nil -- the number of the message that all functions have taken
end

local function report(self)
  local progress = self.core and self.core:progress() or NOTHING
  return reports.of(self.wishes.account, self.wishes.dry_run, self.messages, progress)
end

-- ---- the script's functions ----

-- What ends everything is no message's failure.
local function is_for_all(problem)
  return type(problem) == "string" and (problem:find("not enough memory$") or problem:find("interrupted!$")) ~= nil
end

local function passed(ok, problem, ...)
  if not ok and is_for_all(problem) then
    error(problem, 0)
  end
  return ok, problem, ...
end

-- As pcall.
local function call(f, ...)
  return passed(pcall(f, ...))
end

-- The message stays where it is.
local function fail(self, number, problem)
  self.errors[number] = problem
  self.core:answer("temporary", (misuse.text_of(problem):gsub("%c", " ")))
end

-- A function takes a message with true; else: why not.
local function take_by(f, message)
  local ok, answer, reason = call(f, message)
  if not ok then
    return answer == nil and "nil was raised" or answer
  elseif answer ~= true then
    return reason or string.format("the function that it was delivered to returned %s, and not true", tostring(answer))
  end
end

-- ---- what the engine asks ----

local asked = {}

local function close_client(self)
  if self.client then
    self.client:close()
    self.client = nil
  end
end

function asked.connect(self, delay)
  close_client(self)
  forget_session(self)
  if delay > 0 then
    task.sleep(delay / 1000)
  end
  local err
  if self.connected and self.wishes.connect.descriptor then -- by now it may be somebody else's
    err = core.error("state", "what is left, a message at which a session has ended, needs a session of its own, and "
      .. "descriptor was one: fetch again, on a new one")
  else
    self.client, err = client.connect(self.wishes.url, self.wishes.connect)
  end
  self.connected = true
  if not self.client then
    self.failure = err
    local is_poplins = (debug.getmetatable(err) or {}).__name == "poplin.error" -- else a function's of the script's
    self.core:answer(is_poplins and err.kind or "cancelled", is_poplins and err.text or misuse.text_of(err))
  else
    self.core:use(self.client._link)
  end
end

-- What the store of a script's own says goes to the caller as it is.
local function fail_in_store(self, err)
  self.failure = err
  self.core:answer("io", err == nil and "the seen store failed, and did not say why" or misuse.text_of(err))
end

-- The store of a script's own; there is none in a dry run that has found no file.
function asked.recall(self)
  local records, err = {}, nil
  if self.store then
    records, err = self.store:recall(self.wishes.account)
  end
  if type(records) == "table" then
    misuse.of("poplin.fetch: what the seen store recalled", self.core.recall, self.core, records)
  elseif records then
    misuse.error("poplin.fetch: recall of a seen store must return an array of records, not a %s", type(records))
  else
    fail_in_store(self, err)
  end
end

function asked.record(self, records)
  local ok, err = self.store:record(self.wishes.account, records)
  if ok then
    self.core:answer()
  else
    fail_in_store(self, err)
  end
end

-- Takes a message to where the filter has said.
local function redirect(self, number, answer)
  local is_word = type(answer) == "string" and not answer:find("/", 1, true)
  if is_word or type(answer) ~= "string" and type(answer) ~= "table" and type(answer) ~= "function" then
    misuse.error("poplin.fetch: a filter returns 'take' (or true), 'skip' (or false), 'delete', or where to take the "
      .. "message: a path with a / in it, a function, or an array of these; not %s", tostring(answer))
  end
  local list = destinations.list("what the filter returned", answer)
  local route, err = destinations.route(list, not self.wishes.dry_run and self.open or nil)
  if not route then
    fail(self, number, err)
    return
  end
  if route.functions[1] then
    self.core:settle_each()
  end
  self.routes[number] = route
  self.core:choose "take"
end

function asked.filter(self, message)
  local ok, answer = call(self.wishes.filter, reports.incoming(self.wishes.account, message))
  if not ok then
    fail(self, message.number, answer)
  elseif answer == true or answer == "take" then
    self.core:choose "take"
  elseif answer == false or answer == "skip" then
    self.core:choose "skip"
  elseif answer == "delete" then
    self.core:choose "delete"
  else
    redirect(self, message.number, answer)
  end
end

function asked.begin(self, message)
  local route = self.routes[message.number] or self.route
  self.core:begin(route.functions[1] ~= nil, table.unpack(route.maildirs))
end

function asked.deliver(self, message, places)
  local number, problem = message.number, nil
  self.delivering, self.places[number] = number, places
  if message.data then
    reports.incoming(self.wishes.account, message)
    for _, f in ipairs((self.routes[number] or self.route).functions) do -- all get it, also where one fails
      local failure = take_by(f, message)
      problem = problem == nil and failure or problem
    end
  end
  if problem ~= nil then
    fail(self, number, problem)
  else
    self.complete = number
    self.core:answer()
  end
  self.delivering = nil
end

function asked.result(self, message, err)
  local number = message.number
  local problem = self.errors[number]
  table.insert(self.messages, reports.outcome(message, self.places[number], problem == nil and err or problem))
end

function asked.progress(self, progress)
  self.told = true
  self.wishes.progress(progress)
end

-- Others have their turn.
function asked.pause()
  task.sleep(0)
end

-- ---- from the beginning to the end ----

-- The seen store that is meant, and whether it is to be closed; or nil and an error. A dry run makes none.
local function open_store(seen, dry_run)
  if seen ~= nil and type(seen) ~= "string" then
    return seen, false
  end
  if seen == nil then
    local folder, err = core.state_folder(dry_run)
    if not folder then
      return nil, err
    end
    seen = folder .. "/seen.sqlite"
  end
  if dry_run then
    local file, _, code = io.open(seen)
    if not file and code == NO_SUCH_FILE then
      return false, false
    elseif file then
      file:close()
    end
  end
  local store, err = core.seen(seen)
  return store, store and true or err
end

-- How a store claims an account. One of the script's own need not know how, nor have room for the question.
local function claims_of(store)
  local ok, f = pcall(function() return store.claim end)
  return ok and f or nil
end

-- Keeps other fetches of the account away; a dry run, which writes nothing, is in nobody's way. True, or nil and an
-- error.
local function claim(self)
  local f = not self.wishes.dry_run and claims_of(self.store)
  if not f then
    return true
  end
  local held, err = f(self.store, self.wishes.account)
  if held and not pcall(function() return assert(held.close) end) then
    misuse.error("poplin.fetch: claim of a seen store must return an object with a method close, not a %s", type(held))
  elseif held then
    self.claim = held
    return true
  elseif err == nil or err == "in_use" then
    local why = "another fetch of %s is under way: try again when that is done"
    err = core.error("in_use", why:format(self.wishes.account))
  end
  return nil, err
end

-- True, or nil and an error.
local function prepare(self)
  local wanted, err = self.wishes
  self.route, err = destinations.route(wanted.into, not wanted.dry_run and self.open or nil)
  if not self.route then
    return nil, err
  end
  self.store, self.owns_store = open_store(wanted.seen, wanted.dry_run)
  if self.store == nil then
    return nil, self.owns_store
  end
  local settings = wanted.settings
  settings.wants = self.route.functions[1] ~= nil
  local is_cores = self.store and (debug.getmetatable(self.store) or {}).__name == "poplin.seen"
  self.core, err = misuse.of("poplin.fetch", core.fetch, settings, is_cores and self.store or nil)
  if not self.core then
    return nil, err
  end
  self.core:attach(table.unpack(self.route.maildirs))
  if settings.wants then
    self.core:settle_each()
  end
  return claim(self)
end

-- True, or nil and an error.
local function go_on(self)
  while true do
    local since = task.turns()
    local event, first, second = self.core:next()
    if event == false then
      task.wait(self.client._link, since)
    elseif event == "end" then
      return true
    elseif not event then
      return nil, self.failure or first
    else
      asked[event](self, first, second)
    end
  end
end

-- After an error: has the engine record what was delivered.
local function stop(self)
  if self.delivering and self.delivering == self.complete then
    pcall(self.core.answer, self.core)
  end
  self.core:cancel()
  local event, first, second = self.core:next()
  while event and event ~= "end" do
    if event == "record" or event == "deliver" and not first.data then
      asked[event](self, first, second)
    elseif event ~= "result" and event ~= "progress" and event ~= "pause" then
      self.core:answer("cancelled", "the fetch was stopped")
    end
    event, first, second = self.core:next()
  end
end

-- However it ended; what stop cannot do, the next fetch does.
function Fetching:__close()
  if self.core then
    if not self.over then
      pcall(stop, self)
    end
    self.core:close()
  end
  close_client(self)
  destinations.close(self.open)
  if self.claim then
    self.claim:close()
  end
  if self.store and self.owns_store == true then
    self.store:close()
  end
end

local function run(wanted)
  local self <close> = setmetatable({ wishes = wanted, messages = {}, open = {} }, Fetching)
  forget_session(self)
  local ok, err = prepare(self)
  if ok then
    ok, err = go_on(self)
  end
  self.over = true
  if ok then
    if self.wishes.progress and not self.told then -- there was nothing to do, which is to be told, too
      self.wishes.progress(self.core:progress())
    end
    return report(self)
  end
  if type(err) == "table" then -- a store of the script's may say anything
    err.report = report(self)
  end
  return nil, err
end

--- The seen store at this path, made where there is none; or nil and an error. See docs/lua.md for its methods.
function fetch.seen(path)
  arguments.check_string("poplin.seen: the path", path)
  return misuse.of("poplin.seen", core.seen, path)
end

--- Fetches what was not fetched before: delivers it, makes that safe, remembers it, and only then deletes it on the
-- server, where it is not to stay: a report, or nil and an error, whose field `report` tells what was done before. See
-- docs/lua.md for the options.
function fetch.fetch(url, options)
  task.check()
  local wanted, err = wishes.read(url, options)
  if not wanted then
    return nil, err
  end
  return run(wanted)
end

return fetch
