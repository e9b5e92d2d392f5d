---@meta poplin.testing

-- poplin for the Lua language server: a POP3 server for tests, and certificates.

---For tests: a POP3 server that does what the test says and remembers what happened; certificates; a clock to move.
---@class poplin.testing
---@field QUIRKS table<poplin.testing.Quirk, string> behaviours of real servers, from name to meaning
---@field ATTACKS table<poplin.testing.Attack, string> attacks on STLS and logins, from name to meaning
---@field FAULT_SETTINGS table<string, string> the settings of faults, from name to meaning
---@field BLEMISHES table<poplin.testing.Blemish, string> what can be wrong with a certificate, from name to meaning
local testing = {}

---@class poplin.testing.Options
---@field users? table<string, string> from name to password; their maildrops are in memory
---@field backend? poplin.Backend instead: a script's own functions
---@field tokens? table<string, string> from name to OAuth 2 token: of users of `users`
---@field background? boolean a thread of its own, where no Lua runs: for clients that block this one
---@field certificate? poplin.testing.Certificate of `testing.certificate` or `ca:certificate`
---@field quirks? poplin.testing.Quirk[] how it behaves
---@field keep_sessions? integer so many ended sessions are remembered (10,000)
---@field max_message? integer octets of a message that is delivered, at most (256 MiB)
---@field raise_errors? boolean false: what goes wrong in the functions of `backend` is only kept in `server.errors`
---@field tls? poplin.TlsMode default: implicit with a certificate, else never; `"implicit"` and `"stls"` without one make one
---@field auth? string|string[] the ways to log in that may be offered; default: USER and PLAIN, and with tokens OAUTHBEARER and XOAUTH2
---@field failed_login_delay? number seconds before a failed login is told (0)
---@field greeting? string the text of the first line
---@field host? string an IP address or `"localhost"` to listen on (127.0.0.1)
---@field port? integer 0, the default: one that is free
---@field path? string a Unix socket instead
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
---@field client_ca_file? string the CAs, as a PEM file, whose certificates let clients in by EXTERNAL
---@field client_ca_pem? string the same as PEM text
---@field name? string what the server is called, in the challenges of APOP and CRAM-MD5
---@field iterations? integer of SCRAM with passwords (4096)
---@field pepper? string a secret of the server's own, from which the salts of SCRAM are made
---@field inactivity? number seconds after which a silent client is left (600)
---@field max_sessions? integer more at once are turned away
---@field allow_cleartext? boolean lets passwords come in clear over a network
---@field loopback_protected? boolean false treats a loopback address or Unix socket like any network

---A test server that listens. Each test has its own, on a port that is free.
---@param options? poplin.testing.Options
---@return poplin.testing.Server|nil server
---@return poplin.Error|nil err
---@nodiscard
function testing.Server(options) end

---Calls `f(server)` with a server and closes it in any case. An error comes with the masked transcript.
---@param options? poplin.testing.Options
---@param f fun(server: poplin.testing.Server): any
---@return any ... what `f` returned
function testing.with_server(options, f) end

---Moves the clock of all deadlines of the script's own loop forward; what is due then is handled by the next step.
---@param seconds number
function testing.advance(seconds) end

-- ---- certificates ----

---A certificate of a server's, and of the CA that made it, as PEM texts.
---@class poplin.testing.Certificate
---@field ca_pem string for the client's `ca_pem`
---@field cert_pem string for the server
---@field key_pem string for the server
---@field staple? string the OCSP response to staple, where the blemish needs one

---A client's certificate, as PEM texts.
---@class poplin.testing.ClientCertificate
---@field ca_pem string for the server's `client_ca_pem`
---@field cert_pem string for a file, the client's `client_cert`
---@field key_pem string for a file, the client's `client_key`

---@class poplin.testing.CertificateOptions
---@field blemish? poplin.testing.Blemish what is wrong with it

---A throw-away CA, for several certificates.
---@class poplin.testing.CA
local CA = {}

---A server certificate for these host names and IP addresses; none: `localhost` and the loopback addresses.
---@param ... string|poplin.testing.CertificateOptions
---@return poplin.testing.Certificate|nil certificate
---@return poplin.Error|nil err
---@nodiscard
function CA:certificate(...) end

---A certificate by which a client logs in as this user with EXTERNAL.
---@param user string
---@return poplin.testing.ClientCertificate|nil certificate
---@return poplin.Error|nil err
---@nodiscard
function CA:client(user) end

---A throw-away CA, for several certificates.
---@return poplin.testing.CA|nil ca
---@return poplin.Error|nil err
---@nodiscard
function testing.ca() end

---One server certificate, of a CA of its own.
---@param ... string|poplin.testing.CertificateOptions host names and IP addresses; none: `localhost` and the loopback addresses
---@return poplin.testing.Certificate|nil certificate
---@return poplin.Error|nil err
---@nodiscard
function testing.certificate(...) end

return testing
