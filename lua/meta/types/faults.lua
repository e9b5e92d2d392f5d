---@meta _

-- poplin for the Lua language server: what can be made to go wrong on a test server.

---The settings of a fault: when it takes effect, and what it does. `testing.FAULT_SETTINGS` has the same.
---@class poplin.testing.FaultSettings
---@field session? integer only in the session of this number, counted from 1
---@field user? string only where this user has logged in or, before that, was named by USER
---@field message? integer only where the command names the message of this number
---@field unique_id? string only where the command names the message with this unique-id
---@field tls? boolean true: only under TLS; false: only without
---@field pipelined? boolean only where the client sent more before this command was answered
---@field initial? boolean only for AUTH with an initial response
---@field nth? integer not before command and conditions have fitted so many times, counted over all sessions
---@field times? integer at most so many times; 1 with nth, else without limit
---@field probability? number only with this probability each time, drawn from seed
---@field seed? integer where probability, jitter and garbage are drawn from; its own for each name
---@field name? string what the fault is known by, in place of its text
---@field refuse? string the command is not carried out but answered -ERR with this text, which may begin with a response code
---@field reply? string the command is not carried out but answered with this line
---@field raw? string the command is not carried out but answered with these octets as they are
---@field run? "STLS"|"CAPA"|"QUIT"|"STAT"|"LIST"|"UIDL"|"RETR"|"TOP"|"DELE"|"NOOP"|"RSET" another command is carried out in its place, with the same message number
---@field drop_before? boolean the connection is cut (FIN, no close_notify) before the command is carried out
---@field reset_before? boolean the connection is reset before the command is carried out
---@field close_before? boolean the connection is closed in good order before the command is carried out
---@field stall_before? boolean silence from here on, and the command is not carried out
---@field show_deleted? boolean LIST shows messages marked as deleted with 0 octets, and STAT counts them
---@field guess_sizes? boolean sizes are rounded up to whole KiB
---@field miscount? integer announced octets are wrong by so many
---@field no_numbers? boolean listing lines lack the message number
---@field unique_ids? "long"|"same" long: unique-ids of 100 octets; same: one for all messages
---@field status? string the status line is this line
---@field count_header_lines? boolean TOP n k ends after k lines, those of the header counted; all is sent where k is 0
---@field strip? string content lines whose first word is this one are left out
---@field add? string this line is the last of the content
---@field duplicate_line? integer the content line of this number, from 1, comes twice
---@field omit_line? integer the content line of this number is left out
---@field replace_line? integer the content line of this number becomes text
---@field text? string what replace_line puts there, as it is
---@field long_line? integer the status line, or the first content line where there is one, is padded to so many octets, CRLF included
---@field unstuff? "first"|"all" dots at the start of a line go out unstuffed: first, only the one that begins the content; all
---@field stuff_every? integer content is stuffed in chunks of so many octets, so that a dot at the start of a chunk goes out unstuffed
---@field abort_at? integer the content ends behind the line that holds this octet of it, from 0; a terminator and -ERR follow
---@field no_terminator? boolean the line with the dot is missing
---@field double_cr? boolean content lines, or else the status line, end in CR CR LF
---@field bare_lf? boolean every line ends in LF alone, status line and terminator too
---@field insert? string these octets are put in at at
---@field garbage? integer so many random octets are put in at at
---@field at? integer the octet of the reply, from 0, before which insert and garbage go; its end
---@field append? string these octets follow the reply
---@field cut? integer the reply is cut short after so many octets, and the session goes on
---@field delay? number seconds before the reply leaves, to the millisecond
---@field jitter? number up to so many seconds more, drawn from seed
---@field trickle? integer the reply leaves so many octets at a time
---@field every? number seconds between two pieces of trickle; 0.01
---@field drop_after? integer|boolean the connection is cut after so many octets, or behind the reply
---@field reset_after? integer|boolean the connection is reset after so many octets, or behind the reply
---@field close_after? integer the connection is closed in good order after so many octets
---@field stall_after? integer|boolean silence after so many octets, or behind the reply

---What a fault waits for: a command, or one of two that are none; nil: any.
---@alias poplin.testing.Command string|"GREETING"|"AUTOLOGOUT"

