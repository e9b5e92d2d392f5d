--- What a fetch tells: each message on its way, and in the end what became of all of them.

local headers = require "poplin.headers"
local misuse = require "poplin.misuse"

local report = {}

local REASONS = {
  headers = "larger than max_octets: its header was delivered",
  expired = "delivered before, and kept on the server as long as it should be",
  rejected = "the filter had it deleted",
  skipped = "the filter left it",
  ["too large"] = "larger than max_octets",
  ["no unique-id"] = "the server told no unique-id for it, so it could not be known again",
}

-- Which count of the report a result belongs to.
local COUNTS = {
  delivered = "delivered", headers = "delivered", skipped = "skipped", ["too large"] = "skipped",
  ["no unique-id"] = "skipped", failed = "failed", refused = "failed",
}

-- ---- a message on its way ----

-- As a filter sees it, and a function that it is delivered to. Its fields: account, number, uid (nil where the server
-- has no unique-ids), octets (nil where it told none), data (in a filter the header), headers_only, resumed.
local Incoming = { __name = "poplin.incoming" }
Incoming.__index = Incoming

--- message:header(name) and message:headers(name), as of any other message.
Incoming.header, Incoming.headers = headers.methods(function()
  return nil -- its data is there
end)

function Incoming:__tostring()
  return string.format("poplin.incoming %d (%s octets)", self.number, self.octets or "unknown")
end

--- Makes it of what the core tells.
function report.incoming(account, message)
  message.account = account
  return setmetatable(message, Incoming)
end

-- ---- what became of it ----

-- Its fields: number, uid, octets, resumed, result, deleted, places; error and reason where there is something to say.
local Outcome = { __name = "poplin.outcome" }
Outcome.__index = Outcome

function Outcome:__tostring()
  return string.format("message %d: %s%s", self.number, self.result, self.reason and ": " .. self.reason or "")
end

local function reason_of(message)
  if message.error == nil then
    return REASONS[message.result]
  end
  local text = misuse.text_of(message.error)
  return (message.result == "failed" or message.result == "refused") and text or "not deleted: " .. text
end

--- Makes it of what the core tells; places are where it stands, err why it does not.
function report.outcome(message, places, err)
  message.headers_only = nil
  message.places, message.error = places or {}, err
  message.reason = reason_of(message)
  return setmetatable(message, Outcome)
end

-- ---- all of them ----

local Report = { __name = "poplin.fetch.report" }
Report.__index = Report

local function plural(count)
  return string.format("%d message%s", count, count == 1 and "" or "s")
end

function Report:__tostring()
  local parts = { self.dry_run and plural(self.delivered) .. " would be fetched"
    or string.format("%s fetched, %d octets", plural(self.delivered), self.octets) }
  local function add(count, words)
    if count > 0 then
      table.insert(parts, string.format("%d %s", count, words))
    end
  end
  add(self.deleted, self.dry_run and "would be deleted on the server" or "deleted on the server")
  add(self.skipped, "skipped")
  add(self.failed, "failed")
  add(self.known, "known from before")
  local lines = { table.concat(parts, "; ") }
  for _, message in ipairs(self.messages) do
    if message.error ~= nil then
      table.insert(lines, string.format("message %d: %s", message.number, message.reason))
    end
  end
  return table.concat(lines, "\n")
end

--- The report: the messages, counted, and how far the fetch came.
function report.of(account, dry_run, messages, progress)
  local self = {
    account = account, dry_run = dry_run, messages = messages,
    delivered = 0, deleted = 0, skipped = 0, failed = 0,
    listed = progress.listed, known = progress.known, octets = progress.octets_done,
  }
  for _, message in ipairs(messages) do
    local count = COUNTS[message.result]
    if count then
      self[count] = self[count] + 1
    end
    self.deleted = self.deleted + (message.deleted and 1 or 0)
  end
  return setmetatable(self, Report)
end

return report
