"""
Clients of others' parts, for mechanisms that no whole client of Debian has: the few words of POP3 said here carry the
exchange of GNU SASL's gsasl over s_client of OpenSSL, or that of Python's scramp over Python's ssl.

Both bind SCRAM-...-PLUS to the connection: gsasl by tls-exporter, which s_client prints, and scramp by
tls-server-end-point, which it works out from the server's certificate. Neither program is ours, nor is their TLS.
"""

import base64
import contextlib
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

from scramp import ScramClient, ScramException

PATIENCE = 60


@dataclass(frozen=True)
class Login:
    """What a client is told: where, whom to trust, who it is, and how it is to say so."""

    port: int
    ca_file: Path
    mechanism: str
    user: str
    secret: str
    """A password or a token."""

    certificate: Path | None = None
    """The client's, with its key; only for EXTERNAL."""


class RefusedError(Exception):
    """The server said no, or the client does not believe the server."""


# ---- POP3, as far as it takes ----


class Talk:
    """A conversation in lines."""

    def __init__(self, sending: IO[bytes], receiving: IO[bytes]) -> None:
        self._sending = sending
        self._receiving = receiving

    def read(self) -> str:
        line = self._receiving.readline()
        if not line:
            raise RefusedError("the connection is closed")
        return line.decode().rstrip("\r\n")

    def ask(self, line: str) -> str:
        self._sending.write(line.encode() + b"\r\n")
        self._sending.flush()
        return self.read()

    def demand(self, line: str) -> None:
        reply = self.ask(line)
        if not reply.startswith("+OK"):
            raise RefusedError(reply)

    def rest(self) -> bytes:
        """What follows +OK, to the line that is a dot."""
        return b"".join(line.removeprefix(".").encode() + b"\r\n" for line in iter(self.read, "."))

    def fetch(self) -> bytes:
        """The first message; then it says QUIT."""
        self.demand("RETR 1")
        mail = self.rest()
        self.demand("QUIT")
        return mail


class Exchange(Protocol):
    """A client's half of a mechanism; messages are in base64."""

    def first(self) -> str | None:
        """The initial response, None where the mechanism has none."""

    def answer(self, challenge: str) -> str:
        """RefusedError: the client has had enough."""

    def finish(self) -> None:
        """The server is content. RefusedError: the client is not."""


def authenticate(talk: Talk, mechanism: str, exchange: Exchange, initial_response: bool) -> None:
    """AUTH, in one line or in two."""
    first = exchange.first()
    line = f"AUTH {mechanism}"
    if initial_response:
        assert first is not None
        reply = talk.ask(f"{line} {first or '='}")
    else:
        reply = talk.ask(line)
        if first is not None and reply.startswith("+ "):
            reply = talk.ask(first)
    while reply.startswith("+ "):
        reply = talk.ask(exchange.answer(reply[2:]))
    if not reply.startswith("+OK"):
        raise RefusedError(reply)
    exchange.finish()


# ---- gsasl over s_client ----


