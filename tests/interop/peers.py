"""
The foreign clients, one class each: how they are told to fetch a whole maildrop, where they put it, and what they
cannot do. Each delivers in its own way, and says what it makes of a message (`delivered`), so that both sides can be
compared.
"""

import os
import poplib
import pwd
import re
import ssl
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from interop.messages import ROOT, Message

PEERS = ROOT / "build/peers"
PASSWORD = "sesame"
FETCHMAIL_HEADER = re.compile(
    rb"(>?From .*\r\n)?"  # the first line of an mbox
    rb"(?!From )[!-9;-~]+:[^\0\n]*\n([!-9;-~]+:[^\0\n]*\n|[ \t][^\0\n]*\n)*\r\n"
)


@dataclass(frozen=True)
class Account:
    """Where a client logs in, whom it trusts, a folder of its own, that every user may read; and what it is to do."""

    port: int
    mode: str
    user: str
    ca_file: Path
    folder: Path
    count: int
    delete: bool = False

    def write(self, name: str, text: str, mode: int = 0o600) -> Path:
        """A file of the client's, in its folder."""
        file = self.folder / name
        file.write_text(text)
        file.chmod(mode)
        return file

    @property
    def mail(self) -> Path:
        folder = self.folder / "mail"
        folder.mkdir(exist_ok=True)
        return folder


