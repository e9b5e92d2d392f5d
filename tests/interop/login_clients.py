"""
Foreign clients that are told by which mechanism to log in, and to fetch the first message: what each of them has in
Debian's builds, and how it is told.
"""

import poplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from interop.attempts import Attempt, run, temporary_folder, write
from interop.peers import PEERS, as_nobody
from interop.sasl_clients import Login, RefusedError, by_gsasl, by_scramp


@dataclass(frozen=True)
class Program:
    """A client, in one way to use it."""

    name: str
    mechanisms: tuple[str, ...]
    log_in: Callable[[Login], Attempt]
    """With status 0 it has fetched the first message."""

    alone: tuple[str, ...] = ()
    """Mechanisms that it takes only where no other is offered: it makes its own choice."""

    hangs_up: tuple[str, ...] = ()
    """Mechanisms whose word of refusal it does not answer, so that it never hears the last one."""

    mode: str = "implicit"


def curl(login: Login, initial_response: bool = False) -> Attempt:
    by_token = login.mechanism in {"OAUTHBEARER", "XOAUTH2"}
    password = "" if by_token or login.mechanism == "EXTERNAL" else login.secret
    wanted = {"APOP": "+APOP", "USER": ""}.get(login.mechanism, login.mechanism)
    with temporary_folder() as folder:
        rules = f'user = "{login.user}:{password}"\n'
        rules += f'oauth2-bearer = "{login.secret}"\n' if by_token else ""
        rules += f'login-options = "AUTH={wanted}"\n' if wanted else ""
        rules += f'cert = "{login.certificate}"\n' if login.certificate else ""
        command = ["curl", "--disable", "--config", write(folder / "rc", rules), "--silent", "--show-error", "--ipv4"]
        command += ["--max-time", "60", "--cacert", login.ca_file, "--output", folder / "mail/1"]
        command += ["--sasl-ir"] if initial_response else []
        return run(folder, [*command, f"pop3s://localhost:{login.port}/1"])


def fetchmail(login: Login) -> Attempt:
    words = {
        "USER": "protocol pop3 auth password",
        "APOP": "protocol apop",
        "CRAM-MD5": "protocol pop3 auth cram-md5",
    }[login.mechanism]
    with temporary_folder() as folder:
        deliver = write(folder / "deliver", f"#!/bin/sh\nexec cat >{folder}/mail/1\n", 0o700)
        rules = write(
            folder / "rc",
            f"set no bouncemail\nset invisible\nset no syslog\n"
            f"poll localhost {words} port {login.port} timeout 60\n"
            f"user '{login.user}' password '{login.secret}' mda '{deliver}' fetchall keep no rewrite stripcr\n"
            f"ssl sslproto 'tls1.2+' sslcertck sslcertfile '{login.ca_file}'\n",
        )
        where = {"FETCHMAILHOME": str(folder), "LD_LIBRARY_PATH": str(PEERS / "usr/lib/x86_64-linux-gnu")}
        alone = ["--nodetach", "--pidfile", folder / "pid"]  # root's would be the system's
        return run(folder, [PEERS / "usr/bin/fetchmail", "--fetchmailrc", rules, *alone], where)


def mpop(login: Login) -> Attempt:
    with temporary_folder() as folder:
        for part in ("cur", "new", "tmp"):
            (folder / "mail" / part).mkdir()
        own = f"tls_cert_file {login.certificate}\ntls_key_file {login.certificate}\n" if login.certificate else ""
        rules = write(
            folder / "rc",
            f"account default\nhost localhost\nport {login.port}\nuser {login.user}\npassword {login.secret}\n"
            f"auth {login.mechanism.lower()}\ntls on\ntls_starttls off\ntls_trust_file {login.ca_file}\n{own}"
            f"delivery maildir {folder}/mail\nuidls_file {folder}/uidls\nkeep on\nreceived_header off\ntimeout 60\n",
        )
        return run(folder, ["mpop", f"--file={rules}", "--quiet"])


