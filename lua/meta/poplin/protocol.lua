---@meta poplin.protocol

-- poplin for the Lua language server: both ends of a POP3 connection, without input and output.

---Both ends of a POP3 connection as objects that do no input or output: octets go in, events come out, and octets to
---send. The connection, its TLS and the waiting are the host's.
---@class poplin.protocol
local protocol = {}

---@class poplin.protocol.ClientOptions
---@field tls? poplin.TlsMode default: `"implicit"`: TLS stands before the first octet
---@field protected? boolean true: the connection needs no TLS, since it does not leave this machine
---@field host? string the server as the user named it
---@field port? integer the same
---@field auth? string|string[] the mechanisms that may be used
---@field initial_response? boolean false: the first response of AUTH goes in a line of its own
---@field pipelining? boolean false sends one command at a time
---@field utf8? boolean asks for mail with UTF-8 in its headers as it is, where the server offers that
---@field strict? boolean forgives the server nothing that the RFCs do not
---@field max_message? integer octets of a message, at most; 0: no limit
---@field limits? poplin.ConnectLimits further limits

---@class poplin.protocol.SessionOptions
---@field tls? "implicit"|"stls"|"never" default: `"never"`
---@field protected? boolean true: passwords are allowed without TLS: the connection does not leave this machine
---@field allow_cleartext? boolean true: they are allowed on any connection
---@field asks? poplin.protocol.Asks|poplin.protocol.Asks[] what can be asked about who logs in; default: `"authenticate"`
---@field auth? string|string[] the ways to log in that may be offered
---@field name? string what the server is called, in the challenges of APOP and CRAM-MD5
---@field port? integer the one that OAUTHBEARER takes; 0: any
---@field iterations? integer of SCRAM with passwords (4096)
---@field pepper? string a secret of the server's own, from which the salts of SCRAM are made
---@field greeting? string the text of the first line
---@field failed_logins? boolean true: `failed_login` events are wanted
---@field login_delay? integer seconds (0) between two logins of a user, announced
---@field login_delay_by_user? boolean users differ: see `poplin.protocol.Terms`
---@field expire? integer|"never" days for which mail stays at least, announced
---@field expire_by_user? boolean users differ: see `poplin.protocol.Terms`
---@field utf8? boolean UTF8, and names and passwords in UTF-8
---@field languages? poplin.Catalogue[] of the replies
---@field limits? poplin.ServeLimits what the client may do, at most; `handshake` and `stall` are the host's

---@alias poplin.protocol.Asks "authenticate"|"password"|"scram_keys"|"token"

---What is known of a TLS connection that was made for a client.
---@class poplin.protocol.ClientFacts
---@field version? string `"TLSv1.3"`, for people
---@field verified? boolean whether the peer's certificate and name were checked and found good: a client's default is true, a session's false
---@field exporter? string 32 octets of the exporter that RFC 9266 names
---@field end_point? string the hash of the server's certificate of RFC 5929 section 4

---The same for a session.
---@class poplin.protocol.SessionFacts : poplin.protocol.ClientFacts
---@field identity? string whom the client's certificate names, for EXTERNAL

---@class poplin.protocol.CommandOptions
---@field multiline? boolean true: an answer that is +OK is followed by lines
---@field secret? boolean true: the line holds a secret

---What holds for one user, where users differ.
---@class poplin.protocol.Terms
---@field login_delay? integer seconds
---@field expire? integer|"never" days

-- ---- both ends ----

---The client's side of one connection, without the connection. Each command's method returns its tag.
---@class poplin.protocol.Client
---@field phase? "authorization"|"transaction" where the session is; nil before the greeting and after the end
---@field tls? string nil without TLS; else its version, as `tls_started` was told, or `"TLS"`
---@field outstanding integer how many commands wait for their answer
---@field mechanism? string how the login was done; nil before it
---@field capabilities poplin.Capabilities what the server announced last; empty where it was not asked
local Client = {}

