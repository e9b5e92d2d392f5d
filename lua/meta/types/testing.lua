---@meta _

-- poplin for the Lua language server: the test server, and the sessions that it remembers.

---A test server; `<close>` ends it. All methods may be called while sessions are open.
---@class poplin.testing.Server
---@field host? string where it listens; nil for a Unix socket
---@field port integer where it listens
---@field path? string of a Unix socket
---@field url? string where to connect; nil for a Unix socket
---@field certificate? poplin.testing.Certificate with TLS
---@field ca_pem? string for the client's `ca_pem`
---@field errors poplin.Problem[] what went wrong in the functions of `backend`
---@field sessions poplin.testing.Sessions those that were, and are, there
---@field clock poplin.testing.Clock its clock
---@field transcript string what was said in all sessions, secrets masked
local Server = {}

---Delivers a message, its line ends LF or CRLF.
---@param user string
---@param octets string
---@return string|nil uid its unique-id
---@return poplin.Error|nil err
function Server:deliver(user, octets) end

---Delivers one message from a file, or all of an mbox, a Maildir, or a folder.
---@param user string
---@param path string
---@return string[]|nil uids
---@return poplin.Error|nil err
function Server:load(user, path) end

---The user's messages, in the order of delivery.
---@param user string
---@return poplin.testing.Message[]|nil messages
---@return poplin.Error|nil err
---@nodiscard
function Server:messages(user) end

---Removes a message, whoever has it open.
---@param user string
---@param uid string
---@return true|nil ok
---@return poplin.Error|nil err
function Server:remove(user, uid) end

---Removes all messages of a user.
---@param user string
---@return true|nil ok
---@return poplin.Error|nil err
function Server:clear(user) end

---Adds a user.
---@param name string
---@param secret string the password
---@return true|nil ok
---@return poplin.Error|nil err
function Server:add_user(name, secret) end

---Removes a user and all mail there.
---@param name string
---@return true|nil ok
---@return poplin.Error|nil err
function Server:remove_user(name) end

---The user's OAuth 2 token from now on; of use to a server made with `tokens`.
---@param name string
---@param token? string nil: none
---@return true|nil ok
---@return poplin.Error|nil err
function Server:set_token(name, token) end

---Where to connect, the user's name in it.
---@param user? string
---@return string|nil url nil for a Unix socket
---@nodiscard
function Server:url_for(user) end

---Adds a fault. What makes no sense is an error.
---@param command? poplin.testing.Command|string what it waits for; nil: any; or all of the fault as text
---@param of? poplin.testing.FaultSettings
---@return poplin.testing.Fault
function Server:fault(command, of) end

---Has the server behave as some real ones do.
---@param name poplin.testing.Quirk
---@return poplin.testing.Fault
function Server:quirk(name) end

---Has the server attack its clients.
---@param name poplin.testing.Attack
---@return poplin.testing.Fault
function Server:attack(name) end

---Waits until `predicate(server)` answers something that is true: it is asked again whenever something has happened.
---@generic T
---@param predicate fun(server: poplin.testing.Server): T
---@param timeout? number seconds (5)
---@return T|nil answer
---@return poplin.Error|nil err of kind `"timeout"`, with the transcripts
function Server:wait_for(predicate, timeout) end

---Forgets faults, quirks, ended sessions and mail; users stay.
function Server:reset() end

---Ends the server: open sessions delete nothing. What it knows can still be asked. Raises the errors of `backend`.
function Server:close() end

---As `close`.
function Server:stop() end

---The clock of a test server.
---@class poplin.testing.Clock
local Clock = {}

---Moves it forward, and what is due then is done.
---@param seconds number
function Clock:advance(seconds) end

---A message in memory.
---@class poplin.testing.Message
---@field uid string its unique-id
---@field octets integer with each line end as two
---@field data string all of it

---Oldest first; `#` counts them.
---@class poplin.testing.Sessions
---@field [integer] poplin.testing.Session
---@operator len: integer

---@alias poplin.testing.Outcome
---| "committed" # QUIT, and what was marked is deleted
---| "left" # QUIT before a login
---| "dropped" # the client went without QUIT
---| "timed out" # the client was silent for too long
---| "failed" # the server ended it

---What happened in a session so far. Each assertion waits until it holds or the session has ended, for `settle` seconds
---at most, and returns the session.
---@class poplin.testing.Session
---@field number integer 1 for the first
---@field peer string where from
---@field open boolean whether it goes on
---@field outcome? poplin.testing.Outcome nil while it is open
---@field error? string why, where that is known
---@field user? string who logged in
---@field mechanism? string by which mechanism
---@field tls? string version and cipher
---@field octets_in integer of commands, without TLS
---@field octets_out integer of replies, without TLS
---@field retrieved string[] unique-ids whose RETR was answered whole
---@field deleted string[] unique-ids that the commit removed
---@field marked string[] unique-ids that were marked last
---@field commands string[] as they came, secrets masked
---@field replies string[] first lines, the greeting first
---@field exchanges poplin.testing.Exchange[] commands with their replies, the greeting first
---@field exchanges_not_kept integer of a very long session
---@field transcript string the conversation, secrets masked
---@field settle number seconds (5) that an assertion waits
local Session = {}

---A command and its reply.
---@class poplin.testing.Exchange
---@field command string secrets masked; empty for the greeting
---@field reply string the first line
---@field text string the lines behind it, as far as they are kept; mail is left out
---@field octets integer of the reply that went out
---@field tls boolean whether it went over TLS
---@field secret boolean whether the command held a secret
---@field leaked boolean whether that crossed in clear
---@field complete boolean whether all of the reply went out
---@field fault string the faults that took effect, by `", "`; empty: none

---The client said QUIT and was answered +OK.
---@return self
function Session:assert_quit() end

---The commit removed these and nothing else.
---@param ... string unique-ids
---@return self
function Session:assert_deleted(...) end

---Each of these was sent whole.
---@param ... string unique-ids
---@return self
function Session:assert_retrieved(...) end

---No password and no authentication exchange crossed without TLS.
---@return self
function Session:assert_no_cleartext_secret() end

---These commands came in this order, others between them allowed.
---@param ... string a keyword, or a command's beginning: `"DELE 2"`
---@return self
function Session:assert_order(...) end

---The session ended so.
---@param outcome poplin.testing.Outcome
---@return self
function Session:assert_outcome(outcome) end
