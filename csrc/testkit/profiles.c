/*
 * testkit/profiles.c - quirks of real servers and attacks on STLS, as faults in their text notation. Quirks are named
 * after what they do, attacks after what the attacker does; each can be combined with any other.
 */
#include <poplin/testkit.h>

#define FAULTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const poplin_profile quirks[] = {
    {"first-dot-unstuffed", "a dot in the very first octet of a message is not stuffed (Dovecot, Stalwart)",
     FAULTS("RETR unstuff=first", "TOP unstuff=first")},
    {"top-sends-everything", "TOP sends the whole message, whatever number of lines was asked for (Mailpit)",
     FAULTS("TOP run=RETR")},
    {"error-inside-message",
     "a message that cannot be read further ends like a whole one, and an -ERR that nobody expects follows (Inbucket "
     "on a "
     "long line)",
     FAULTS("RETR abort_at=0", "TOP abort_at=0")},
    {"doubled-cr", "the lines of messages end in CR CR LF (Twisted, where messages are kept with CRLF)",
     FAULTS("RETR double_cr", "TOP double_cr")},
    {"dots-stuffed-per-chunk",
     "a dot at the start of a line is not stuffed where a chunk of 16 KiB begins with it, as every message does "
     "(Twisted)",
     FAULTS("RETR stuff_every=16384", "TOP stuff_every=16384")},
    {"deleted-listed-as-empty",
     "LIST goes on to show messages marked as deleted, with 0 octets; STAT counts them (Twisted)",
     FAULTS("LIST show_deleted", "STAT show_deleted")},
    {"header-lines-counted",
     "TOP n k sends the first k lines, those of the header counted, and with k = 0 the whole message (Stalwart)",
     FAULTS("TOP run=RETR count_header_lines")},
    {"bye-like-imap",
     "IMAP's \"* BYE\" at the end: behind the +OK to QUIT, and where a session was silent for too long (Stalwart, when "
     "it shuts "
     "down)",
     FAULTS("QUIT append=\"* BYE Server shutting down.\\r\\n\"", "AUTOLOGOUT reply=\"* BYE Server shutting down.\"")},
    {"timeout-like-smtp", "SMTP's 421 where a session was silent for too long (GreenMail)",
     FAULTS("AUTOLOGOUT reply=\"421 Timeout waiting for data from client.\"")},
    {"guessed-sizes",
     "the sizes in LIST and STAT are rounded, and the messages of another size (Dovecot with fast size lookups, "
     "Exchange)",
     FAULTS("LIST guess_sizes", "STAT guess_sizes")},
    {"two-step-auth-only", "AUTH with an initial response is refused; the exchange works in two steps (Microsoft)",
     FAULTS("AUTH initial refuse=\"Protocol error. 10\"")},
    {"drops-pipelining-unannounced",
     "PIPELINING is not announced, and the connection is dropped when a client sends a command ahead (o2.pl)",
     FAULTS("CAPA strip=PIPELINING", "* pipelined drop_before")},
    {"announces-pipelining-in-vain",
     "PIPELINING is announced, and the connection is dropped all the same when a client does it (WildDuck)",
     FAULTS("* pipelined drop_before")},
    {"listing-without-numbers", "the lines of LIST and UIDL lack the message number (Twisted for UIDL n, and others)",
     FAULTS("LIST no_numbers", "UIDL no_numbers")},
    {"long-unique-ids", "unique-ids are longer than the 70 octets of RFC 1939", FAULTS("UIDL unique_ids=long")},
    {"repeated-unique-ids", "all messages have the same unique-id", FAULTS("UIDL unique_ids=same")},
    {NULL, NULL, NULL},
};

static const poplin_profile attacks[] = {
    {"stls-stripped", "CAPA does not announce STLS before TLS: does the client go on in clear?",
     FAULTS("CAPA tls=no strip=STLS")},
    {"stls-refused", "STLS is announced and answered -ERR: does the client go on in clear?",
     FAULTS("STLS refuse=\"TLS is not available just now\"")},
    {"stls-hidden", "CAPA and STLS are both answered -ERR, as a server would that is older than they are",
     FAULTS("CAPA tls=no refuse=\"unknown command\"", "STLS refuse=\"unknown command\"")},
    {"stls-silent", "+OK to STLS, then silence instead of a handshake: does the client wait for ever?",
     FAULTS("STLS reply=\"+OK begin TLS\" stall_after=512")},
    {"stls-injected-reply", "replies follow the +OK to STLS in clear: does the client take them for replies under TLS?",
     FAULTS("STLS append=\"+OK\\r\\nSASL PLAIN LOGIN\\r\\nUSER\\r\\n.\\r\\n+OK\\r\\n+OK\\r\\n\"")},
    {"stls-injected-fragment",
     "the beginning of a line follows the +OK to STLS in clear: does the client glue it to the first reply under TLS?",
     FAULTS("STLS append=\"-ERR [AUTH] \"")},
    {"capabilities-differ",
     "before TLS the server announces what it does not after, and the other way round: does the client forget the "
     "first list?",
     FAULTS("CAPA tls=no strip=UIDL", "CAPA tls=no add=\"EXPIRE 0\"", "CAPA tls=yes strip=PIPELINING",
            "CAPA tls=yes add=\"LOGIN-DELAY 1\"")},
    {"preauthenticated-greeting",
     "the greeting speaks as if somebody had logged in: does the client leave out TLS and login?",
     FAULTS("GREETING tls=no reply=\"+OK maildrop has 2 messages (320 octets)\"")},
    {"greeting-with-listing", "a scan listing follows the greeting unasked: does the client take it for an answer?",
     FAULTS("GREETING tls=no append=\"1 120\\r\\n2 200\\r\\n.\\r\\n\"")},
    {"apop-bait",
     "an APOP timestamp and mechanisms that show or prove a password are offered before TLS: does the client bite?",
     FAULTS("GREETING tls=no reply=\"+OK ready <1896.697170952@dbc.mtview.ca.us>\"", "CAPA tls=no strip=SASL",
            "CAPA tls=no strip=USER", "CAPA tls=no add=USER", "CAPA tls=no add=\"SASL PLAIN LOGIN CRAM-MD5\"")},
    {NULL, NULL, NULL},
};

const poplin_profile *poplin_testkit_quirks(void) {
    return quirks;
}

const poplin_profile *poplin_testkit_attacks(void) {
    return attacks;
}
