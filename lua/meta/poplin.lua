---@meta poplin

-- poplin for the Lua language server: the module itself, its errors, URLs and tasks. docs/lua.md is the reference.

---What went wrong. `tostring` gives `text`; no secret is ever in it.
---@class poplin.Error
---@field kind poplin.ErrorKind what sort of failure it is
---@field code? string the response code that the server sent, such as `"SYS/TEMP"`
---@field text string the whole story in one line
---@field doing? string what was being done
---@field host? string with whom
---@field reason? string why it failed
---@field peer? string the peer's own words
---@field answer? string what the server said of a token that it refused: JSON, not to be trusted
---@field report? poplin.Report of a fetch: what was done before

---After `"refused"`, `"auth"`, `"in_use"` and `"temporary"` the connection goes on; the others end it.
---@alias poplin.ErrorKind
---| "protocol" # the peer broke the rules
---| "refused" # an -ERR without a code that says more
---| "auth" # name, password or token were not accepted
---| "in_use" # the maildrop is open elsewhere
---| "temporary" # it may work later
---| "tls" # the handshake, or the connection under TLS, failed
---| "certificate" # a certificate, or a file with one, is not good
---| "timeout" # it took too long
---| "closed" # the connection was closed
---| "io" # the system refused
---| "limit" # something was larger than allowed
---| "state" # a command that has no place here
---| "cancelled" # it was given up
---| "unsupported" # the peer, or this build, cannot do it
---| "nomem" # out of memory

---How a server's functions refuse: `return nil, poplin.IN_USE`.
---@alias poplin.Refusal "auth"|"in_use"|"temporary"|"refused"

---@alias poplin.TlsMode
---| "auto" # what the scheme or the certificate says
---| "implicit" # from the first octet
---| "stls" # by STLS, demanded
---| "never" # none

---POP3 for people who script: a client and a server.
---@class poplin
---@field _VERSION string name and version: `"poplin 0.1.0"`
---@field AUTH "auth" a refusal: name or password are wrong
---@field IN_USE "in_use" a refusal: the maildrop is open elsewhere
---@field TEMPORARY "temporary" a refusal: it may work later
---@field REFUSED "refused" a refusal for good
---@field trace? fun(line: string, fields: poplin.TraceFields) is shown what is said, line by line, secrets masked; nil ends that
local poplin = {}

---A line of the trace in parts.
---@class poplin.TraceFields
---@field side "client"|"server" whose connection it is
---@field connection integer its number
---@field peer string with whom
---@field kind "sent"|"received"|"note" what the line is
---@field text string what was said

---Connects and, with a user, logs in.
---@param url? string `pop3s://host`, `pop3://host`, a bare host, with user, mechanism and port where wanted; may be nil with `path` or `descriptor`
---@param options? poplin.ConnectOptions
---@return poplin.Client|nil client
---@return poplin.Error|nil err
---@nodiscard
function poplin.connect(url, options) end

---Takes what was not taken before: delivers it, makes that safe, remembers it, and only then deletes it on the server.
---@param url? string as for `connect`
---@param options poplin.FetchOptions
---@return poplin.Report|nil report
---@return poplin.Error|nil err its `report` tells what was done before
---@nodiscard
function poplin.fetch(url, options) end

---Listens and serves, as long as something drives.
---@param options poplin.Service|poplin.ServeOptions the functions and the settings in one table; or the settings, with the functions in `backend`
---@return poplin.Server|nil server
---@return poplin.Error|nil err
---@nodiscard
function poplin.serve(options) end

---The fields of a text that begins with a header.
---@param text string what `top` answered, a file, a message
---@param name string which fields are wanted
---@return string[]|nil values of all fields of that name
---@return poplin.Error|nil err
---@overload fun(text: string): poplin.Headers|nil, poplin.Error|nil
---@nodiscard
function poplin.headers(text, name) end

---A Maildir with the methods of a maildrop, for `maildrop` to return: a snapshot, for one session.
---@param path string the folder that holds new, cur and tmp
---@param options? poplin.MaildirOptions
---@return poplin.Maildir|nil maildir
---@return poplin.Error|nil err why there is none; or beside a Maildir, why an old message could not be removed
---@nodiscard
function poplin.maildir(path, options) end

---The memory of what was fetched, made where there is none: to look at what is remembered, or to change it.
---@param path string an SQLite file
---@return poplin.Seen|nil seen
---@return poplin.Error|nil err
---@nodiscard
function poplin.seen(path) end

---SCRAM keys of a password, for a server to store in its place.
---@param password string
---@param options? poplin.ScramKeysOptions
---@return string|nil keys a text for `scram_keys` to return
---@return poplin.Error|nil err SCRAM cannot take this password
---@nodiscard
function poplin.scram_keys(password, options) end

