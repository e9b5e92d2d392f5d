-- Takes new mail from an account into a Maildir, for cron.
--
--     POPLIN_PASSWORD=… lua5.4 fetch_maildir.lua [--delete] pop3s://alice@mail.example.org ~/Maildir [CA_FILE]
--
-- It can be stopped at any instant, by kill -9 or a power cut, too: nothing is lost, and nothing comes twice. What was
-- taken is remembered in poplin/seen.sqlite below $XDG_STATE_HOME, or else below ~/.local/state. The Maildir is made
-- where there is none. With --delete the server deletes what is safe on the disk, from this run or before.
--
-- Ends with 0: all is well; 1: it failed, or messages did; 2: called the wrong way; 75: it failed, and a later run may
-- do better (no connection, the mailbox is in use, …); 130: interrupted.

local poplin = require "poplin"

local PASSING = { closed = true, timeout = true, io = true, temporary = true, in_use = true }

local deleting = arg[1] == "--delete"
local url, maildir, ca_file = table.unpack(arg, deleting and 2 or 1)
local password = os.getenv("POPLIN_PASSWORD")
if not maildir or not password then
  io.stderr:write("usage: fetch_maildir.lua [--delete] URL MAILDIR [CA_FILE], the password in POPLIN_PASSWORD\n")
  os.exit(2, true)
end

local ok, report, err = pcall(poplin.fetch, url, {
  password = password,
  ca_file = ca_file,
  into = maildir,
  keep = deleting and "none" or "forever",
})
if not ok then -- interrupted, say, or the URL names no user
  io.stderr:write("fetch_maildir.lua: ", tostring(report), "\n")
  os.exit(tostring(report):find("interrupted!$") and 130 or 1, true)
elseif not report then
  io.stderr:write("fetch_maildir.lua: ", tostring(err), "\n")
  os.exit(PASSING[err.kind] and 75 or 1, true)
end
print(report)
os.exit(report.failed == 0 and 0 or 1, true)