@contextlib.contextmanager
def tunnel(login: Login, mode: Literal["implicit", "stls"]) -> Iterator[tuple[Talk, str]]:
    """TLS 1.3 by OpenSSL; a conversation that begins behind the greeting, and what tls-exporter binds to, in base64."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{login.port}", "-servername", "localhost"]
    command += ["-verify_return_error", "-verify_hostname", "localhost", "-CAfile", str(login.ca_file)]
    command += ["-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32", "-nocommands", "-ign_eof"]
    command += ["-tls1_3"]  # below it s_client exports something else: without a context, not with an empty one
    command += ["-starttls", "pop3"] if mode == "stls" else []
    command += ["-cert", str(login.certificate), "-key", str(login.certificate)] if login.certificate else []
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        talk = Talk(process.stdin, process.stdout)
        while not (found := re.fullmatch(r" *Keying material: (\w+)", talk.read())):
            pass
        exporter = base64.b64encode(bytes.fromhex(found[1])).decode()
        reply = talk.ask("CAPA") if mode == "stls" else ""  # the greeting is s_client's where that says STLS
        while not reply.startswith("+OK"):  # it prints tickets too, which come first
            reply = talk.read()
        if mode == "stls":
            talk.rest()
        yield talk, exporter
    finally:
        process.kill()
        process.communicate()


class Gsasl:
    """gsasl at one exchange, as the client: a line in, a line out."""

    def __init__(self, login: Login, exporter: str | None) -> None:
        """exporter: what it binds to, if anything."""
        identity = {
            "EXTERNAL": ["-z", login.user],
            "ANONYMOUS": ["-n", login.user],
        }.get(login.mechanism, ["-a", login.user, "-p", login.secret])
        binding = [] if exporter is not None else ["--no-cb"]
        self._process = subprocess.Popen(
            ["gsasl", "--client", "--no-starttls", "-d", "-m", login.mechanism, *identity, *binding],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        assert self._read() == login.mechanism
        self._server_first = login.mechanism == "CRAM-MD5"
        if exporter is not None:
            self._write(exporter)
        self._first = self._read()

    def __enter__(self) -> "Gsasl":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def _read(self) -> str:
        """What it says, perhaps behind its questions for bindings."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RefusedError("gsasl does not believe the server")
        return line.rstrip("\n").rpartition(": ")[2]

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")

    def first(self) -> str | None:
        return None if self._server_first else self._first

    def answer(self, challenge: str) -> str:
        with contextlib.suppress(BrokenPipeError):  # it has ended, and what is read says so
            self._write(challenge)
        return self._read()

    def finish(self) -> None:
        self._process.communicate("\n", timeout=PATIENCE)
        if self._process.returncode != 0:
            raise RefusedError("gsasl does not believe the server")


def by_gsasl(
    login: Login,
    *,
    mode: Literal["implicit", "stls"] = "implicit",
    initial_response: bool = False,
) -> bytes:
    """Logs in, fetches a message and says QUIT."""
    with tunnel(login, mode) as (talk, exporter):
        with Gsasl(login, exporter if login.mechanism.endswith("-PLUS") else None) as exchange:
            authenticate(talk, login.mechanism, exchange, initial_response)
        return talk.fetch()


# ---- scramp over Python's ssl ----


class Scramp:
    """SCRAM of a library that has both sides, and is not ours."""

    def __init__(self, login: Login, connection: ssl.SSLSocket, could_bind: bool) -> None:
        binds = could_bind or login.mechanism.endswith("-PLUS")
        binding = ("tls-server-end-point", connection) if binds else None
        self._client = ScramClient([login.mechanism], login.user, login.secret, channel_binding=binding)
        self._finished = False

    def first(self) -> str:
        return _encode(self._client.get_client_first())

    def answer(self, challenge: str) -> str:
        message = base64.b64decode(challenge).decode()
        try:
            if message.startswith("r="):
                self._client.set_server_first(message)
                return _encode(self._client.get_client_final())
            self._client.set_server_final(message)
        except ScramException as error:
            raise RefusedError(str(error)) from error
        self._finished = True
        return ""

    def finish(self) -> None:
        if not self._finished:
            raise RefusedError("the server has proved nothing")


def _encode(message: str) -> str:
    return base64.b64encode(message.encode()).decode()


def by_scramp(
    login: Login,
    *,
    initial_response: bool = False,
    could_bind: bool = False,
    tls: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
) -> bytes:
    """
    Logs in, fetches a message and says QUIT. Without -PLUS, could_bind has it say that it has seen no -PLUS, though it
    would have known what to do with one: the flag y.
    """
    context = ssl.create_default_context(cafile=str(login.ca_file))
    context.maximum_version = tls
    with (
        socket.create_connection(("127.0.0.1", login.port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
        connection.makefile("rwb") as stream,
    ):
        talk = Talk(stream, stream)
        talk.read()
        authenticate(talk, login.mechanism, Scramp(login, connection, could_bind), initial_response)
        return talk.fetch()
