---@meta _

-- poplin for the Lua language server: what `poplin.serve` takes, the server that it makes, and Maildirs.

---The settings of a server.
---@class poplin.ServeOptions
---@field backend? poplin.Backend the script's functions, where they are not in this table
---@field host? string an IP address or `"localhost"` to listen on (127.0.0.1)
---@field port? integer 0, the default: one that is free
---@field path? string a Unix socket instead
---@field cert_file? string a PEM file with the certificate
---@field key_file? string a PEM file with its key, where that is not in the first
---@field cert_pem? string the certificate as PEM text
---@field key_pem? string its key as PEM text
---@field certificates? poplin.CertificateFiles[] further ones, for other names that clients ask for
---@field staple? string an OCSP response (DER) that is handed out with the certificate
---@field resumption? boolean false hands out no tickets
---@field key_log? string a file to which the secrets of all connections are appended: whoever reads it reads all
---@field tls? poplin.TlsMode default: implicit with a certificate, else never
---@field exclusive? boolean one session at a time for a user (true)
---@field lock? "exclusive"|"snapshot"|"none" how sessions of one user go together
---@field lock_wait? number seconds (0) for which a login waits for the session before it
---@field expire? integer|"never" days for which mail stays at least, announced
---@field expire_by_user? boolean users differ: a maildrop's `expire` is its user's
---@field login_delay? integer seconds (0) that have to pass between two logins of a user
---@field login_delay_by_user? boolean users differ: a maildrop's `login_delay` is its user's
---@field utf8? boolean UTF8, and names and passwords in UTF-8
---@field languages? poplin.Catalogue[] of the replies
---@field limits? poplin.ServeLimits what clients may do, at most
---@field auth? string|string[] the ways to log in that may be offered; default: all that the functions can answer, but for weak ones
---@field client_ca_file? string the CAs, as a PEM file, whose certificates let clients in by EXTERNAL
---@field client_ca_pem? string the same as PEM text
---@field name? string what the server is called, in the challenges of APOP and CRAM-MD5
---@field iterations? integer of SCRAM with passwords (4096)
---@field pepper? string a secret of the server's own, from which the salts of SCRAM are made
---@field failed_login_delay? number seconds before a failed login is told (1)
---@field greeting? string the text of the first line
---@field inactivity? number seconds after which a silent client is left (600)
---@field max_sessions? integer more at once are turned away
---@field allow_cleartext? boolean lets passwords come in clear over a network
---@field loopback_protected? boolean false treats a loopback address or Unix socket like any network

---@class poplin.CertificateFiles
---@field cert_file string a PEM file
---@field key_file? string a PEM file with the key, where that is not in the first

---A language of a server's replies.
---@class poplin.Catalogue
---@field tag string `"de"`, `"pt-BR"`
---@field description? string its name, for people
---@field texts? table<string, string> from the English text to its translation

---@class poplin.ServeLimits
---@field max_line? integer octets of a command (1024)
---@field max_sasl_line? integer octets of AUTH and its responses (12288)
---@field max_bad_commands? integer before the session ends (10)
---@field max_failed_logins? integer before the session ends (3)
---@field max_messages? integer of a maildrop (1,000,000)
---@field max_output? integer octets of replies kept for a client (65536)
---@field handshake? number seconds of the TLS handshake (30)
---@field stall? number seconds in which a client takes nothing (120)

---The script's functions. Each is called as a method, in a task of its own, so it may wait. At least one of `password`,
---`scram_keys`, `authenticate` and `token` is needed; to refuse, `return nil, poplin.IN_USE`, a text behind it if wanted.
---@class poplin.Backend
---@field password? fun(self: table, user: string): string|nil, any, string? the user's password; nil: there is no such user
---@field scram_keys? fun(self: table, user: string): string|nil, any, string? what `poplin.scram_keys` made of it
---@field authenticate? fun(self: table, user: string, password: string): boolean|string|nil, any, string? whether they let in, or who it is
---@field token? fun(self: table, user: string|nil, token: string): boolean|string|nil, any, string? whether an OAuth 2 token lets in, or who it is
---@field maildrop fun(self: table, user: string): poplin.Maildrop|poplin.Maildir|nil, any, string? the user's maildrop
---@field login_failed? fun(self: table, user: string, address: string) is told of each wrong name, password or token, and where from

---Functions and settings in one table, which may hold fields of the script's own.
---@class poplin.Service : poplin.ServeOptions, poplin.Backend

---A user's mail for one session. The functions are called as methods, one after the other.
---@class poplin.Maildrop
---@field list fun(self: table): poplin.Entry[]|nil, any, string? the session's snapshot
---@field retr fun(self: table, uid: string): string|file*|function|nil, any, any, any a message: a string, a file handle, or what a generic `for` takes
---@field dele? fun(self: table, uids: string[]): boolean|nil, any, string? deletes durably; called once, at QUIT
---@field close? fun(self: table, outcome: "committed"|"dropped"|"timed out"|"failed", err?: poplin.Error) called last, always
---@field expire? integer|"never" the user's own, where the server has `expire_by_user`
---@field login_delay? integer the user's own, where the server has `login_delay_by_user`

---A message of a snapshot: unique-id, and octets with each line end as two; nil: it is counted when somebody asks.
---@class poplin.Entry
---@field [1] string its unique-id
---@field [2]? integer its octets
---@field utf8? boolean its header is more than ASCII

---Ends with `stop` or `<close>`.
---@class poplin.Server
---@field url? string where to connect; nil for a Unix socket
---@field host? string where it listens; nil for a Unix socket
---@field port integer where it listens; 0 for a Unix socket
---@field path? string of a Unix socket
---@field errors poplin.Problem[] what went wrong in the script's functions, the last 1,000
local Server = {}

---How many sessions are open.
---@return integer
---@nodiscard
function Server:open_sessions() end

---Ends the server: open sessions are dropped and delete nothing. Stopping twice is peaceful.
function Server:stop() end

---What went wrong in a function of the script's; `tostring` gives the traceback.
---@class poplin.Problem
---@field error any what was raised or returned
---@field during? string which function it was
---@field traceback? string where

---@class poplin.MaildirOptions
---@field expire? integer|"never" days after which a message is removed, before the snapshot is taken; 0 and `"never"`: none

---A Maildir's messages in new and cur, with the methods of a maildrop.
---@class poplin.Maildir
---@field expire? integer|"never" as it was given
local Maildir = {}

---The snapshot.
---@return poplin.Entry[]
---@nodiscard
function Maildir:list() end

---Opens a message.
---@param uid string
---@return file*|nil message
---@return poplin.Error|nil err
---@return string|nil text what a client may be told of it
---@nodiscard
function Maildir:retr(uid) end

---Deletes messages durably.
---@param uids string[]
---@return true|nil ok
---@return poplin.Error|nil err
function Maildir:dele(uids) end

---Ends its use. Closing twice is peaceful.
function Maildir:close() end