---Behaviours of real servers.
---@alias poplin.testing.Quirk
---| "announces-pipelining-in-vain" # PIPELINING is announced, and the connection is dropped all the same when a client does it (WildDuck)
---| "bye-like-imap" # IMAP's "* BYE" at the end: behind the +OK to QUIT, and where a session was silent for too long (Stalwart, when it shuts down)
---| "deleted-listed-as-empty" # LIST goes on to show messages marked as deleted, with 0 octets; STAT counts them (Twisted)
---| "dots-stuffed-per-chunk" # a dot at the start of a line is not stuffed where a chunk of 16 KiB begins with it, as every message does (Twisted)
---| "doubled-cr" # the lines of messages end in CR CR LF (Twisted, where messages are kept with CRLF)
---| "drops-pipelining-unannounced" # PIPELINING is not announced, and the connection is dropped when a client sends a command ahead (o2.pl)
---| "error-inside-message" # a message that cannot be read further ends like a whole one, and an -ERR that nobody expects follows (Inbucket on a long line)
---| "first-dot-unstuffed" # a dot in the very first octet of a message is not stuffed (Dovecot, Stalwart)
---| "guessed-sizes" # the sizes in LIST and STAT are rounded, and the messages of another size (Dovecot with fast size lookups, Exchange)
---| "header-lines-counted" # TOP n k sends the first k lines, those of the header counted, and with k = 0 the whole message (Stalwart)
---| "listing-without-numbers" # the lines of LIST and UIDL lack the message number (Twisted for UIDL n, and others)
---| "long-unique-ids" # unique-ids are longer than the 70 octets of RFC 1939
---| "repeated-unique-ids" # all messages have the same unique-id
---| "timeout-like-smtp" # SMTP's 421 where a session was silent for too long (GreenMail)
---| "top-sends-everything" # TOP sends the whole message, whatever number of lines was asked for (Mailpit)
---| "two-step-auth-only" # AUTH with an initial response is refused; the exchange works in two steps (Microsoft)

---Attacks on STLS and logins.
---@alias poplin.testing.Attack
---| "apop-bait" # an APOP timestamp and mechanisms that show or prove a password are offered before TLS: does the client bite?
---| "capabilities-differ" # before TLS the server announces what it does not after, and the other way round: does the client forget the first list?
---| "greeting-with-listing" # a scan listing follows the greeting unasked: does the client take it for an answer?
---| "preauthenticated-greeting" # the greeting speaks as if somebody had logged in: does the client leave out TLS and login?
---| "stls-hidden" # CAPA and STLS are both answered -ERR, as a server would that is older than they are
---| "stls-injected-fragment" # the beginning of a line follows the +OK to STLS in clear: does the client glue it to the first reply under TLS?
---| "stls-injected-reply" # replies follow the +OK to STLS in clear: does the client take them for replies under TLS?
---| "stls-refused" # STLS is announced and answered -ERR: does the client go on in clear?
---| "stls-silent" # +OK to STLS, then silence instead of a handshake: does the client wait for ever?
---| "stls-stripped" # CAPA does not announce STLS before TLS: does the client go on in clear?

---What makes a certificate one that a client must refuse.
---@alias poplin.testing.Blemish
---| "expired" # its validity ended yesterday
---| "name-only-in-cn" # its names stand in the subject's CN and in no subjectAltName
---| "none" # nothing: it is good
---| "not-yet-valid" # its validity begins tomorrow
---| "revoked" # the OCSP response that is stapled to it says so
---| "self-signed" # it signed itself
---| "unknown-root" # a CA signed it that is not the one given out
---| "weak-key" # its RSA key has 1024 bits
---| "wrong-host" # it is for another name, wrong.invalid
---| "wrong-purpose" # it is for clients only

---A fault, or all those of a quirk or an attack; `<close>` takes it away.
---@class poplin.testing.Fault
---@field name string by which transcripts call it
local Fault = {}

---How often it took effect.
---@return integer
---@nodiscard
function Fault:fired() end

---Takes it away. Doing that twice is peaceful.
function Fault:remove() end
