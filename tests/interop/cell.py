"""
A root folder for one foreign server: its package's files, unpacked under build/peers/NAME (tools/setup), beside the
system's libraries, with users and a password file of its own. What is compiled into these servers as /etc/passwd or
/var/mail is found in here, and nothing of the machine's own is read or written.

The folders of the system and of the package are bound into it in a mount namespace of each process, which is why these
servers need root. A process that is to stay (Cell.start) also has a process namespace, and takes all its children
along when it ends. Inetd is for servers that expect one connection, as standard input and output.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from interop.messages import ROOT

PEERS = ROOT / "build/peers"
MACHINE = "x86_64-linux-gnu"

LIBRARIES = "/peer/lib:/peer/base"
"""Where a package's own ones are, in its cell."""
PASSWD = """root:x:0:0:root:/:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/sh
"""
GROUP = "root:x:0:\nmail:x:8:\nnogroup:x:65534:\n"
SERVICE_ID = 1900
"""The account that a server has for itself."""
FIRST_ID = 2000
"""Of a user with mail; each has the next one."""

PAM = "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n"


class Cell:
    """
    The folder, empty but for /etc; service names the server's own account, binds says what else of the package is
    where. close() takes it away.
    """

    def __init__(self, peer: str, service: str, binds: Mapping[str, str]) -> None:
        self.peer = PEERS / peer
        assert self.peer.is_dir(), f"{peer} is not unpacked: run tools/setup interop"
        assert os.geteuid() == 0, f"{peer} can only be run as root"
        self.root = Path(tempfile.mkdtemp(prefix=f"poplin-{peer}-"))
        self.root.chmod(0o755)
        self._users: list[str] = []
        self._passwords = ""
        self._daemons: list[subprocess.Popen[bytes]] = []
        for folder in ("etc/pam.d", "dev", "proc", "tmp", "run", "home", "var/mail", "peer"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "tmp").chmod(0o1777)
        (self.root / "var/mail").chmod(0o1777)
        for link in ("bin", "lib", "lib64", "sbin"):
            (self.root / link).symlink_to(f"usr/{link}")
        self.write("etc/pam.d/other", PAM)
        self.write("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files\n")
        self.write("etc/hosts", "127.0.0.1 localhost\n")
        self._service = f"{service}:x:{SERVICE_ID}:8:{service}:/var/lib/{service}:/bin/sh\n"
        self._write_accounts()
        self._script = self._mounts(binds)

    def write(self, name: str, text: str | bytes, mode: int = 0o644) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        file.chmod(mode)
        return file

    def add_user(self, user: str, password: str) -> Path:
        """The home of a new user, who owns it."""
        if not self._passwords:
            command = ["openssl", "passwd", "-6", password]
            self._passwords = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        self._users.append(user)
        self._write_accounts()
        home = self.root / "home" / user
        home.mkdir()
        self.own(home, user)
        return home

    def own(self, folder: Path, user: str) -> None:
        """Gives the folder and all in it to a user, or to the service where no user is called that."""
        number = FIRST_ID + self._users.index(user) if user in self._users else SERVICE_ID
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, number, 8, follow_symlinks=False)

    def command(self, *words: str) -> list[str]:
        """The command line that runs a program in here."""
        return ["unshare", "--mount", "sh", "-ec", self._script, "sh", *words]

    def start(self, *words: str, environment: Mapping[str, str] | None = None) -> None:
        """Runs a program that stays until close()."""
        unshare = ["unshare", "--pid", "--fork", *self.command(*words)[1:]]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                unshare, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(environment or {})
            )
        self._daemons.append(process)

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {"PATH": "/usr/sbin:/usr/bin", "LD_LIBRARY_PATH": LIBRARIES, **more}

    @property
    def log(self) -> Path:
        """What its programs said to standard error."""
        return self.root / "tmp/log"

    def runs(self) -> bool:
        """Whether all that was started to stay is still there."""
        return all(process.poll() is None for process in self._daemons)

    def close(self) -> None:
        for process in self._daemons:
            if process.poll() is None:
                # Its one child is the first in its process namespace: with that end all others.
                children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
                for child in children or [process.pid]:
                    os.kill(int(child), signal.SIGKILL)
                process.wait()
        shutil.rmtree(self.root)

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def _write_accounts(self) -> None:
        users = [(user, FIRST_ID + number) for number, user in enumerate(self._users)]
        passwd = "".join(f"{user}:x:{number}:8:{user}:/home/{user}:/bin/sh\n" for user, number in users)
        self.write("etc/passwd", PASSWD + self._service + passwd)
        self.write("etc/group", GROUP)
        shadow = "".join(f"{user}:{self._passwords}:19000:0:99999:7:::\n" for user, _ in users)
        self.write("etc/shadow", shadow, 0o600)

    def _mounts(self, binds: Mapping[str, str]) -> str:
        """A script that binds everything, and then runs its arguments in here."""
        own: dict[str, str] = {"dev": "/dev", "proc": "/proc"}
        own |= {f"usr/{part}": f"/usr/{part}" for part in ("bin", "lib64", f"lib/{MACHINE}", "share/zoneinfo")}
        binds = {"peer/lib": f"usr/lib/{MACHINE}", "peer/base": f"lib/{MACHINE}", "usr/sbin": "usr/sbin", **binds}
        own |= {where: str(self.peer / what) for where, what in binds.items() if (self.peer / what).is_dir()}
        lines = []
        for where, what in own.items():
            (self.root / where).mkdir(parents=True, exist_ok=True)
            lines.append(f"mount --rbind '{what}' '{self.root / where}'")
        return "\n".join([*lines, f"exec chroot '{self.root}' \"$@\""])


class Inetd:
    """
    Listens on a port of loopback and runs a command for each connection; its environment is made from the port that the
    client has.
    """

    def __init__(self, cell: Cell, command: Sequence[str], environment: Callable[[int], Mapping[str, str]]) -> None:
        self._cell = cell
        self._command = cell.command(*command)
        self._environment = environment
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._starting = threading.Lock()
        self._running: list[subprocess.Popen[bytes]] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def rest(self) -> None:
        """Waits for the sessions to have ended: a client that has quit may be ahead of the server."""
        with self._starting:
            running = list(self._running)
        for process in running:
            process.wait(30)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for process in self._running:
            process.kill()
            process.wait()

    def _serve(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:  # stopped
                return
            environment = self._cell.environment(self._environment(address[1]))
            with connection, self._cell.log.open("ab") as log, self._starting:
                self._running.append(
                    subprocess.Popen(self._command, stdin=connection, stdout=connection, stderr=log, env=environment)
                )
