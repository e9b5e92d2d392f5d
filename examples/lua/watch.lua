-- Watches an account, and runs a function for each new message.
--
--     POPLIN_PASSWORD=… lua5.4 watch.lua pop3s://alice@mail.example.org SEEN_FILE [SECONDS [CA_FILE]]
--
-- It looks every so many seconds (300), but no sooner than the server permits (LOGIN-DELAY), and less and less often
-- while that fails in a way that may pass. SEEN_FILE keeps the unique-ids of what was seen, over restarts too; where it
-- is not there yet, the mail that has come before is not new. Nothing is deleted on the server.
--
-- A message counts as seen when the function has returned: where that fails, it is told of, and called again the next
-- time. After kill -9 or a power cut, too, it may be called once more.
--
-- Goes on until it is interrupted (130). Ends with 1 where another attempt would not help (a wrong password, a bad
-- certificate, SEEN_FILE cannot be written, …), and 2 where it is called the wrong way.

local poplin = require "poplin"

-- What is done for each new message: put your own here. message:retr() fetches the body; it may take its time.
local function on_message(message)
  local subject, err = message:header("subject")
  if err then
    error(err, 0)
  end
  -- A sender's text is not fit for a terminal as it is.
  print("new: " .. (subject or "no subject"):gsub("\xc2[\x80-\x9f]", "?"):gsub("%c", "?"))
end

local PASSING = { closed = true, timeout = true, io = true, temporary = true, in_use = true, protocol = true }
local LONGEST = 3600 -- seconds between two attempts that fail

local function was_interrupted(problem)
  return type(problem) == "string" and problem:find("interrupted!$") ~= nil
end

-- ---- what was seen ----

-- nil where there is no such file. Only a file that was written whole has this name.
local function read_seen(path)
  local file <close>, reason, code = io.open(path)
  if not file then
    assert(code == 2, reason) -- ENOENT
    return nil
  end
  local seen = {}
  for uid in file:lines() do
    seen[uid] = true
  end
  return seen
end

local function write_seen(path, seen)
  local file = assert(io.open(path .. ".new", "w"))
  for uid in pairs(seen) do
    assert(file:write(uid, "\n"))
  end
  assert(file:close())
  assert(os.rename(path .. ".new", path))
end

-- ---- one look ----

-- What was seen and is still there; the others are forgotten.
local function still_there(messages, seen)
  local kept = {}
  for _, message in ipairs(messages) do
    if not message.uid then
      error("the server has no unique-ids (UIDL), so new mail cannot be told from old", 0)
    end
    kept[message.uid] = not seen or seen[message.uid] or nil
  end
  return kept
end

-- Raises where it fails; else how many seconds the server wants between two logins.
local function look(url, path, ca_file)
  local seen = read_seen(path)
  local pop <close> = assert(poplin.connect(url, { password = os.getenv("POPLIN_PASSWORD"), ca_file = ca_file }))
  local messages = assert(pop:messages())
  seen = still_there(messages, seen)
  write_seen(path, seen)
  for _, message in ipairs(messages) do
    if not seen[message.uid] then
      local ok, problem = pcall(on_message, message)
      if ok then
        seen[message.uid] = true
        write_seen(path, seen)
      elseif was_interrupted(problem) then
        error(problem, 0)
      else
        io.stderr:write("watch.lua: the message ", message.uid, " is tried again: ", tostring(problem), "\n")
      end
    end
  end
  local delay = pop.capabilities and pop.capabilities.login_delay or 0
  assert(pop:quit())
  return delay
end

-- ---- again and again ----

local function watch(url, path, seconds, ca_file)
  local pause, wait = seconds, seconds
  while true do
    local ok, answer = pcall(look, url, path, ca_file)
    if ok then
      pause = math.max(seconds, answer)
      wait = pause
    elseif type(answer) == "table" and PASSING[answer.kind] then
      wait = math.max(pause, math.min(2 * wait, LONGEST))
      io.stderr:write(string.format("watch.lua: %s; again in %g s\n", answer, wait))
    else
      error(answer, 0)
    end
    io.stdout:flush()
    poplin.sleep(wait) -- poplin's other tasks and servers, where the script has any, go on meanwhile
  end
end

-- ---- the program ----

local url, path, seconds, ca_file = table.unpack(arg)
seconds = tonumber(seconds or 300)
if not path or not seconds or seconds <= 0 or not os.getenv("POPLIN_PASSWORD") then
  io.stderr:write("usage: watch.lua URL SEEN_FILE [SECONDS [CA_FILE]], the password in POPLIN_PASSWORD\n")
  os.exit(2, true)
end

local _, problem = pcall(watch, url, path, seconds, ca_file)
io.stderr:write("watch.lua: ", tostring(problem), "\n")
os.exit(was_interrupted(problem) and 130 or 1, true)