def getmail(login: Login) -> Attempt:
    """It refuses to deliver for root: there it runs as nobody."""
    with temporary_folder() as folder:
        for part in ("cur", "new", "tmp"):
            (folder / "mail" / part).mkdir()
        write(folder / "ca.pem", login.ca_file.read_text())
        write(
            folder / "getmailrc",
            f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {login.port}\n"
            f"username = {login.user}\npassword = {login.secret}\nca_certs = {folder}/ca.pem\n"
            f"use_apop = {login.mechanism == 'APOP'}\n"
            f"[destination]\ntype = Maildir\npath = {folder}/mail/\n"
            "[options]\nread_all = true\ndelete = false\ndelivered_to = false\nreceived = false\nverbose = 0\n",
        )
        for name in ("getmail_child.py", "getmail.py"):
            script = write(folder / name, Path(__file__).with_name(name).read_text())
        return run(folder, ["/usr/bin/python3", script, "--getmaildir", folder], cwd=folder, **as_nobody(folder))


def by_poplib(login: Login) -> Attempt:
    context = ssl.create_default_context(cafile=str(login.ca_file))
    pop = poplib.POP3_SSL("localhost", login.port, context=context, timeout=60)
    try:
        if login.mechanism == "APOP":
            pop.apop(login.user, login.secret)
        else:
            pop.user(login.user)
            pop.pass_(login.secret)
        mail = b"".join(line + b"\r\n" for line in pop.retr(1)[1])
        pop.quit()
    except poplib.error_proto as error:
        return Attempt(type(error).__name__, str(error))
    finally:
        pop.close()
    return Attempt(0, "", (mail,))


def net_pop3(login: Login) -> Attempt:
    """The script prints what it fetches."""
    script = Path(__file__).with_name("login.pl")
    with temporary_folder() as folder:
        where = ["localhost", str(login.port), login.ca_file, login.mechanism, login.user, login.certificate or ""]
        done = run(folder, ["perl", script, *where], {"SECRET": login.secret})
        return Attempt(done.code, done.said, (done.said.encode(),) if done.code == 0 else ())


def by_shim(fetch: Callable[[Login], bytes]) -> Callable[[Login], Attempt]:
    def log_in(login: Login) -> Attempt:
        try:
            return Attempt(0, "", (fetch(login),))
        except RefusedError as error:
            return Attempt("RefusedError", str(error))

    return log_in


SCRAM = ("SCRAM-SHA-1", "SCRAM-SHA-256")
PLUS = ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS")
OLD = ("LOGIN", "CRAM-MD5")
TOKEN = ("OAUTHBEARER", "XOAUTH2")
GSASL = ("PLAIN", *SCRAM, *PLUS, "EXTERNAL", "ANONYMOUS")

PROGRAMS = (
    # Debian's curl is built without GNU SASL, and so has no SCRAM. It takes USER where it sees nothing else, and
    # OAUTHBEARER before XOAUTH2, whatever its options say.
    Program(
        "curl",
        ("USER", "APOP", "PLAIN", *OLD, *TOKEN, "EXTERNAL"),
        curl,
        alone=("USER", "XOAUTH2"),
        hangs_up=("XOAUTH2",),
    ),
    Program(
        "curl, in one line",
        ("PLAIN", *TOKEN, "EXTERNAL"),
        partial(curl, initial_response=True),
        alone=("XOAUTH2",),
        hangs_up=("XOAUTH2",),
    ),
    # Of EXTERNAL it knows only IMAP's.
    Program("fetchmail", ("USER", "APOP", "CRAM-MD5"), fetchmail),
    # -PLUS came with 1.4.19, which is newer than Debian's.
    Program("mpop", ("USER", "APOP", "PLAIN", *OLD, *SCRAM, *TOKEN, "EXTERNAL"), mpop),
    Program("getmail6", ("USER", "APOP"), getmail),
    Program("poplib", ("USER", "APOP"), by_poplib),
    # Debian's Authen::SASL, 2.16, has neither SCRAM nor tokens.
    Program("Net::POP3", ("USER", "APOP", "PLAIN", *OLD, "EXTERNAL", "ANONYMOUS"), net_pop3),
    Program("gsasl", (*GSASL, *OLD), by_shim(by_gsasl)),
    Program("gsasl, in one line", GSASL, by_shim(partial(by_gsasl, initial_response=True))),
    Program("gsasl, after STLS", ("PLAIN", *PLUS, "EXTERNAL"), by_shim(partial(by_gsasl, mode="stls")), mode="stls"),
    Program("scramp", (*SCRAM, *PLUS), by_shim(by_scramp)),
    Program("scramp, in one line", PLUS, by_shim(partial(by_scramp, initial_response=True))),
)
