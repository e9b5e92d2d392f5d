"""
The foreign servers, one class each: how it is run, where it keeps mail, and what it sends for a message that it was
given. Each has users and maildrops of its own, in a cell (cell.py); Dovecot, which needs none, is in dovecot.py.
"""

import random
import re
import smtplib
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from interop.cell import LIBRARIES, PEERS, Cell, Inetd
from interop.dovecot import Dovecot
from interop.messages import Message
from interop.saslauthd import Saslauthd
from peer import Authority

PASSWORD = Dovecot.PASSWORD
LIMIT = 30
"""Seconds that a server may take to listen."""


def until_it_listens(cell: Cell, path: Path) -> None:
    """
    Waits for the Unix socket of a server in a cell. These servers can neither be handed a socket that listens already
    nor tell when theirs does, and of a file only its coming is told, which is before that: so this tries until it can.
    """
    end = time.monotonic() + LIMIT
    while True:
        with socket.socket(socket.AF_UNIX) as attempt:
            if attempt.connect_ex(str(path)) == 0:
                return
        assert cell.runs(), f"the server has ended that was to listen at {path}"
        assert time.monotonic() < end, f"nothing listens at {path} after {LIMIT} s"
        time.sleep(0.02)


def version_of(package: str) -> str:
    """The upstream part of the version that was unpacked last."""
    archives = [file for file in PEERS.glob("**/deb/*.deb") if file.name.split("_")[0] == package]
    assert archives, f"{package} is not unpacked: run tools/setup interop"
    version = max(archives, key=lambda file: file.stat().st_mtime).name.split("_")[1].replace("%3a", ":")
    return re.sub(r"^\d+:|[-+].*", "", version)


def maildir(folder: Path, messages: Iterable[Message]) -> None:
    for part in ("cur", "new", "tmp"):
        (folder / part).mkdir(parents=True)
    for number, message in enumerate(messages):
        (folder / "new" / f"{1_700_000_000 + number}.M{number}P1.localhost").write_bytes(as_text(message))


def mbox(messages: Iterable[Message]) -> bytes:
    """Each has an empty line after it, and line ends are LF."""
    lines = (b"From sender@example.net Sat Mar  1 12:00:00 2025\n" + as_text(message) + b"\n" for message in messages)
    return b"".join(lines)


def as_text(message: Message) -> bytes:
    return message.wire.replace(b"\r\n", b"\n")


class Server(ABC):
    """A running server, until the end of the context. What is said here holds unless a server says otherwise."""

    name = ""
    package = ""
    modes: tuple[str, ...] = ("plain",)
    keeps_copies = True
    """Whether a message that comes again, with the same Message-ID, is kept again."""

    rewrites = False
    """Whether a message is a larger one from its second session on."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._inetds: dict[str, Inetd] = {}
        self.cell = self.make_cell()
        try:
            self.start()
        except BaseException as error:
            error.add_note(self.cell.said())
            self.stop()
            raise

    @abstractmethod
    def make_cell(self) -> Cell: ...

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def add(self, user: str, messages: Sequence[Message]) -> None:
        """A maildrop with these messages, in this order."""

    def takes(self, message: Message) -> bool:
        """Whether it can keep and send such a message at all."""
        return True

    def sent(self, message: Message, user: str, number: int, uid: str) -> bytes:
        """What it has to send for the message."""
        return message.wire

    def bare(self, file: bytes) -> bytes:
        """A message with LF line ends, without what the server writes into it as time goes by."""
        return file

    def listed(self, message: Message, sent: bytes) -> int:
        """And how many octets it says that these are."""
        return len(sent)

    def top(self, sent: bytes, lines: int) -> bytes:
        """And for so many lines of it."""
        header, _, body = sent.partition(b"\r\n\r\n")
        return header + b"\r\n\r\n" + b"".join(body.splitlines(keepends=True)[:lines])

    def address(self, mode: str) -> tuple[str, int]:
        return "localhost", self._inetds[mode].port

    def rest(self) -> None:
        """Waits until each session is over."""
        for inetd in self._inetds.values():
            inetd.rest()

    def stop(self) -> None:
        for inetd in self._inetds.values():
            inetd.stop()
        self.cell.close()

    def run(self, mode: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Has the command serve the connections of a mode."""
        self._inetds[mode] = Inetd(self.cell, command, lambda _: environment or {})

    def identity(self, *names: str) -> bytes:
        return self._authority.issue(*names).file.read_bytes()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            error.add_note(f"What {self.name} said:\n{self.cell.said()}")
        self.stop()


class OfMboxes(Server):
    """Its maildrops are mboxes, /var/mail/USER."""

    unquotes = False
    """Whether it takes away the mark of a line that begins with "From "."""

    def add(self, user: str, messages: Sequence[Message]) -> None:
        self.add_mbox(user, mbox(messages))

    def add_mbox(self, user: str, octets: bytes) -> None:
        self.cell.add_user(user, PASSWORD)
        self.cell.own(self.cell.write(f"var/mail/{user}", octets, 0o600), user)

    def takes(self, message: Message) -> bool:
        """What an mbox cannot hold as it is: nothing, and lines that begin with "From "."""
        return message.stored != b"" and re.search(rb"^>*From ", message.stored, re.MULTILINE) is None


