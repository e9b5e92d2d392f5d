---@meta _

-- poplin for the Lua language server: the events of `poplin.protocol`.

-- ---- of both ends ----

---@class poplin.protocol.Event
---@field type string what has happened

---Begin the TLS handshake now: send what `data_to_send` gives, shake hands, call `tls_started`.
---@class poplin.protocol.StartTls : poplin.protocol.Event
---@field type "start_tls" what has happened
---@field host? string the name that the server's certificate has to be good for; nil: not given, or a server's

-- ---- of the client ----

---The server's first words.
---@class poplin.protocol.Greeting : poplin.protocol.Event
---@field type "greeting" what has happened
---@field text string what it says
---@field line string the whole line, without its line end

---The first line of the answer to a command, or all of it.
---@class poplin.protocol.Reply : poplin.protocol.Event
---@field type "reply" what has happened
---@field tag integer what the command's method returned
---@field verb? string the command: `"RETR"`; nil for a `command` of one's own
---@field number integer the message number that was asked about; 0: none
---@field ok boolean false: the server has refused (-ERR), and the session goes on
---@field code? string the response code (`"IN-USE"`), where the server announced that it has them
---@field text string the words behind indicator and code; the unique-id, of UIDL with a number; the tag chosen, of LANG
---@field count integer STAT: how many messages
---@field octets integer STAT: of all; LIST with a number: of that message
---@field complete boolean false: more follows, up to an `end`
---@field challenge boolean to a `command` of one's own: `"+ ..."`, which asks for another one
---@field line string the whole line, without its line end
---@field error? poplin.Error where it is not `ok`

---One line of LIST.
---@class poplin.protocol.Listing : poplin.protocol.Event
---@field type "listing" what has happened
---@field tag integer what the command's method returned
---@field number integer the message's number
---@field octets integer the message's size

---One line of UIDL.
---@class poplin.protocol.UniqueId : poplin.protocol.Event
---@field type "unique_id" what has happened
---@field tag integer what the command's method returned
---@field number integer the message's number
---@field uid string the message's unique-id

---One line of LANG.
---@class poplin.protocol.Language : poplin.protocol.Event
---@field type "language" what has happened
---@field tag integer what the command's method returned
---@field language string the language's name for programs: `"de"`
---@field description string its name for people; empty where there is none

---A piece of a message, or of the answer to a multi-line `command` of one's own.
---@class poplin.protocol.Body : poplin.protocol.Event
---@field type "body" what has happened
---@field tag integer what the command's method returned
---@field data string the piece, its dots unstuffed, CRLF kept

---The answer to a command is complete.
---@class poplin.protocol.End : poplin.protocol.Event
---@field type "end" what has happened
---@field tag integer what the command's method returned
---@field octets integer of all its `body` events together

---What `open` or `login` began is done.
---@class poplin.protocol.Opened : poplin.protocol.Event
---@field type "opened" what has happened
---@field tag integer what the method returned
---@field ok boolean false: the login was refused; another attempt may follow
---@field code? string the response code
---@field text string the server's words
---@field error? poplin.Error where it is not `ok`; a refused token's has `answer`

---The server closed the connection after it had answered QUIT: a good end.
---@class poplin.protocol.Closed : poplin.protocol.Event
---@field type "closed" what has happened
---@field clean boolean whether TLS was ended properly too

---@alias poplin.protocol.ClientEvent poplin.protocol.Greeting|poplin.protocol.StartTls|poplin.protocol.Reply|poplin.protocol.Listing|poplin.protocol.UniqueId|poplin.protocol.Language|poplin.protocol.Body|poplin.protocol.End|poplin.protocol.Opened|poplin.protocol.Closed

-- ---- of the session ----

---An event that wants an answer.
---@class poplin.protocol.Question : poplin.protocol.Event
---@field question integer its number, by which it can be answered too

---May this user log in with this password? `accept`, `accept_as` or `refuse`.
---@class poplin.protocol.CheckPassword : poplin.protocol.Question
---@field type "check_password" what has happened
---@field user string who wants to log in
---@field password string what the client says it is
---@field mechanism string `"USER"` or the SASL mechanism

---What is this user's password, or what are the SCRAM keys? `password`, `keys`, or `refuse` with `poplin.AUTH`.
---@class poplin.protocol.FindSecret : poplin.protocol.Question
---@field type "find_secret" what has happened
---@field user string who wants to log in
---@field mechanism string `"USER"` or the SASL mechanism

---May this user log in with this OAuth 2 token? `accept`, `accept_as` or `refuse`.
---@class poplin.protocol.CheckToken : poplin.protocol.Question
---@field type "check_token" what has happened
---@field user? string nil: the client named none, and `accept_as` has to say who it is
---@field token string what the client has sent
---@field mechanism string the SASL mechanism

---A login failed. `accept` when the client may hear of it.
---@class poplin.protocol.FailedLogin : poplin.protocol.Question
---@field type "failed_login" what has happened
---@field user? string whom the client named; nil: nobody
---@field failures integer of this session, this one included
---@field mechanism string `"USER"` or the SASL mechanism

---Which messages has this user? `open` or `refuse`.
---@class poplin.protocol.OpenMaildrop : poplin.protocol.Question
---@field type "open_maildrop" what has happened
---@field user string who has logged in
---@field mechanism string `"USER"` or the SASL mechanism
---@field read_only boolean nothing is deleted in this session: anybody may come so (ANONYMOUS)

---The message's octets are needed, or more of them. `body` or `refuse`.
---@class poplin.protocol.SendBody : poplin.protocol.Question
---@field type "send_body" what has happened
---@field index integer which it is of those that `open` was given, from 1
---@field uid string the message's unique-id

---No more of this message is needed: a file can be closed.
---@class poplin.protocol.BodyDone : poplin.protocol.Event
---@field type "body_done" what has happened
---@field index integer which it is of those that `open` was given, from 1
---@field uid string the message's unique-id

---The client has left: delete these messages. `accept` when they are deleted, or `refuse`.
---@class poplin.protocol.Commit : poplin.protocol.Question
---@field type "commit" what has happened
---@field uids string[] the unique-ids of the messages that are marked

---A message was not of the size that `open` was given. It was sent whole.
---@class poplin.protocol.Mismatch : poplin.protocol.Event
---@field type "mismatch" what has happened
---@field index integer which it is of those that `open` was given, from 1
---@field uid string the message's unique-id
---@field announced integer the size that `open` was given
---@field octets integer the size that it had

---The end: send what there is to send, then close.
---@class poplin.protocol.SessionClosed : poplin.protocol.Event
---@field type "session_closed" what has happened
---@field outcome "committed"|"left"|"dropped"|"timed out"|"failed" only `"committed"` has deleted anything
---@field error? poplin.Error why it failed, where that is known

---@alias poplin.protocol.SessionEvent poplin.protocol.StartTls|poplin.protocol.CheckPassword|poplin.protocol.FindSecret|poplin.protocol.CheckToken|poplin.protocol.FailedLogin|poplin.protocol.OpenMaildrop|poplin.protocol.SendBody|poplin.protocol.BodyDone|poplin.protocol.Commit|poplin.protocol.Mismatch|poplin.protocol.SessionClosed
