#!/usr/bin/env python3
"""
Writes docs/interop.md from what the last make interop met (build/reports/interop/rows.json), and fails where a peer
that is named below met nothing, or one did that is not. With --check nothing is written: it fails where the page is not
what this program makes of the page's own tables, so that a peer, a remark or a column changed here is not forgotten.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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

TEMPLATE = """# What poplin has met

This page is written by `make interop`: every server and client below was run, and every message compared octet by octet
with what was to come (from a server: what it is known to make of a message; by a client: with the line ends that it
delivers). A cell says how many messages came whole, of how many; a dash stands where the peer has no such connection.
Peers are Debian's packages; servers are unpacked under `build/` and run by hand on loopback.

## Servers

The Python and the Lua client list (LIST, UIDL, STAT), take the first lines (TOP), fetch (RETR) and delete. After QUIT
the deleted messages are gone.

{servers}

## Clients

They fetch from `poplin.Server`, and from `poplin.testing.Server`, where they also delete, and nothing is left. Left out
are messages that a client cannot take, whoever sends them.

{clients}

## Not here

- qpopper, teapop, akpop3d and tpop3d: Debian 12 does not have them.
- Perdition is a proxy: it would show one of the servers above.
- Exchange, Gmail and other services cannot be run by hand.
- Logins by each mechanism, against Dovecot, GNU SASL and clients that have them: see [logins.md](logins.md).
"""

Lines = list[tuple[str, ...]]
"""The lines of a table: name, version, a cell for each mode, and for clients how many messages were left out."""


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


def table(head: str, lines: Lines, remarks: dict[str, str]) -> str:
    columns = head.split(" | ")
    rule = "| " + " | ".join(["---"] * len(columns)) + " |"
    return "\n".join([f"| {head} |", rule, *(f"| {' | '.join([*line, remarks[line[0]]])} |" for line in lines)])


def page(servers: Lines, clients: Lines) -> str:
    return TEMPLATE.format(
        servers=table("Server | Version | Plain | STLS | Implicit TLS | What it does otherwise", servers, SERVERS),
        clients=table("Client | Version | Plain | STLS | Implicit TLS | Left out | Remarks", clients, CLIENTS),
    )


def parse(text: str) -> tuple[Lines, Lines]:
    """The tables of a page that this program wrote, without the remarks."""
    tables: list[Lines] = [[], []]
    for part, found in zip(text.split("\n## ")[1:3], tables, strict=True):
        for line in part.splitlines():
            if line.startswith("| ") and not line.startswith(("| ---", "| Server |", "| Client |")):
                found.append(tuple(cell.strip() for cell in line.split("|")[1:-2]))
    return tables[0], tables[1]


def complain(what: str) -> int:
    print(f"tools/interop.py: {what}", file=sys.stderr)
    return 1


def check() -> int:
    text = PAGE.read_text("utf-8") if PAGE.exists() else ""
    try:
        servers, clients = parse(text)
        named = [line[0] for line in servers] == list(SERVERS) and [line[0] for line in clients] == list(CLIENTS)
        stale = not named or page(servers, clients) != text
    except (ValueError, KeyError):
        stale = True
    return complain("docs/interop.md is stale; make interop writes it") if stale else 0


def write() -> int:
    servers, clients = gather(json.loads(RECORD.read_text()))
    for met, named in ((servers, SERVERS), (clients, CLIENTS)):
        if met.keys() != named.keys():
            return complain(f"met and named are not the same: {sorted(met.keys() ^ named.keys())}")
    of_servers = [(name, servers[name].version, *servers[name].cells()) for name in SERVERS]
    of_clients = [
        (name, clients[name].version, *clients[name].cells(), str(clients[name].left_out)) for name in CLIENTS
    ]
    PAGE.write_text(page(of_servers, of_clients), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(check() if sys.argv[1:] == ["--check"] else write())
