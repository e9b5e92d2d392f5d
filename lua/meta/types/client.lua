---@meta _

-- poplin for the Lua language server: what `poplin.connect` takes, and the client that it makes.

---@class poplin.ConnectOptions
---@field user? string|string[] who logs in; two names are tried one after the other, over verified TLS only
---@field password? string|fun(user: string): string|nil, any the password, or who tells it; nil and why not, which is connect's error then
---@field token? string|fun(answer?: string): string|nil, any an OAuth 2 token instead, or who tells it: called once more with what the server said of one that it refused
---@field authorize? string whose maildrop to open, where it is not the user's own
---@field auth? string|string[] the mechanisms that may be used: `"SCRAM-SHA-256 PLAIN"`; the strongest is tried
---@field initial_response? boolean false: the first response of AUTH goes in a line of its own
---@field tls? poplin.TlsMode default: `"auto"`; only `"never"` sends a password in clear over a network
---@field ca_file? string the CAs to trust, instead of the system's: a PEM file
---@field ca_pem? string the same as PEM text
---@field verify? boolean false accepts any certificate, which protects from nobody who is in the way
---@field client_cert? string a PEM file with the client's own certificate
---@field client_key? string a PEM file with its key, where that is not in the first
---@field pins? string|string[] keys, as `client.tls.pin` tells them, of which the server must have one
---@field trust_on_first_use? string a file that keeps the servers' keys, in place of CAs
---@field mail_domain? string of the user's address: a certificate for its POP3 server is good too
---@field resumption? boolean false shakes hands in full each time
---@field key_log? string a file to which the connection's secrets are appended: whoever reads it reads the mail
---@field timeout? number seconds (60) for connecting, for the handshake, and for the server's silence
---@field total_timeout? number seconds for one whole wait; default: no limit
---@field path? string a Unix socket instead of the URL's address
---@field descriptor? integer a connected socket, which is taken over
---@field pipelining? boolean false sends one command at a time
---@field utf8? boolean asks for mail with UTF-8 in its headers as it is, where the server offers that
---@field strict? boolean forgives the server nothing that the RFCs do not
---@field max_message? integer octets of a message, at most; 0: no limit
---@field limits? poplin.ConnectLimits further limits
---@field loopback_protected? boolean false treats a loopback address or Unix socket like any network

---@class poplin.ConnectLimits
---@field max_line? integer octets of a status line, at most (8192)
---@field max_listing? integer octets of a line of a listing, at most
---@field max_listings? integer lines of a listing, at most
---@field max_capabilities? integer lines of capabilities, at most
---@field window_commands? integer commands that are sent ahead, at most
---@field window_octets? integer octets of messages that they may bring; one message is always allowed

---One connection to a POP3 server. `<close>` drops it without QUIT, so that nothing is deleted.
---@class poplin.Client
---@field greeting string what the server said first
---@field tls? poplin.TlsInfo nil without TLS
---@field mechanism? string by which the login was made
---@field user? string as whom
---@field capabilities poplin.Capabilities what the server announced last
local Client = {}

---Logs in, on a connection made without a user, and again after a refusal.
---@param user string
---@param password string
---@return true|nil ok
---@return poplin.Error|nil err
function Client:login(user, password) end

---Starts TLS, on a connection made with `tls = "never"` that is not logged in.
---@return true|nil ok
---@return poplin.Error|nil err
function Client:stls() end

---How many messages there are, and their octets together.
---@return integer|nil count
---@return integer|poplin.Error octets or the error
---@nodiscard
function Client:stat() end

---A message's octets; without a number those of all that are not marked.
---@param number integer
---@return integer|nil octets
---@return poplin.Error|nil err
---@overload fun(self: poplin.Client): poplin.Size[]|nil, poplin.Error|nil
---@nodiscard
function Client:list(number) end

---A message's unique-id; without a number those of all that are not marked.
---@param number integer
---@return string|nil uid
---@return poplin.Error|nil err
---@overload fun(self: poplin.Client): poplin.UniqueId[]|nil, poplin.Error|nil
---@nodiscard
function Client:uidl(number) end

---One message, CRLF line ends kept; with `into` it goes there piece by piece, in constant memory.
---@param number integer
---@param into file*|fun(piece: string) a file handle, or a function that is called with each piece
---@return integer|nil octets
---@return poplin.Error|nil err
---@overload fun(self: poplin.Client, number: integer): string|nil, poplin.Error|nil
function Client:retr(number, into) end

---A message's header, the empty line, and the first lines of its body.
---@param number integer
---@param lines? integer of the body (0)
---@return string|nil text
---@return poplin.Error|nil err
---@nodiscard
function Client:top(number, lines) end

---Marks a message; `quit` deletes it. Inside a loop of `retr_all` it returns at once, and a refusal comes later.
---@param number integer
---@return true|nil ok
---@return poplin.Error|nil err
function Client:dele(number) end

---Takes back all marks.
---@return true|nil ok
---@return poplin.Error|nil err
function Client:rset() end