---Takes in what the server sent, decrypted where there is TLS; `""` changes nothing.
---@param data string
---@return true|nil ok
---@return poplin.Error|nil err
function Client:receive_data(data) end

---The server closed the connection.
---@param clean? boolean false where TLS was cut short
---@return true|nil ok
---@return poplin.Error|nil err
function Client:receive_eof(clean) end

---Takes what is to be sent to the server now, all of it; `""` where there is nothing. More events may follow.
---@return string|nil data
---@return poplin.Error|nil err
---@nodiscard
function Client:data_to_send() end

---TLS now stands: before the first octet with `tls = "implicit"`, else after `start_tls`.
---@param facts? poplin.protocol.ClientFacts
---@return true|nil ok
---@return poplin.Error|nil err
function Client:tls_started(facts) end

---The next event; false and why there is none: `"need_data"` or `"waiting"`; nil and an error.
---@return poplin.protocol.ClientEvent|false|nil event
---@return "need_data"|"waiting"|poplin.Error|nil why
---@nodiscard
function Client:next_event() end

---The events that there are. Raises the error object where the session ended badly.
---@return fun(): poplin.protocol.ClientEvent|nil
---@nodiscard
function Client:events() end

---Lets it go, and sends nothing. Twice is peaceful.
function Client:close() end

---The opening in one: greeting, capabilities, TLS where it is demanded and, with a user, the login. Ends in `opened`.
---@param user? string
---@param password? string
---@param token? string an OAuth 2 access token instead of a password
---@param authorize? string whose maildrop, where it is not the user's own
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:open(user, password, token, authorize) end

---Logs in on an opened connection, where nothing is outstanding. Ends in `opened`.
---@param user? string
---@param password? string
---@param token? string an OAuth 2 access token instead of a password
---@param authorize? string whose maildrop, where it is not the user's own
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:login(user, password, token, authorize) end

---STAT: a `reply` with count and octets.
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:stat() end

---LIST: a `listing` for each message; with a number the reply's octets.
---@param number? integer
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:list(number) end

---UIDL: a `unique_id` for each message; with a number the reply's text.
---@param number? integer
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:uidl(number) end

---RETR: `body` events.
---@param number integer
---@param octets? integer the message's size, where known: it bounds what is sent ahead
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:retr(number, octets) end

---TOP: `body` events.
---@param number integer
---@param lines? integer of the body (0)
---@param octets? integer as for `retr`
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:top(number, lines, octets) end

---RETR of message after message, as many ahead as fit the window; each `reply` has its number.
---@param messages (integer|{ number: integer, octets?: integer })[]
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:retr_all(messages) end

---Sends no further RETR of `retr_all`; those that are under way are answered still.
---@return integer|nil unsent how many were not sent
---@return poplin.Error|nil err
function Client:retr_stop() end

---DELE.
---@param number integer
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:dele(number) end

---RSET.
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:rset() end

---NOOP.
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:noop() end

---CAPA: a `reply` and an `end`; then `capabilities` holds what was announced.
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:capa() end

---STLS: a `reply`, then `start_tls`.
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:stls() end

---UTF8.
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:utf8() end

---LANG: a `language` for each that there is; with a tag or `"*"` it is chosen, and the reply's text is its tag.
---@param language? string
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:lang(language) end

---QUIT: the server deletes what was marked, and closes. Nothing can be queued behind it.
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:quit() end

---A line of one's own, in any state after the greeting.
---@param line string
---@param options? poplin.protocol.CommandOptions
---@return integer|nil tag
---@return poplin.Error|nil err
function Client:command(line, options) end

---The server's side of one session, without the connection. Its questions are answered at once or later.
---@class poplin.protocol.Session
---@field phase? "authorization"|"transaction" where the session is; nil after the end
---@field tls? string nil without TLS; else its version, as `tls_started` was told, or `"TLS"`
---@field commands integer how many commands were read so far: a host's time-out begins anew when this changes
local Session = {}

---Takes in what the client sent, decrypted where there is TLS; `""` changes nothing.
---@param data string
---@return true|nil ok
---@return poplin.Error|nil err
function Session:receive_data(data) end