class OfMaildirs(Server):
    """Its maildrops are Maildirs, Maildir in the home."""

    def add(self, user: str, messages: Sequence[Message]) -> None:
        home = self.cell.add_user(user, PASSWORD)
        maildir(home / "Maildir", messages)
        self.cell.own(home, user)


class Popa3d(OfMboxes):
    name = package = "popa3d"

    def make_cell(self) -> Cell:
        return Cell("popa3d", "popa3d", {})

    def start(self) -> None:
        (self.cell.root / "var/lib/popa3d").mkdir(parents=True)
        self.run("plain", ["/usr/sbin/popa3d"])


class SolidPop3d(OfMboxes):
    """It sends the empty line, too, that follows a message in an mbox."""

    name = package = "solid-pop3d"

    def make_cell(self) -> Cell:
        return Cell("solid-pop3d", "spop3d", {})

    def start(self) -> None:
        (self.cell.root / "var/lib/solid-pop3d/bulletins").mkdir(parents=True)
        self.cell.write("etc/spop3d.conf", "")
        self.run("plain", ["/usr/sbin/solid-pop3d"])

    def sent(self, message: Message, user: str, number: int, uid: str) -> bytes:
        return message.wire + b"\r\n"


class Mailutils(OfMboxes):
    """It puts a field of its own at the end of each header, and by TOP it sends the empty line after that twice."""

    name = "GNU Mailutils"
    package = "mailutils-pop3d"
    modes = ("plain", "stls", "implicit")
    rewrites = True
    unquotes = True

    def make_cell(self) -> Cell:
        return Cell("mailutils-pop3d", "mailutils", {})

    def start(self) -> None:
        self.cell.write("etc/identity.pem", self.identity(), 0o600)
        tls = "tls { ssl-certificate-file /etc/identity.pem; ssl-key-file /etc/identity.pem; };\n"
        for mode, how in (("plain", ""), ("stls", "ondemand"), ("implicit", "connection")):
            secure = "" if mode == "plain" else f"tls-mode {how};\n{tls}"
            self.cell.write(f"etc/{mode}.conf", f"logging {{ syslog no; }};\n{secure}")
            self.run(mode, ["/usr/sbin/pop3d", "--inetd", f"--config-file=/etc/{mode}.conf"])

    def sent(self, message: Message, user: str, number: int, uid: str) -> bytes:
        header, _, body = message.wire.partition(b"\r\n\r\n")
        return header + f"\r\nX-UIDL: {uid}\r\n\r\n".encode() + body

    def bare(self, file: bytes) -> bytes:
        """It adds more at the end of the first session, and an empty line where there is no body."""
        header, _, body = file.partition(b"\n\n")
        fields = re.sub(rb"(?m)^(X-UIDL|X-UID|X-IMAPbase|Status):.*\n", b"", header + b"\n")
        return fields + b"\n" + body.removeprefix(b"\n")

    def top(self, sent: bytes, lines: int) -> bytes:
        header, _, rest = super().top(sent, lines).partition(b"\r\n\r\n")
        return header + b"\r\n\r\n\r\n" + rest


class Courier(OfMaildirs):
    """
    It sends a line end for a message of no octets, which it counts as none, and a notice in the place of a message
    with UTF-8 in its header where the client has not asked for that by UTF8.
    """

    name = "Courier"
    package = "courier-pop"
    modes = ("plain", "stls", "implicit")
    _libraries = f"{LIBRARIES}:/peer/auth:/usr/lib/courier-authlib"

    def make_cell(self) -> Cell:
        folders = {name: name for name in ("usr/lib/courier", "usr/lib/courier-authlib")}
        return Cell("courier-pop", "courier", {**folders, "peer/auth": "usr/lib", "peer/bin": "usr/bin"})

    def start(self) -> None:
        self.cell.write(
            "etc/courier/authdaemonrc", 'authmodulelist="authpam"\nauthmodulelistorig="authpam"\ndaemons=2\n'
        )
        self.cell.own(self.cell.write("etc/courier/identity.pem", self.identity(), 0o600), "courier")
        path = self.cell.root / "run/courier/authdaemon/socket"
        path.parent.mkdir(parents=True)
        libraries = {"LD_LIBRARY_PATH": self._libraries}
        daemon = "/usr/lib/courier/courier-authlib/authdaemond"
        self.cell.start(daemon, environment=libraries)
        until_it_listens(self.cell, path)
        login = [f"/usr/lib/courier/courier/courierpop3{part}" for part in ("login", "d")] + ["Maildir"]
        tls = ["/peer/bin/couriertls", "-server", "-tcpd", "-user=courier"]
        self._serve("plain", login, {})
        self._serve("stls", login, {"POP3_STARTTLS": "YES"})
        self._serve("implicit", tls + login, {"POP3_TLS": "1"})

    def takes(self, message: Message) -> bool:
        return message.wire.partition(b"\r\n\r\n")[0].isascii()

    def sent(self, message: Message, user: str, number: int, uid: str) -> bytes:
        return message.wire or b"\r\n"

    def top(self, sent: bytes, lines: int) -> bytes:
        return sent if sent == b"\r\n" else super().top(sent, lines)

    def listed(self, message: Message, sent: bytes) -> int:
        return len(message.wire)

    def _serve(self, mode: str, command: list[str], more: Mapping[str, str]) -> None:
        """As couriertcpd does."""
        tls = {
            "COURIERTLS": "/peer/bin/couriertls",
            "TLS_CERTFILE": "/etc/courier/identity.pem",
            "TLS_VERIFYPEER": "NONE",
        }
        here = {"LD_LIBRARY_PATH": self._libraries, "TCPLOCALPORT": "110", "TCPREMOTEIP": "127.0.0.1", **tls, **more}
        self._inetds[mode] = Inetd(self.cell, command, lambda port: {**here, "TCPREMOTEPORT": str(port)})


