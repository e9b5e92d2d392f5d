"""The programs that fetch new mail into a Maildir and remember what they had, and how each is told to."""

import dataclasses
import os
import pwd
import shutil
from collections.abc import Sequence
from pathlib import Path

import setting


@dataclasses.dataclass(frozen=True)
class Task:
    """What is to be fetched, and a folder of its own for all that stays: the mail, and the memory of it."""

    port: int
    tls: bool
    keep: str  # "forever" or "none"
    folder: Path

    @property
    def mail(self) -> Path:
        """The Maildir."""
        return self.folder / "mail"

    @property
    def ca_file(self) -> Path:
        """Whom to trust."""
        return self.folder / "ca.pem"

    def write(self, name: str, text: str) -> Path:
        """Write a file of the program's, for its owner alone, as some of them insist."""
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(text)
        return file


class Fetcher:
    """One of them. What is said here holds unless it says otherwise."""

    name = ""
    ours = False
    says_go = False  # ... when its modules are loaded, and "done" before it ends: it has an interpreter to start
    as_nobody = False  # it refuses to work for root
    statuses: Sequence[int] = (0,)  # that it ends with when all went well
    needs: Sequence[Path] = ()

    def missing(self) -> str | None:
        """Name what is missing, or None."""
        return next((str(path) for path in self.needs if not path.exists()), None)

    def command(self, task: Task) -> Sequence[str | Path]:
        """Write its settings, and say what is to be run."""
        raise NotImplementedError

    def environment(self, task: Task) -> dict[str, str]:
        """Give the environment that it runs in. What it writes beside the mail is where the mail is."""
        return {**os.environ, "HOME": str(task.folder), "TMPDIR": str(task.folder)}

    def hand_over(self, task: Task) -> dict[str, int | list[int]]:
        """Give the options of a process that is not to be root's, which gets the folder then."""
        if not self.as_nobody or os.geteuid() != 0:
            return {}
        nobody = pwd.getpwnam("nobody")
        for path in [task.folder, *task.folder.rglob("*")]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


# ---- poplin's ----

SCRIPTS = setting.BENCH / "fetch_peers"
PROGRAMS = setting.BUILD / "fetch_peers"


class PoplinC(Fetcher):
    """The example, examples/c/fetch_maildir.c."""

    name = "poplin, C"
    ours = True
    needs = (PROGRAMS / "fetch_maildir",)

    def command(self, task: Task) -> Sequence[str | Path]:
        url = f"{'pop3s' if task.tls else 'pop3'}://127.0.0.1:{task.port}"
        return [self.needs[0], url, "bench", task.folder / "seen.sqlite", task.keep, task.mail]

    def environment(self, task: Task) -> dict[str, str]:
        return {**super().environment(task), "POPLIN_PASSWORD": "bench", "POPLIN_CA_FILE": str(task.ca_file)}


class _PoplinScript(Fetcher):
    ours = True
    says_go = True
    interpreter: str | Path = ""
    script = ""

    def command(self, task: Task) -> Sequence[str | Path]:
        security = "tls" if task.tls else "plain"
        return [self.interpreter, SCRIPTS / self.script, str(task.port), security, task.keep, task.ca_file, task.folder]


class PoplinPython(_PoplinScript):
    """poplin.fetch."""

    name = "poplin, Python"
    needs = (setting.PYTHON,)
    interpreter = setting.PYTHON
    script = "poplin_fetch.py"


class PoplinLua(_PoplinScript):
    """poplin.fetch."""

    name = "poplin, Lua"
    needs = (setting.LUA_MODULE,)
    interpreter = setting.LUA
    script = "poplin_fetch.lua"

    def environment(self, task: Task) -> dict[str, str]:
        return {**super().environment(task), **dict(setting.LUA_PATHS)}


# ---- the others ----


def _found(program: str) -> Path:
    return Path(shutil.which(program) or f"/usr/bin/{program}")