---The client closed the connection.
---@param clean? boolean false where TLS was cut short
---@return true|nil ok
---@return poplin.Error|nil err
function Session:receive_eof(clean) end

---Takes what is to be sent to the client now, all of it; `""` where there is nothing. More events may follow.
---@return string|nil data
---@return poplin.Error|nil err
---@nodiscard
function Session:data_to_send() end

---TLS now stands: before the first octet with `tls = "implicit"`, else after `start_tls`.
---@param facts? poplin.protocol.SessionFacts
---@return true|nil ok
---@return poplin.Error|nil err
function Session:tls_started(facts) end

---The next event; false and why there is none: `"need_data"` or `"waiting"`; nil and an error.
---@return poplin.protocol.SessionEvent|false|nil event
---@return "need_data"|"waiting"|poplin.Error|nil why
---@nodiscard
function Session:next_event() end

---The events that there are. Raises the error object where the session ended badly.
---@return fun(): poplin.protocol.SessionEvent|nil
---@nodiscard
function Session:events() end

---Lets it go, and sends nothing. Twice is peaceful.
function Session:close() end

---The client was silent for too long: it ends, and deletes nothing.
---@return true|nil ok
---@return poplin.Error|nil err
function Session:timeout() end

---Gives up: it ends, and deletes nothing.
---@param reason? string
---@return true|nil ok
---@return poplin.Error|nil err
function Session:abort(reason) end

---Yes: to `check_password`, `check_token`, `failed_login`, `commit`.
---@param question poplin.protocol.Question|integer
---@return true|nil ok
---@return poplin.Error|nil err
function Session:accept(question) end

---Yes, and it is this user who logs in.
---@param question poplin.protocol.Question|integer
---@param user string
---@return true|nil ok
---@return poplin.Error|nil err
function Session:accept_as(question, user) end

---The user's password, to `find_secret`.
---@param question poplin.protocol.Question|integer
---@param password string
---@return true|nil ok
---@return poplin.Error|nil err
function Session:password(question, password) end

---The user's SCRAM keys, to `find_secret`, as `poplin.scram_keys` made them.
---@param question poplin.protocol.Question|integer
---@param keys string
---@return true|nil ok
---@return poplin.Error|nil err
function Session:keys(question, keys) end

---No, to any question.
---@param question poplin.protocol.Question|integer
---@param kind? "auth"|"in_use"|"temporary"|"refused" default: `poplin.REFUSED`
---@param text? string the words that the client is told
---@param code? "LOGIN-DELAY" the user comes too soon
---@return true|nil ok
---@return poplin.Error|nil err
function Session:refuse(question, kind, text, code) end

---The messages, to `open_maildrop`: each its unique-id and its octets as on the wire, or nil where they are not known.
---@param question poplin.protocol.Question|integer
---@param messages { [1]: string, [2]: integer?, utf8?: boolean }[]
---@param terms? poplin.protocol.Terms
---@return true|nil ok
---@return poplin.Error|nil err
function Session:open(question, messages, terms) end

---The message, or a piece of it, to `send_body`. Line ends may be CRLF or LF.
---@param question poplin.protocol.Question|integer
---@param data string
---@param last? boolean false: another `send_body` asks for more
---@return true|nil ok
---@return poplin.Error|nil err
function Session:body(question, data, last) end

---Somebody else has deleted these messages: they are asked for no more, and count as deleted.
---@param uids string[]
---@return true|nil ok
---@return poplin.Error|nil err
function Session:gone(uids) end

---A client that waits for the greeting.
---@param options? poplin.protocol.ClientOptions
---@return poplin.protocol.Client|nil client
---@return poplin.Error|nil err
---@nodiscard
function protocol.client(options) end

---A session whose first output is the greeting.
---@param options? poplin.protocol.SessionOptions
---@return poplin.protocol.Session|nil session
---@return poplin.Error|nil err
---@nodiscard
function protocol.session(options) end

return protocol
