---@meta _

-- poplin for the Lua language server: the memory of what was fetched.

---How far a message has come: about to be delivered; too large, its header was delivered; safe; rejected by the filter;
---delivered, and marked as deleted on the server; gone from the server.
---@alias poplin.Step "taken"|"headers"|"delivered"|"rejected"|"deleted"|"confirmed"

---What is remembered of one message.
---@class poplin.SeenRecord
---@field uid string the unique-id; what is not printable ASCII, and "%", as %XX; "sha256 " and a digest of the header where the server has none
---@field copy integer 0; of several messages with one unique-id the second has 1, and so on
---@field step poplin.Step how far it has come
---@field octets? integer as the server told
---@field first_seen integer seconds since 1970
---@field changed integer when the step was reached
---@field gone? integer since when the server has not listed it any more

---What is to be remembered of one message; without step: forget it.
---@class poplin.SeenChange
---@field uid string as in poplin.SeenRecord
---@field copy? integer (0)
---@field step? poplin.Step nil: forget it
---@field octets? integer nil: unknown
---@field first_seen? integer seconds since 1970 (0)
---@field changed? integer seconds since 1970 (0)
---@field gone? integer nil: it is listed

---A seen store, open: one file for all accounts, which several programs may use at a time.
---@class poplin.Seen
local Seen = {}

---The accounts on file, and how many messages are remembered of each.
---@return table<string, integer>|nil accounts
---@return poplin.Error|nil err
---@nodiscard
function Seen:accounts() end

---What is remembered of the account's messages, in the order of their unique-ids.
---@param account string
---@return poplin.SeenRecord[]|nil records
---@return poplin.Error|nil err
---@nodiscard
function Seen:messages(account) end

---Has these messages count as this far: what is "delivered" is not fetched again.
---@param account string
---@param uids string[] as in poplin.SeenRecord
---@param step? poplin.Step "delivered"
---@return true|nil ok
---@return poplin.Error|nil err
function Seen:mark(account, uids, step) end

---Forgets a message, or the whole account.
---@param account string
---@param uid? string
---@return integer|nil forgotten how many records that were
---@return poplin.Error|nil err
function Seen:forget(account, uid) end

---Claims the account: until it is closed, or the process ends, nobody else claims it, in any process or language, and a
---fetch of it, which claims it by itself, fails with `in_use`; so does this, at once, where somebody else has it.
---@param account string
---@return poplin.Claim|nil claim
---@return poplin.Error|nil err
---@nodiscard
function Seen:claim(account) end

---As messages: what a fetch asks a store.
---@param account string
---@return poplin.SeenRecord[]|nil records
---@return poplin.Error|nil err
---@nodiscard
function Seen:recall(account) end

---Writes records, all or none, durably: what a fetch asks a store.
---@param account string
---@param records poplin.SeenChange[]
---@return true|nil ok
---@return poplin.Error|nil err
function Seen:record(account, records) end

---Lets go of the file. Closing twice is peaceful.
function Seen:close() end

---A claim on an account: no other fetch of it begins while it stands.
---@class poplin.Claim
local Claim = {}

---Lets go of the account; so do `<close>` and the collector. Closing twice is peaceful.
function Claim:close() end