class Mpop(Fetcher):
    """Its memory is its UIDLS file."""

    name = "mpop"
    needs = (_found("mpop"),)

    def command(self, task: Task) -> Sequence[str | Path]:
        tls = f"tls on\ntls_starttls off\ntls_trust_file {task.ca_file}" if task.tls else "tls off"
        settings = task.write(
            "mpoprc",
            f"account default\nhost 127.0.0.1\nport {task.port}\nuser bench\npassword bench\nauth plain\n{tls}\n"
            f"delivery maildir {task.mail}\nuidls_file {task.folder}/uidls\n"
            f"keep {'off' if task.keep == 'none' else 'on'}\nonly_new on\nreceived_header off\n",
        )
        return ["mpop", f"--file={settings}", "--quiet"]


class Getmail(Fetcher):
    """Its memory is its oldmail file. Debian's Python has its modules."""

    name = "getmail6"
    says_go = True
    as_nobody = True
    needs = (_found("getmail"), Path("/usr/bin/python3"))

    def command(self, task: Task) -> Sequence[str | Path]:
        kind = "SimplePOP3SSLRetriever" if task.tls else "SimplePOP3Retriever"
        trust = f"ca_certs = {task.ca_file}\n" if task.tls else ""
        task.write(
            "getmailrc",
            f"[retriever]\ntype = {kind}\nserver = 127.0.0.1\nport = {task.port}\nusername = bench\npassword = bench\n"
            f"{trust}\n[destination]\ntype = Maildir\npath = {task.mail}/\n\n[options]\nread_all = false\n"
            f"delete = {str(task.keep == 'none').lower()}\ndelivered_to = false\nreceived = false\nverbose = 0\n",
        )
        child = setting.TOP / "tests" / "interop" / "getmail_child.py"
        for source in (child, SCRIPTS / "getmail_fetch.py"):  # nobody may not read ours
            script = task.write(source.name, source.read_text())
        return [self.needs[1], script, task.folder]


class Fetchmail(Fetcher):
    """
    Its memory is its idfile; where nothing is kept it needs none. It has deliver.c called for each message. Its port is
    asked for at a name that the certificate has: of addresses it looks at none.
    """

    name = "fetchmail"
    program = setting.TOP / "build" / "peers" / "usr" / "bin" / "fetchmail"
    deliver = PROGRAMS / "deliver"
    needs = (program, deliver)
    statuses = (0, 1)  # 1: there was nothing new

    def command(self, task: Task) -> Sequence[str | Path]:
        tls = f"ssl sslproto 'tls1.2+' sslcertck sslcertfile '{task.ca_file}'" if task.tls else "sslproto ''"
        keep = "nokeep fetchall" if task.keep == "none" else "keep"
        settings = task.write(
            "fetchmailrc",
            f"set no bouncemail\nset invisible\nset idfile '{task.folder}/ids'\n"
            f"poll localhost protocol pop3 port {task.port} {'' if task.keep == 'none' else 'uidl'} bad-header accept\n"
            f"user bench password bench mda '{self.deliver} {task.mail}'\n{keep} no rewrite pass8bits stripcr {tls}\n",
        )
        pid_file = task.folder / "pid"  # root's would be the system's
        alone = ["--nodetach", "--nosyslog", "--silent", "--pidfile", str(pid_file)]
        return [self.program, "--fetchmailrc", settings, *alone]

    def environment(self, task: Task) -> dict[str, str]:
        libraries = setting.TOP / "build" / "peers" / "usr" / "lib"
        found = next(libraries.glob("*-linux-gnu*"), libraries)
        return {**super().environment(task), "FETCHMAILHOME": str(task.folder), "LD_LIBRARY_PATH": str(found)}


ALL: Sequence[Fetcher] = (PoplinC(), PoplinPython(), PoplinLua(), Mpop(), Getmail(), Fetchmail())
