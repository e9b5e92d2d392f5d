"""
A POP3 server of others' parts: s_server of OpenSSL for TLS, gsasl of GNU SASL for AUTH, and the few words of POP3 that
stand between them.

gsasl knows nothing of the connection: what SCRAM-...-PLUS is bound to it asks for, and s_server prints that.
"""

import base64
import re
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

MESSAGES = {"PLAIN": 1, "LOGIN": 2, "CRAM-MD5": 1}
"""How many messages the client has to say; 3 in all the others, SCRAM."""


LISTEN = ["-accept", "127.0.0.1:0", "-naccept", "1"]
EXPORT = ["-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"]


class Gsasl:
    """gsasl at one exchange, as the server: a line in, a line out."""

    def __init__(self, mechanism: str, password: str, exporter: bytes) -> None:
        self.left = MESSAGES.get(mechanism, 3)
        self._exporter = base64.b64encode(exporter).decode()
        self._binds = mechanism.endswith("-PLUS")
        self._process = subprocess.Popen(
            ["gsasl", "--server", "--no-starttls", "-d", "-m", mechanism, "-p", password],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        assert self.read() == mechanism

    def read(self) -> str:
        """What it says, perhaps behind its question for the binding; nothing more, where it has failed."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip().rpartition(": ")[2]

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        if self._binds:
            self._process.stdin.write(self._exporter + "\n")
            self._binds = False
        self.left -= 1

    def accepts(self) -> bool:
        """Whether it lets the client in."""
        self._process.communicate("\n", timeout=20)
        return self._process.returncode == 0


class GsaslServer:
    """Takes one connection, under TLS. A context manager: its end waits for the connection's."""

    def __init__(self, identity: Path, mechanisms: str, password: str) -> None:
        self._mechanisms = mechanisms
        self._password = password
        self._exporter = b""
        self._process = subprocess.Popen(
            ["openssl", "s_server", *LISTEN, *EXPORT, "-cert", identity, "-key", identity],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input: IO[bytes] = self._process.stdin
        self._output: IO[bytes] = self._process.stdout
        self.port = int(self._await(rb"ACCEPT .*:(\d+)")[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.join(20)
        self._process.kill()
        self._process.communicate()
        assert not self._thread.is_alive()

    def _await(self, pattern: bytes) -> re.Match[bytes]:
        for line in self._output:
            if found := re.match(pattern, line.strip()):
                return found
        raise EOFError(pattern)

    def _say(self, text: str) -> None:
        """In one piece: s_server takes some letters at a beginning as commands of its own, but not "+" and "-"."""
        self._input.write(text.encode() + b"\r\n")
        self._input.flush()

    def _serve(self) -> None:
        self._exporter = bytes.fromhex(self._await(rb"Keying material: (\w+)$")[1].decode())
        self._say("+OK")
        for line in self._output:
            verb, *words = line.decode().split()
            if verb == "CAPA":
                self._say(f"+OK\r\nSASL {self._mechanisms}\r\n.")
            elif verb == "AUTH":
                self._say("+OK in" if self._authenticate(*words) else "-ERR no")
            elif verb == "QUIT":
                self._say("+OK bye")
            else:
                return  # s_server's own last words

    def _authenticate(self, mechanism: str, response: str | None = None) -> bool:
        sasl = Gsasl(mechanism, self._password, self._exporter)
        challenge = sasl.read()
        if response is not None:
            sasl.write(response)
        while sasl.left > 0:
            challenge = sasl.read() if response is not None else challenge
            if response is not None and challenge == "":  # it has failed
                break
            self._say(f"+ {challenge}")
            response = self._output.readline().decode().strip()
            if response == "*":
                break
            sasl.write(response)
        return sasl.accepts()
