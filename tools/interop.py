#!/usr/bin/env python3
"""
Writes docs/interop.md from what the last make interop met (build/reports/interop/rows.json), and fails where a peer
that is named below met nothing, or one did that is not. With --check nothing is written: it fails where the page is not
what this program makes of the page's own tables, so that a peer, a remark or a column changed here is not forgotten.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/interop.md"
RECORD = ROOT / "build/reports/interop/rows.json"
MODES = ("plain", "stls", "implicit")

SERVERS = {
    "Dovecot": "does not stuff a dot that is a message's first octet; lists sizes without the line end that it adds",
    "Courier": (
        "announces `LOGIN-DELAY 10` and lets one in at once; sends a notice instead of a message with UTF-8 in its "
        "header to a client that has not said UTF8; sends a line end for an empty message"
    ),
    "GNU Mailutils": (
        "announces `EXPIRENEVER`, in one word; puts `X-UIDL:` into each message; TOP sends two empty lines after the "
        "header"
    ),
    "Cyrus IMAP": "adds fields to each message when it takes it; listed and sent octets agree",
    "popa3d": "has no CAPA and no TLS",
    "solid-pop3d": (
        "has no CAPA and no TLS; sends the empty line that ends a message in an mbox; messages whose headers hardly "
        "differ have one unique-id"
    ),
}

CLIENTS = {
    "curl": "",
    "fetchmail": "mends headers that are not quite ones; drops CR",
    "mpop": "",
    "getmail6": "knows no STLS",
    "poplib": "Python's own; takes no line of more than 2048 octets",
    "Net::POP3": "drops CR without TLS",
    "mutt": "",
    "NeoMutt": "",
    "Ruby net/pop": "knows no STLS",
    "Angus Mail": "JavaMail's successor",
    "Mail::POP3Client": "Perl; knows no STLS",
    "PHP imap (c-client)": "its STLS asks for TLS 1.0, which is refused",
    "fdm": "",
    "movemail": "of GNU Mailutils; leaves out pieces of some messages over 8 KB",
}

FETCHED = {
    "Dovecot": "",
    "Courier": "",
    "GNU Mailutils": (
        "makes messages larger at the end of the first session (`Status:`, `X-UID:`), so they are fetched again before "
        "they are deleted, and found to be there"
    ),
    "Cyrus IMAP": "",
    "popa3d": "tells one unique-id for copies of a message",
    "solid-pop3d": "tells one unique-id for copies of a message; hangs up after a few commands that it does not know",
}

READERS = {
    "Dovecot": "by POP3",
    "mutt": "leaves the mark of a line that begins with `From `",
    "GNU Mailutils": "movemail, and the POP3 server; takes the mark away",
    "popa3d": "leaves the mark",
    "solid-pop3d": "leaves the mark; sends the empty line that ends a message in an mbox",
    "Cyrus IMAP": "takes it by LMTP and sends it by POP3",
}

REMARKS = (SERVERS, CLIENTS, FETCHED, READERS)
HEADS = (
    "Server | Version | Plain | STLS | Implicit TLS | What it does otherwise",
    "Client | Version | Plain | STLS | Implicit TLS | Left out | Remarks",
    "Server | Version | Python | Lua | C | Without UIDL | Second fetch | Remarks",
    "Program | Version | Maildir | mbox | LMTP | Remarks",
)

TEMPLATE = """# What poplin has met

This page is written by `make interop`: every server and client below was run, and every message compared octet by octet
with what was to come (from a server: what it is known to make of a message; by a client: with the line ends that it
delivers). A cell says how many messages came whole, of how many; a dash stands where the peer has no such connection.
Peers are Debian's packages; servers are unpacked under `build/` and run by hand on loopback.

## Servers

The Python and the Lua client list (LIST, UIDL, STAT), take the first lines (TOP), fetch (RETR) and delete. After QUIT
the deleted messages are gone.

{}

## Clients

They fetch from `poplin.Server`, and from `poplin.testing.Server`, where they also delete, and nothing is left. Left out
are messages that a client cannot take, whoever sends them.

{}

## Fetching

`poplin.fetch` in Python and in Lua, and `examples/c/fetch_maildir.c`, bring so many messages from each server into a
Maildir, where all stand, whole and once, copies of one message included. A second fetch finds nothing new, and has said
so many commands when it ends; one that keeps none empties the maildrop. At Dovecot one is killed half way, too, and the
next one makes up for it. Without UIDL, which is hidden from the C program, messages are known by their headers.

{}

## Where fetches deliver to

So many messages were fetched from Dovecot into a Maildir, into an mbox or to an LMTP server, and each came back from
these programs as it was, but for the mark that lines which begin with `From ` have in an mbox.

{}

## Not here