class Peer:
    """A client. What is said here holds unless a client says otherwise."""

    name = ""
    modes = ("plain", "stls", "implicit")

    def version(self) -> str:
        raise NotImplementedError

    def fetch(self, account: Account) -> Iterable[bytes]:
        """Fetches everything; the messages as they were delivered, in any order."""
        raise NotImplementedError

    def takes(self, message: Message) -> bool:
        """Whether the client can fetch such a message at all."""
        return True

    def delivered(self, wire: bytes) -> bytes:
        """What the client delivers for a message that arrives like this."""
        return wire


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(  # type: ignore[call-overload]
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=600,
        check=False,
        **options,
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return str(done.stdout)


def as_nobody(folder: Path) -> dict[str, object]:
    """Options that have root run a program as nobody, who gets the folder; for others there are none."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def with_lf(wire: bytes) -> bytes:
    return wire.replace(b"\r\n", b"\n")


def longest_line(message: Message) -> int:
    return max(map(len, message.wire.split(b"\n"))) + 1


def files(*folders: Path) -> list[bytes]:
    return [file.read_bytes() for folder in folders for file in folder.iterdir() if file.is_file()]


class Curl(Peer):
    name = "curl"

    def version(self) -> str:
        return run("curl", "--version").split()[1]

    def fetch(self, account: Account) -> Iterable[bytes]:
        scheme = "pop3s" if account.mode == "implicit" else "pop3"
        tls = ["--ssl-reqd"] if account.mode == "stls" else []
        config = account.write("curlrc", f'user = "{account.user}:{PASSWORD}"\n')
        urls = f"{scheme}://localhost:{account.port}/[1-{account.count}]"
        options = ["--config", config, "--cacert", account.ca_file, "--silent", "--show-error", *tls]
        run("curl", *options, urls, "--output", f"{account.mail}/#1")
        if account.delete:
            run("curl", *options, "--request", "DELE", "--head", urls)
        return files(account.mail)


class Fetchmail(Peer):
    name = "fetchmail"
    _environment = {**os.environ, "LD_LIBRARY_PATH": str(PEERS / "usr/lib/x86_64-linux-gnu")}

    def version(self) -> str:
        text = run(PEERS / "usr/bin/fetchmail", "--version", env=self._environment)
        found = re.search(r"release (\S+?)\+", text)
        return found[1] if found else "?"

    def fetch(self, account: Account) -> Iterable[bytes]:
        tls = {
            "plain": "sslproto ''",
            "stls": f"sslproto 'tls1.2+' sslcertck sslcertfile '{account.ca_file}'",
            "implicit": f"ssl sslproto 'tls1.2+' sslcertck sslcertfile '{account.ca_file}'",
        }[account.mode]
        deliver = account.write("deliver", f'#!/bin/sh\nexec cat >"$(mktemp "{account.mail}/XXXXXXXX")"\n', 0o700)
        keep = "nokeep" if account.delete else "keep"
        rules = account.write(
            "fetchmailrc",
            f"set no bouncemail\nset invisible\npoll localhost protocol pop3 port {account.port} bad-header accept\n"
            f"user '{account.user}' password '{PASSWORD}' mda '{deliver}'\n"
            f"fetchall {keep} no rewrite pass8bits stripcr {tls}\n",
        )
        home = {**self._environment, "FETCHMAILHOME": str(account.folder), "HOME": str(account.folder)}
        alone = ["--nodetach", "--nosyslog", "--pidfile", account.folder / "pid"]  # root's would be the system's
        run(PEERS / "usr/bin/fetchmail", "--fetchmailrc", rules, *alone, env=home)
        return files(account.mail)

    def takes(self, message: Message) -> bool:
        """It puts stray octets into longer lines, and mends headers that are none or not quite."""
        return longest_line(message) < 8192 and FETCHMAIL_HEADER.match(message.wire) is not None

    def delivered(self, wire: bytes) -> bytes:
        """It drops every CR, and an mbox's first line."""
        return re.sub(rb"\A>?From .*\n", b"", wire.replace(b"\r", b""))


class Mpop(Peer):
    name = "mpop"

    def version(self) -> str:
        return run("mpop", "--version").split()[2]

    def fetch(self, account: Account) -> Iterable[bytes]:
        tls = {
            "plain": "tls off",
            "stls": f"tls on\ntls_starttls on\ntls_trust_file {account.ca_file}",
            "implicit": f"tls on\ntls_starttls off\ntls_trust_file {account.ca_file}",
        }[account.mode]
        for part in ("cur", "new", "tmp"):
            (account.mail / part).mkdir()
        rules = account.write(
            "mpoprc",
            f"account default\nhost localhost\nport {account.port}\nuser {account.user}\npassword {PASSWORD}\n"
            f"auth plain\n{tls}\ndelivery maildir {account.mail}\nuidls_file {account.folder}/uidls\n"
            f"keep {'off' if account.delete else 'on'}\nreceived_header off\n",
        )
        run("mpop", f"--file={rules}", "--quiet")
        return files(account.mail / "new")

    def delivered(self, wire: bytes) -> bytes:
        return with_lf(wire)


class Getmail(Peer):
    """It refuses to deliver for root: there it runs as nobody."""

    name = "getmail6"
    modes = ("plain", "implicit")  # it knows no STLS
    names_ca = True  # else it trusts whom poplib trusts by default

    def version(self) -> str:
        return run("getmail", "--version").split()[1]

    def fetch(self, account: Account) -> Iterable[bytes]:
        retriever = "SimplePOP3SSLRetriever" if account.mode == "implicit" else "SimplePOP3Retriever"
        trust = f"ca_certs = {account.ca_file}\n" if account.mode == "implicit" and self.names_ca else ""
        for part in ("cur", "new", "tmp"):
            (account.mail / part).mkdir()
        account.write(
            "getmailrc",
            f"[retriever]\ntype = {retriever}\nserver = localhost\nport = {account.port}\nusername = {account.user}\n"
            f"password = {PASSWORD}\n{trust}\n[destination]\ntype = Maildir\npath = {account.mail}/\n\n"
            f"[options]\nread_all = true\ndelete = {str(account.delete).lower()}\n"
            "delivered_to = false\nreceived = false\nverbose = 0\n",
        )
        # Copies, that nobody may read; Debian's Python has the modules.
        for name in ("getmail_child.py", "getmail.py"):
            script = account.write(name, Path(__file__).with_name(name).read_text())
        options = as_nobody(account.folder)
        run("/usr/bin/python3", script, "--getmaildir", account.folder, cwd=account.folder, **options)
        return files(account.mail / "new")

    def takes(self, message: Message) -> bool:
        """It sets poplib's limit for a line to this."""
        return longest_line(message) <= 1 << 20

    def delivered(self, wire: bytes) -> bytes:
        return with_lf(wire)


class Poplib(Peer):
    name = "poplib"
    _longest = 2048 + 1  # a longer line is an error, and the session cannot go on

    def version(self) -> str:
        return ".".join(map(str, os.sys.version_info[:3]))  # type: ignore[attr-defined]

    def fetch(self, account: Account) -> Iterable[bytes]:
        context = ssl.create_default_context(cafile=str(account.ca_file))
        pop: poplib.POP3
        if account.mode == "implicit":
            pop = poplib.POP3_SSL("localhost", account.port, context=context, timeout=60)
        else:
            pop = poplib.POP3("localhost", account.port, timeout=60)
        if account.mode == "stls":
            pop.stls(context)
        pop.user(account.user)
        pop.pass_(PASSWORD)
        for number in range(1, account.count + 1):
            yield b"".join(line + b"\r\n" for line in pop.retr(number)[1])
            if account.delete:
                pop.dele(number)
        pop.quit()

    def takes(self, message: Message) -> bool:
        return longest_line(message) < self._longest


class NetPop3(Peer):
    name = "Net::POP3"

    def version(self) -> str:
        return run("perl", "-MNet::POP3", "-e", "print Net::POP3->VERSION")

    def fetch(self, account: Account) -> Iterable[bytes]:
        script = Path(__file__).with_name("fetch.pl")
        where = ["localhost", str(account.port), account.mode, account.ca_file]
        run("perl", script, *where, account.user, PASSWORD, account.mail, str(int(account.delete)))
        return map(self.delivered, files(account.mail))

    def delivered(self, wire: bytes) -> bytes:
        """Without TLS it takes all CR from the ends of lines; with TLS it leaves them."""
        return re.sub(rb"\r+\n", b"\n", wire)


ALL: tuple[Peer, ...] = (Curl(), Fetchmail(), Mpop(), Getmail(), Poplib(), NetPop3())