---Does nothing, but hears from the server.
---@return true|nil ok
---@return poplin.Error|nil err
function Client:noop() end

---Asks what the server can do.
---@return poplin.Capabilities|nil capabilities
---@return poplin.Error|nil err
function Client:capa() end

---Asks for mail with UTF-8 in its headers as it is, on a connection made without a user.
---@return true|nil ok
---@return poplin.Error|nil err
function Client:utf8() end

---Chooses the language of the server's texts; without a tag the languages that there are.
---@param language string a tag, `"de"`, or `"*"` for the server's choice
---@return string|nil tag of the one chosen
---@return poplin.Error|nil err
---@overload fun(self: poplin.Client): poplin.Language[]|nil, poplin.Error|nil
function Client:lang(language) end

---@class poplin.MessagesOptions
---@field newest_first? boolean the last number first, which is the newest on all servers that are known
---@field since_uid? string only those behind the message of this unique-id; all, where the server does not have it any more

---All messages; nothing is fetched.
---@param options? poplin.MessagesOptions
---@return poplin.Message[]|nil messages
---@return poplin.Error|nil err
---@nodiscard
function Client:messages(options) end

---An iterator over messages with their `data`, the pipeline kept full. It raises the error object where it fails.
---@param numbers? (integer|poplin.Message)[] which ones, each once; default: all
---@return fun(): poplin.FetchedMessage? next
---@nodiscard
function Client:retr_all(numbers) end

---Leaves with QUIT: the server deletes what was marked. The client is closed afterwards, whatever happens.
---@return true|nil ok
---@return poplin.Error|nil err
function Client:quit() end

---Drops the connection without QUIT, so that nothing is deleted. Closing twice is peaceful.
function Client:close() end

---A message of a listing.
---@class poplin.Message
---@field number integer in this session, from 1
---@field uid? string its unique-id; nil where the server has none
---@field octets integer as the server says
---@field data? string all of it, in a loop of `retr_all`
local Message = {}

---As `client:retr`.
---@param into file*|fun(piece: string)
---@return integer|nil octets
---@return poplin.Error|nil err
---@overload fun(self: poplin.Message): string|nil, poplin.Error|nil
function Message:retr(into) end

---As `client:top`.
---@param lines? integer of the body (0)
---@return string|nil text
---@return poplin.Error|nil err
---@nodiscard
function Message:top(lines) end

---As `client:dele`.
---@return true|nil ok
---@return poplin.Error|nil err
function Message:dele() end

---The value of the first field of that name, unfolded and decoded; by TOP where there is no `data`.
---@param name string in upper or lower case
---@return string|nil value nil alone: there is no such field
---@return poplin.Error|nil err the header could not be had
---@nodiscard
function Message:header(name) end

---All fields of the header, or the values of all fields of that name.
---@param name string
---@return string[]|nil values
---@return poplin.Error|nil err
---@overload fun(self: poplin.Message): poplin.Headers|nil, poplin.Error|nil
---@nodiscard
function Message:headers(name) end

---A message of a loop of `retr_all`.
---@class poplin.FetchedMessage : poplin.Message
---@field data string all of it, CRLF line ends kept

---A line of LIST.
---@class poplin.Size
---@field number integer of the message
---@field octets integer of the message

---A line of UIDL.
---@class poplin.UniqueId
---@field number integer of the message
---@field uid string its unique-id

---@class poplin.Language
---@field tag string `"de"`, `"pt-BR"`
---@field description? string its name, for people

---What was negotiated; `tostring` gives version and cipher in words.
---@class poplin.TlsInfo
---@field words string version and cipher
---@field version? string `"TLS1.3"`
---@field cipher? string `"TLS_AES_128_GCM_SHA256"`
---@field group? string of the key exchange
---@field alpn? string `"pop3"`
---@field server_name? string that was sent
---@field resumed boolean whether an earlier TLS session was taken up again
---@field verified? "ca"|"ca+pin"|"pin"|"first-use"|"known-key" by what the server was known; nil: nothing was looked at
---@field certificate? string its SHA-256 in hexadecimal
---@field pin? string of its key, for `pins`
---@field not_after? integer when it ends, as `os.time` counts

---From each capability's name, in upper case, to its parameters; in lower case what is often asked for.
---@class poplin.Capabilities
---@field [string] string[]|nil
---@field login_delay? integer seconds between two logins
---@field expire? integer days for which mail stays at least; nil: it stays, or nothing is said
---@field sasl string[] the mechanisms of AUTH
---@field implementation? string what the server calls itself
---@field user boolean whether it has USER and PASS
---@field stls boolean whether it has STLS
---@field top boolean whether it has TOP
---@field uidl boolean whether it has UIDL
---@field pipelining boolean whether it takes commands ahead
---@field utf8 boolean whether it has UTF8
---@field utf8_user boolean whether names and passwords may be in UTF-8
---@field lang boolean whether it has LANG