- qpopper, teapop, akpop3d and tpop3d: Debian 12 does not have them.
- Perdition is a proxy: it would show one of the servers above.
- Exchange, Gmail and other services cannot be run by hand.
- Logins by each mechanism, against Dovecot, GNU SASL and clients that have them: see [logins.md](logins.md).
- Delivery to Dovecot's LMTP server: Debian has it in a package of its own, which is not among those that are unpacked.
"""

Lines = list[tuple[str, ...]]
"""The lines of a table: name, version, and the cells up to the remarks, which are this program's own."""
Tables = tuple[Lines, Lines, Lines, Lines]


@dataclass
class Meeting:
    """All of one peer's."""

    version: str
    met: dict[str, list[int]]
    left_out: int = 0

    def cells(self) -> list[str]:
        return [f"{self.met[mode][0]} of {self.met[mode][1]}" if mode in self.met else "-" for mode in MODES]


def gather(rows: Iterable[dict[str, str | int]]) -> tuple[dict[str, Meeting], dict[str, Meeting]]:
    """The servers and the clients that were met, by name."""
    servers: dict[str, Meeting] = {}
    clients: dict[str, Meeting] = {}
    for row in rows:
        ours = str(row["server"]).startswith("poplin")
        name, peers = (str(row["client"]), clients) if ours else (str(row["server"]), servers)
        meeting = peers.setdefault(name, Meeting(str(row["version"]), defaultdict(lambda: [0, 0])))
        meeting.met[str(row["mode"])][0] += int(row["equal"])
        meeting.met[str(row["mode"])][1] += int(row["messages"])
        meeting.left_out = max(meeting.left_out, int(row["left_out"]))
    return servers, clients


def tables_of(record: dict[str, list[dict[str, Any]]]) -> Tables:
    """What was met, in the order of the names above."""
    servers, clients = gather(record["peers"])
    fetched = {row["server"]: row["version"] for row in record["fetched"]}
    readers = {row["reader"]: row["version"] for row in record["read_back"]}
    for met, named in zip((servers, clients, fetched, readers), REMARKS, strict=True):
        if met.keys() != named.keys():
            raise LookupError(f"met and named are not the same: {sorted(met.keys() ^ named.keys())}")
    return (
        [(name, servers[name].version, *servers[name].cells()) for name in SERVERS],
        [(name, clients[name].version, *clients[name].cells(), str(clients[name].left_out)) for name in CLIENTS],
        [(name, fetched[name], *fetched_cells(record["fetched"], name)) for name in FETCHED],
        [(name, readers[name], *reader_cells(record["read_back"], name)) for name in READERS],
    )


def fetched_cells(rows: Iterable[dict[str, Any]], server: str) -> Iterator[str]:
    known = {row["face"]: row for row in rows if row["server"] == server and row["unique_ids"]}
    unknown = [row for row in rows if row["server"] == server and not row["unique_ids"]]
    yield from (str(known[face]["messages"]) if face in known else "-" for face in ("Python", "Lua", "C"))
    yield str(unknown[0]["messages"]) if unknown else "-"
    yield f"{max(row['commands'] for row in known.values())} commands"


def reader_cells(rows: Iterable[dict[str, Any]], reader: str) -> Iterator[str]:
    for place in ("Maildir", "mbox", "LMTP"):
        counts = [row["messages"] for row in rows if (row["reader"], row["place"]) == (reader, place)]
        yield str(min(counts)) if counts else "-"


def table(head: str, lines: Lines, remarks: dict[str, str]) -> str:
    columns = head.split(" | ")
    rule = "| " + " | ".join(["---"] * len(columns)) + " |"
    return "\n".join([f"| {head} |", rule, *(f"| {' | '.join([*line, remarks[line[0]]])} |" for line in lines)])


def page(tables: Tables) -> str:
    return TEMPLATE.format(*map(table, HEADS, tables, REMARKS))


def parse(text: str) -> Tables:
    """The tables of a page that this program wrote, without the remarks."""
    tables: Tables = ([], [], [], [])
    for part, head, found in zip(text.split("\n## ")[1:5], HEADS, tables, strict=True):
        for line in part.splitlines():
            if line.startswith("| ") and not line.startswith(("| ---", f"| {head}")):
                found.append(tuple(cell.strip() for cell in line.split("|")[1:-2]))
    return tables


def complain(what: str) -> int:
    print(f"tools/interop.py: {what}", file=sys.stderr)
    return 1


def check() -> int:
    text = PAGE.read_text("utf-8") if PAGE.exists() else ""
    try:
        tables = parse(text)
        named = [[line[0] for line in lines] for lines in tables] == [list(remarks) for remarks in REMARKS]
        stale = not named or page(tables) != text
    except (ValueError, KeyError):
        stale = True
    return complain("docs/interop.md is stale; make interop writes it") if stale else 0


def write() -> int:
    try:
        tables = tables_of(json.loads(RECORD.read_text()))
    except LookupError as error:
        return complain(str(error))
    PAGE.write_text(page(tables), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(check() if sys.argv[1:] == ["--check"] else write())
