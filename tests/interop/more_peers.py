"""
More foreign clients, of which each is told to fetch a whole maildrop and to delete it: mail readers, driven in a
terminal that nobody sees, and libraries of other languages, in scripts beside this file.
"""

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from interop.messages import Message
from interop.peers import PASSWORD, PEERS, Account, Peer, files, run, with_lf

LIMIT = 120
"""Seconds that a mail reader may take."""


def run_in_terminal(command: Sequence[str | Path], folder: Path) -> None:
    """Runs a program that wants a terminal, and reads what it draws there."""
    environment = {**os.environ, "HOME": str(folder), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    own, its = pty.openpty()
    process = subprocess.Popen(list(map(str, command)), stdin=its, stdout=its, stderr=its, env=environment, cwd=folder)
    os.close(its)
    drawn = b""
    end = time.monotonic() + LIMIT
    try:
        while time.monotonic() < end and select.select([own], [], [], end - time.monotonic())[0]:
            drawn += os.read(own, 65536)
    except OSError:  # the program has gone
        pass
    finally:
        os.close(own)
        process.send_signal(signal.SIGHUP)
    assert process.wait(20) == 0, drawn[-2000:]


class Mutt(Peer):
    name = "mutt"
    _program = "mutt"
    _settings = ""

    def version(self) -> str:
        return run(self._program, "-v").splitlines()[0].split()[1]

    def fetch(self, account: Account) -> Iterable[bytes]:
        for part in ("cur", "new", "tmp"):
            (account.mail / part).mkdir()
        scheme = "pops" if account.mode == "implicit" else "pop"
        stls = "yes" if account.mode == "stls" else "no"
        account.write(
            "rules",
            f'set pop_host="{scheme}://{account.user}@localhost:{account.port}" pop_pass="{PASSWORD}"\n'
            f"set pop_delete={'yes' if account.delete else 'no'} ssl_starttls={stls} ssl_force_tls={stls}\n"
            f'set certificate_file="{account.ca_file}" mbox_type=Maildir spoolfile="{account.mail}"\n'
            f'set folder="{account.folder}" move=no wait_key=no quit=yes header_cache=""\n{self._settings}'
            "push '<fetch-mail><quit>'\n",
        )
        run_in_terminal([self._program, "-n", "-F", account.folder / "rules"], account.folder)
        return files(account.mail / "new", account.mail / "cur")

    def delivered(self, wire: bytes) -> bytes:
        return with_lf(wire)


class Neomutt(Mutt):
    name = "NeoMutt"
    _program = "neomutt"

    def version(self) -> str:
        return run(self._program, "-v").splitlines()[0].split()[1]


class Script(Peer):
    """A script beside this file, called as fetch.pl is: it writes files called after the numbers."""

    _command: tuple[str | Path, ...] = ()

    def fetch(self, account: Account) -> Iterable[bytes]:
        where = ["localhost", str(account.port), account.mode, account.ca_file]
        run(*self._command, *where, account.user, PASSWORD, account.mail, str(int(account.delete)))
        return files(account.mail)


def beside(name: str) -> Path:
    return Path(__file__).with_name(name)


class RubyPop(Script):
    name = "Ruby net/pop"
    modes = ("plain", "implicit")  # it knows no STLS
    _command = ("ruby", beside("fetch.rb"))

    def version(self) -> str:
        return run("ruby", "-e", 'require "net/pop"; print Net::POP3::VERSION')


class AngusMail(Script):
    name = "Angus Mail"
    _jars = PEERS / "java"
    _command = ("java", "-cp", f"{_jars}/*", beside("Fetch.java"))

    def version(self) -> str:
        return next(self._jars.glob("jakarta.mail-*.jar")).stem.removeprefix("jakarta.mail-")


class MailPop3Client(Script):
    name = "Mail::POP3Client"
    modes = ("plain", "implicit")  # it knows no STLS
    _command = ("perl", beside("fetch_pop3client.pl"))

    def version(self) -> str:
        return run("perl", "-MMail::POP3Client", "-e", "print Mail::POP3Client->VERSION")


class PhpImap(Script):
    """The extension is the library of the University of Washington (c-client), which Alpine has too."""

    name = "PHP imap (c-client)"
    modes = ("plain", "implicit")  # its STLS asks for TLS 1.0, which is refused
    _command = ("php", beside("fetch.php"))

    def version(self) -> str:
        return run("php", "-r", 'echo phpversion("imap");')


class Fdm(Peer):
    name = "fdm"

    def version(self) -> str:
        return run("dpkg-query", "-W", "-f", "${Version}", "fdm").split("-")[0].split("+")[0]

    def fetch(self, account: Account) -> Iterable[bytes]:
        kind = "pop3s" if account.mode == "implicit" else "pop3"
        tls = {"plain": "insecure", "stls": "starttls", "implicit": ""}[account.mode]
        keep = "" if account.delete else "keep"
        rules = account.write(
            "fdm.conf",
            f"set unmatched-mail keep\nset verify-certificates\nset no-received\n"
            f'account "a" {kind} server "localhost" port {account.port} '
            f'user "{account.user}" pass "{PASSWORD}" {tls} {keep}\n'
            f'action "keep" maildir "{account.mail}"\nmatch all action "keep"\n',
        )
        environment = {**os.environ, "HOME": str(account.folder), "SSL_CERT_FILE": str(account.ca_file)}
        run("fdm", "-f", rules, "-l", "fetch", env=environment, cwd=account.folder)
        return files(account.mail / "new")

    def delivered(self, wire: bytes) -> bytes:
        return with_lf(wire)


class Movemail(Peer):
    """Of GNU Mailutils."""

    name = "movemail"
    _largest = 8192  # of some larger ones it leaves out pieces

    def version(self) -> str:
        return run("movemail", "--version").splitlines()[0].split()[-1]

    def fetch(self, account: Account) -> Iterable[bytes]:
        scheme = "pops" if account.mode == "implicit" else "pop"
        for part in ("cur", "new", "tmp"):
            (account.mail / part).mkdir()
        tls = {"plain": ";notls", "stls": ";tls", "implicit": ""}[account.mode]
        rules = account.write("mailutils.conf", f"tls {{ ssl-ca-file {account.ca_file}; }};\n")
        source = f"{scheme}://{account.user}:{PASSWORD}@localhost:{account.port}{tls}"
        keep = [] if account.delete else ["--preserve"]
        run("movemail", f"--config-file={rules}", *keep, source, f"maildir:{account.mail}")
        return files(account.mail / "new", account.mail / "cur")

    def takes(self, message: Message) -> bool:
        return len(message.wire) <= self._largest

    def delivered(self, wire: bytes) -> bytes:
        return with_lf(wire)


ALL: tuple[Peer, ...] = (Mutt(), Neomutt(), RubyPop(), AngusMail(), MailPop3Client(), PhpImap(), Fdm(), Movemail())
