---@meta _

-- poplin for the Lua language server: what `poplin.fetch` takes, and what it tells.

---What a function says that a message is delivered to: true; or nil and why not, whatever that is.
---@alias poplin.Destination
---| string # the path of a Maildir, made where there is none
---| fun(message: poplin.Incoming): true|nil, any

---What a filter says of a message: `"take"` or true; `"skip"` or false; `"delete"`; or where to take it instead.
---@alias poplin.Choice boolean|poplin.Destination|poplin.Destination[]

---Besides those of `poplin.connect`.
---@class poplin.FetchOptions : poplin.ConnectOptions
---@field into poplin.Destination|poplin.Destination[] where to; of several each gets each message
---@field seen? string|userdata|poplin.Seen|poplin.SeenLike what is remembered; default: `poplin/seen.sqlite` below `$XDG_STATE_HOME`, or else below `~/.local/state`
---@field account? string the maildrop's name there; default: `USER@HOST`, with `:PORT` where that is neither 110 nor 995
---@field keep? string how long messages stay on the server: `"forever"` (the default), `"none"`, or days since they were first seen, `"14d"`
---@field limit? integer messages to take, at most
---@field newest_first? boolean the highest numbers first
---@field max_octets? integer what is larger is left where it is
---@field large? "skip"|"headers" `"headers"`: but its header is delivered, once
---@field filter? fun(message: poplin.Incoming): poplin.Choice is asked of each new message, of which it sees the header
---@field commit_every? integer after so many messages QUIT, so that deletions are made, and connect again
---@field dry_run? boolean takes, records and deletes nothing; the report tells what would be
---@field progress? fun(progress: poplin.Progress) is called as it goes on

---A store of the script's own: it answers as `poplin.Seen` does.
---@class poplin.SeenLike
---@field recall function called with the store and an account; returns an array of `poplin.SeenRecord`, or nil and an error
---@field record function called with the store, an account and such an array: all are written, or none, and are safe when it returns true
---@field claim? function called with the store and an account before anything else: returns an object with a method `close`, which is called when the fetch is over; or nil, or nil and an error, where another fetch of the account is under way. Without it two at once are kept apart by nobody but the server

---A message on its way.
---@class poplin.Incoming
---@field account string what it was fetched from, as in the seen store
---@field number integer its number in this session
---@field uid? string its unique-id; nil where the server has none
---@field octets? integer as the server announced it
---@field data string the message, CRLF line ends kept; in a filter its header
---@field headers_only boolean it is larger than `max_octets`, and this its header alone
---@field resumed boolean an earlier fetch was stopped while it took this one: it may have been delivered
local Incoming = {}

---The value of the first field of that name, unfolded and decoded; nil alone where there is none.
---@param name string
---@return string|nil value
---@return poplin.Error|nil err
---@nodiscard
function Incoming:header(name) end

---All fields, or with a name the values of all fields of that name.
---@param name? string
---@return poplin.Headers|string[]|nil fields
---@return poplin.Error|nil err
---@nodiscard
function Incoming:headers(name) end

---How far a fetch is.
---@class poplin.Progress
---@field messages_done integer messages taken so far
---@field messages_to_do integer messages to take in all, those done included
---@field octets_done integer octets of messages so far
---@field octets_to_do integer octets in all, as the server announced them, and corrected by what came
---@field listed integer messages on the server when the fetch began
---@field known integer of these, those that earlier fetches have delivered; also those too large whose headers they have
---@field deleted integer messages that the server has confirmed to be gone

---What a fetch has done; `tostring` says so in a line, and a line more for each message with a problem.
---@class poplin.Report
---@field account string under which the messages are remembered
---@field dry_run boolean nothing was done, and this is what would have been
---@field messages poplin.Outcome[] each message that was new, or to be deleted
---@field delivered integer messages delivered, those included of which it was the header alone
---@field deleted integer messages that the server has confirmed to be gone
---@field skipped integer messages left by the filter, for their size, or since they have no unique-id
---@field failed integer messages that could not be delivered, or that the server did not give: the next fetch tries again
---@field listed integer messages on the server
---@field known integer of these, those that earlier fetches had delivered
---@field octets integer octets of messages that came

---What became of one message.
---@class poplin.Outcome
---@field number integer its number in the session in which it was seen to
---@field uid? string its unique-id; nil where the server has none
---@field octets? integer as the server announced it
---@field resumed boolean an earlier fetch was stopped while it took this one
---@field result poplin.FetchResult what was done
---@field deleted boolean the server has confirmed that it is gone; in a dry run: it would be
---@field places string[] the names of the files that it stands in
---@field error? any why it failed or was refused, or could not be deleted: an error object, or what a function said
---@field reason? string the same for a person, and why it was left

---@alias poplin.FetchResult
---| "delivered"
---| "headers" # too large: its header was delivered
---| "expired" # delivered by an earlier fetch; the time to keep it is over
---| "rejected" # the filter had it deleted
---| "skipped" # the filter left it
---| "too large" # it was left
---| "no unique-id" # it could not be known again
---| "failed" # it could not be delivered, or the filter raised
---| "refused" # the server did not give it
