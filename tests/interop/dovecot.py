"""
A private Dovecot on loopback: its own copy, its own configuration and mail in a temporary folder, run as a plain user,
ended by its process id.

Debian's packages are unpacked, not installed (tools/setup). Two things need help then: the libraries are found by
LD_LIBRARY_PATH, and the folder of TLS's module, which is compiled into libdovecot, is changed to a relative one in the
copy ("modules" in the working folder of Dovecot's processes). Where root runs the tests, Dovecot runs as nobody.
"""

import fcntl
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from interop.messages import ROOT, Message
from peer import Identity

PEERS = ROOT / "build/peers"
COMPILED_IN = b"/usr/lib/dovecot/modules\0"
RELATIVE = b"modules\0"

CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/run
libexec_dir = {folder}/lib
log_path = {folder}/log
import_environment = LD_LIBRARY_PATH
protocols = pop3
listen = 127.0.0.1

default_login_user = {user}
default_internal_user = {user}
default_internal_group = {group}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{folder}/mail/%u
mail_plugin_dir = {folder}/lib/modules
mail_max_userip_connections = 100
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
{tokens}
{certificates}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}

ssl = yes
ssl_cert = <{folder}/identity.pem
ssl_key = <{folder}/identity.pem

service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = {tls_port}
  }}
}}
"""


EVERY_MECHANISM = "plain login cram-md5 scram-sha-1 scram-sha-256 apop oauthbearer xoauth2 external anonymous"

TOKENS = """
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {file}
}}
"""

CERTIFICATES = """
ssl_ca = <{file}
ssl_require_crl = no
ssl_verify_client_cert = yes
auth_ssl_username_from_cert = yes
ssl_cert_username_field = commonName
passdb {{
  driver = static
  mechanisms = external
  args = nopassword=y
}}
"""

INTROSPECTION = """
introspection_url = {url}
introspection_mode = auth
username_attribute = username
active_attribute = active
active_value = true
"""


class Dovecot:
    """
    A running Dovecot with no mailboxes. Given the URL of a provider of tokens it has every mechanism, else PLAIN;
    EXTERNAL takes the CA of its clients too. A context manager: at the end it is stopped and its folder is gone.
    """

    PASSWORD = "sesame"

    def __init__(self, identity: Identity, introspection: str | None = None, client_ca: Path | None = None) -> None:
        root = os.geteuid() == 0
        self._account = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.geteuid())
        self._folder = Path(tempfile.mkdtemp(prefix="poplin-dovecot-"))
        self._folder.chmod(0o755)
        self._copy(identity)
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.port, self.tls_port = (listener.getsockname()[1] for listener in sockets)
        self._configure(introspection, client_ca)
        self._process = self._start(sockets)
        for listener in sockets:
            listener.close()

    def add(self, user: str, messages: Iterable[Message]) -> None:
        """A mailbox with these messages, in this order."""
        mail = self._folder / "mail" / user
        for part in ("cur", "new", "tmp"):
            (mail / part).mkdir(parents=True)
        for number, message in enumerate(messages):
            file = mail / "new" / f"{1_700_000_000 + number}.M{number}P1.localhost"
            file.write_bytes(message.stored)
        self._own(mail)

    def link(self, user: str, maildir: Path) -> None:
        """A mailbox of the files of a Maildir; they are not copied, where both are on one disk."""
        mail = self._folder / "mail" / user
        one_disk = maildir.stat().st_dev == self._folder.stat().st_dev
        shutil.copytree(maildir, mail, copy_function=os.link if one_disk else shutil.copy)
        self._own(mail)

    def stored(self, user: str) -> int:
        """How many messages the mailbox holds now."""
        mail = self._folder / "mail" / user
        return sum(1 for part in ("cur", "new") for _ in (mail / part).iterdir())

    def log(self) -> str:
        file = self._folder / "log"
        return file.read_text("utf-8", "replace") if file.exists() else ""

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            error.add_note(f"Dovecot's log:\n{self.log()}")
        self.stop()

    def _copy(self, identity: Identity) -> None:
        library = self._folder / "lib"
        shutil.copytree(PEERS / "usr/lib/dovecot", library, symlinks=True)
        for file in (PEERS / "usr/lib/x86_64-linux-gnu").glob("*.so*"):
            shutil.copy2(file, library, follow_symlinks=False)
        shutil.copy2(PEERS / "usr/sbin/dovecot", library / "dovecot")
        shutil.copy2(PEERS / "usr/bin/doveconf", library / "doveconf")
        core = library / "libdovecot.so.0.0.0"
        code = core.read_bytes()
        assert code.count(COMPILED_IN) == 1
        core.write_bytes(code.replace(COMPILED_IN, RELATIVE.ljust(len(COMPILED_IN), b"\0")))
        shutil.copy(identity.file, self._folder / "identity.pem")
        for part in ("run", "mail"):
            (self._folder / part).mkdir()
        (self._folder / "run/modules").symlink_to(library / "modules")
        (self._folder / "run/login").mkdir(0o750)
        (self._folder / "run/login/modules").symlink_to(library / "modules")

    def _configure(self, introspection: str | None, client_ca: Path | None) -> None:
        provider = self._folder / "provider"
        if introspection is not None:
            provider.write_text(INTROSPECTION.format(url=introspection))
        if client_ca is not None:
            shutil.copy(client_ca, self._folder / "ca.pem")
        text = CONFIGURATION.format(
            folder=self._folder,
            user=self._account.pw_name,
            group=grp.getgrgid(self._account.pw_gid).gr_name,
            uid=self._account.pw_uid,
            gid=self._account.pw_gid,
            port=self.port,
            tls_port=self.tls_port,
            password=self.PASSWORD,
            mechanisms="plain" if introspection is None else EVERY_MECHANISM,
            tokens="" if introspection is None else TOKENS.format(file=provider),
            certificates="" if client_ca is None else CERTIFICATES.format(file=self._folder / "ca.pem"),
        )
        (self._folder / "dovecot.conf").write_text(text)
        self._own(self._folder)

    def _start(self, sockets: list[socket.socket]) -> "subprocess.Popen[bytes]":
        """Dovecot takes sockets that listen already, as from systemd: no port is lost, none has to be waited for."""
        environment = {
            "PATH": os.environ["PATH"],
            "LD_LIBRARY_PATH": f"{self._folder / 'lib'}:{self._folder / 'lib/modules/old-stats'}",
            "LISTEN_FDS": str(len(sockets)),
        }
        # Descriptors 3 and 4, and the number of the process that is to take them.
        script = 'exec 3<&"$0" 4<&"$1"; shift; LISTEN_PID=$$ exec "$@"'
        numbers = [fcntl.fcntl(listener, fcntl.F_DUPFD, 10) for listener in sockets]
        configuration = ["-c", str(self._folder / "dovecot.conf")]
        # Dovecot would have itself called by doveconf, which is not where it looks for it; so that is done here.
        command = [str(self._folder / "lib/doveconf"), "-f", "service=master", *configuration, "-m", "master", "-e"]
        command += [str(self._folder / "lib/dovecot"), "-F", *configuration]
        as_other = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        process = subprocess.Popen(
            ["bash", "-c", script, *map(str, numbers), *command],
            env=environment,
            cwd=self._folder,
            pass_fds=numbers,
            **(as_other if os.geteuid() == 0 else {}),
        )
        for number in numbers:
            os.close(number)
        return process

    def _own(self, folder: Path) -> None:
        if os.geteuid() == 0:
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, self._account.pw_uid, self._account.pw_gid, follow_symlinks=False)