---@class poplin.ScramKeysOptions
---@field iterations? integer at least 4096, the default: how much work it is to guess a password from stolen keys
---@field salt? string 1 to 64 octets; default: 16 random ones
---@field hash? "SHA-256"|"SHA-1" SHA-1 for clients that know no other

-- ---- where to connect ----

---The parts of a URL.
---@class poplin.Url
---@field scheme? "pop3s"|"pop3"|"pop" default: pop3s
---@field host string a name or an address
---@field port? integer default: the scheme's own
---@field user? string who logs in
---@field auth? string the only mechanism that may be used, `"+APOP"`, or `"*"` for any

---Takes a URL, or a bare host, apart.
---@param text string
---@return poplin.Url|nil parts
---@return poplin.Error|nil err
---@nodiscard
function poplin.parse_url(text) end

---Writes a URL (RFC 2384).
---@param parts poplin.Url
---@return string|nil url
---@return poplin.Error|nil err no URL has these parts
---@nodiscard
function poplin.format_url(parts) end

---The servers that a mail domain names for POP3 (RFC 6186), the one to try first in front.
---@param address string a mail address, or a domain alone
---@param resolve fun(name: string): poplin.SrvRecord[]|nil, any looks a name's SRV records up: none where there is no such name; nil and an error end the discovery
---@param options? poplin.DiscoverOptions
---@return poplin.Candidate[]|nil candidates empty where the domain names none
---@return any err the address is none, or what `resolve` said
---@nodiscard
function poplin.discover(address, resolve, options) end

---@class poplin.DiscoverOptions
---@field cleartext? boolean lists the servers without TLS from the first octet once more, at the end, with `tls = "never"`
---@field random? fun(low: integer, high: integer): integer in place of `math.random`

---An SRV record, as a resolver answers it.
---@class poplin.SrvRecord
---@field priority integer the smallest comes first
---@field weight integer the share among equals
---@field port integer where it listens
---@field target string the host; `"."`: there is no such service
---@field signed? boolean a resolver that you trust has validated it by DNSSEC

---A server to try.
---@class poplin.Candidate
---@field url string for `connect`
---@field tls "implicit"|"stls"|"never" for `connect`
---@field host string part of the URL
---@field port integer part of the URL
---@field verified boolean whether it lies in the mail domain, or its record was signed; where false, show `host` to the user first
---@field users? string[] the names to try: the address, then what stands before its `@`

-- ---- headers ----

---The fields of a header in their order. Indexed by a name, in upper or lower case, it gives the value of the first
---field of that name: `fields.subject`, `fields["Reply-To"]`.
---@class poplin.Headers
---@field [integer] poplin.HeaderField
---@field [string] string|nil

---@class poplin.HeaderField
---@field name string as it was written
---@field value string one line of UTF-8, unfolded and decoded: may hold control characters
---@field raw string the field's text as it came

-- ---- tasks, and who drives ----

---A coroutine that poplin started.
---@class poplin.Task
---@field finished boolean whether its function has returned or failed
---@field traceback string|false where, in its own coroutine, its error was raised
local Task = {}

---Waits until the task has finished; its error is raised again.
---@return any ... what its function returned
function Task:join() end

---Starts `f(...)` as a task, at the driver's next step.
---@param f function
---@param ... any
---@return poplin.Task
function poplin.spawn(f, ...) end

---Drives until `f(...)`, as a task, has finished; without `f` until all tasks have finished and all servers were stopped.
---@param f? function
---@param ... any
---@return any ... what `f` returned
function poplin.run(f, ...) end

---Drives once: waits until something happens, and handles what came.
---@param timeout? number seconds to wait at most; 0: not at all; nil: without limit
function poplin.step(timeout) end

---Waits, while all else goes on.
---@param seconds number
function poplin.sleep(seconds) end

---In a task: calls `begin(resume)`, and waits until `resume(...)` is called, from wherever that be.
---@param begin fun(resume: fun(...: any)) later calls of `resume` do nothing
---@return any ... what `resume` was given
function poplin.suspend(begin) end

---A descriptor that is readable when there is something to do; for a host with a loop of its own.
---@return integer descriptor
---@nodiscard
function poplin.fileno() end

---When `step(0)` is due even if the descriptor stays silent; to be asked anew after every call.
---@return number|nil seconds nil: never
---@nodiscard
function poplin.timeout() end

---As `coroutine.wrap`, for a generator whose body may wait for poplin inside a task.
---@generic F: function
---@param f F
---@return F
---@nodiscard
function poplin.wrap(f) end

return poplin