CYRUS_SERVICES = """
START {{
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -r"
}}
SERVICES {{
  pop3 cmd="/usr/lib/cyrus/bin/pop3d" listen="{address}:110" prefork=0
  pop3s cmd="/usr/lib/cyrus/bin/pop3d -s" listen="{address}:995" prefork=0
  lmtpunix cmd="/usr/lib/cyrus/bin/lmtpd -a" listen="/run/cyrus/socket/lmtp" prefork=0
}}
EVENTS {{
}}
"""

CYRUS_SETTINGS = """
configdirectory: /var/lib/cyrus
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
defaultpartition: default
partition-default: /var/spool/cyrus/mail
lmtpsocket: /run/cyrus/socket/lmtp
allowplaintext: yes
popminpoll: 0
poptimeout: 10
autocreate_quota: 0
autocreate_post: yes
mailbox_legacy_dirs: yes
reject8bit: no
munge8bit: no
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: /run/saslauthd/mux
sasl_mech_list: PLAIN
tls_server_cert: /etc/identity.pem
tls_server_key: /etc/identity.pem
tls_sessions_db_path: /var/lib/cyrus/tls_sessions.db
"""


class Cyrus(Server):
    """
    It listens by itself, at an address of loopback that is its own, and takes mail by LMTP only. It adds fields to each
    message: what it sends is the file that it has made.
    """

    name = "Cyrus IMAP"
    package = "cyrus-pop3d"
    modes = ("plain", "stls", "implicit")
    keeps_copies = False
    _saslauthd: Saslauthd | None = None

    def make_cell(self) -> Cell:
        return Cell("cyrus-pop3d", "cyrus", {"usr/lib/cyrus": "usr/lib/cyrus"})

    def start(self) -> None:
        self._host = ".".join(["127", *(str(random.randrange(2, 254)) for _ in range(3))])
        root = self.cell.root
        for folder in ("lib/cyrus/db", "lib/cyrus/socket", "spool/cyrus/mail"):
            (root / "var" / folder).mkdir(parents=True)
        for folder in ("cyrus/socket", "cyrus/proc", "cyrus/lock", "saslauthd"):
            (root / "run" / folder).mkdir(parents=True)
        self.cell.write("etc/cyrus.conf", CYRUS_SERVICES.format(address=self._host))
        self.cell.write("etc/imapd.conf", CYRUS_SETTINGS)
        self.cell.own(self.cell.write("etc/identity.pem", self.identity(self._host), 0o600), "cyrus")
        for folder in ("var", "run"):
            self.cell.own(root / folder, "cyrus")
        self._saslauthd = Saslauthd(root / "run/saslauthd/mux", PASSWORD)
        self.cell.start("/usr/lib/cyrus/bin/master", "-D")
        self.lmtp = root / "run/cyrus/socket/lmtp"
        until_it_listens(self.cell, self.lmtp)

    def address(self, mode: str) -> tuple[str, int]:
        return self._host, 995 if mode == "implicit" else 110

    def add(self, user: str, messages: Sequence[Message]) -> None:
        with smtplib.LMTP(str(self.lmtp)) as lmtp:
            for message in messages:
                lmtp.sendmail("sender@example.net", [user], message.wire)

    def takes(self, message: Message) -> bool:
        """By LMTP come no empty messages, and no line ends but CRLF."""
        return message.stored != b"" and b"\r" not in message.wire.replace(b"\r\n", b"")

    def sent(self, message: Message, user: str, number: int, uid: str) -> bytes:
        """It takes an old Return-Path away."""
        file = self.cell.root / "var/spool/cyrus/mail/user" / user / f"{uid.rpartition('.')[2]}."
        sent = file.read_bytes()
        assert sent.endswith(re.sub(rb"(?m)^Return-Path:.*\r\n", b"", message.wire, count=1))
        return sent

    def stop(self) -> None:
        super().stop()
        if self._saslauthd is not None:
            self._saslauthd.stop()


ALL: tuple[type[Server], ...] = (Courier, Mailutils, Cyrus, Popa3d, SolidPop3d)
