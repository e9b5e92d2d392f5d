"""
A drop-in for the standard library's `poplib`, on poplin's client machine.

    from poplin import poplib

    pop = poplib.POP3_SSL("mail.example.org")
    pop.user("alice")
    pop.pass_("…")
    response, lines, octets = pop.retr(1)
    pop.quit()

Names, signatures (those of the running Python), what the methods return and what they raise are the standard module's.
A program that is not to be changed gets it from `install()`, called before the program imports `poplib`.

What differs, on purpose:

- Certificates and host names are verified where no context is given, by what the system trusts. The one switch is
  `verify_by_default`: False brings back the standard module's default, which verifies nothing.
- Without a time-out of the caller's or `socket.setdefaulttimeout`, 60 seconds hold (`DEFAULT_TIMEOUT`). `timeout=None`
  waits for ever, as it says.
- The lines of messages and listings may be of any length. `_MAXLINE` bounds the first line of a reply only. All of a
  reply, one message say, may have 1 GiB (`MAX_REPLY`).
- Control characters in an argument, CR and LF among them, raise an exception that is both an `error_proto` and a
  ValueError (which is what newer standard modules raise), and nothing is sent.
- Multi-line replies end with a dot on a line whose ends are CRLF, and nowhere else, and only dots at the start of such
  lines are removed: a message cannot pretend to be the next reply.
- A good reply begins with +OK: another word behind the plus sign is an error, but in the greeting and where AUTH is
  answered. A reply that was cut short by the end of the connection is an error, not a reply.
- What the server sends unasked, or in clear behind its reply to STLS, is an error and never the next reply.
- After an error that leaves open what the server's next octets answer (all but an -ERR), each further command raises
  `error_proto` and sends nothing, QUIT, which would commit deletions, among them. `quit` closes then.
- `set_debuglevel` and audit hooks are shown no password, digest or token, and where the server repeats one it is
  replaced.
- `stat` raises `error_proto` for a reply without two numbers, and `capa` reads whatever a server announces.
- `apop` takes only a timestamp of ASCII characters without a second "<", which leaves attacks on MD5 less room.
- A connection that could not be made, or whose greeting is no good, is closed.
"""

from __future__ import annotations

import builtins
import io
import os
import re
import socket
import sys
import warnings
from typing import TYPE_CHECKING

try:
    import ssl
except ImportError:
    HAVE_SSL = False
    if TYPE_CHECKING:  # a type checker has it
        raise
else:
    HAVE_SSL = True

from poplin._errors import Error
from poplin._poplib_machine import LINE_MAX, Lines, Machine, waiting

__all__ = ["POP3", "error_proto"]

POP3_PORT = 110
POP3_SSL_PORT = 995

CR = b"\r"
LF = b"\n"
CRLF = CR + LF

DEFAULT_TIMEOUT = 60.0
"""Seconds, where neither the caller nor `socket.setdefaulttimeout` says otherwise."""

MAX_REPLY = 1 << 30
"""Octets of a whole reply, a message say. In memory it takes several times that, as it is a list of lines."""

verify_by_default = True
"""Whether certificates are verified where no context is given. False is the standard module's way."""

_MAXLINE = 2048  # octets of the first line of a reply; programs assign to it
_PIECE = 1 << 16

_UNSET: float | None = socket._GLOBAL_DEFAULT_TIMEOUT  # type: ignore[attr-defined]
_CONTROL = re.compile(rb"[\0-\x1f\x7f]")

_Long = tuple[bytes, list[bytes], int]
_Path = str | os.PathLike[str]


class error_proto(Exception):  # noqa: N801  (the standard module's name)
    """
    Whatever a server says or does that is not +OK. The first argument is its line where there was one.

    >>> pop = poplib.POP3(server.host, server.port)
    >>> try:
    ...     pop.retr(1)
    ... except poplib.error_proto as error:
    ...     print(error)
    ... finally:
    ...     pop.close()
    b'-ERR log in first'
    """


class _BadLine(error_proto, ValueError):
    """An argument cannot be sent, or must not: it holds a control character, or is far too long."""


def install() -> None:
    """Have every `import poplib` from now on, in this process, find this module."""
    sys.modules["poplib"] = sys.modules[__name__]


def _timeout(given: float | None) -> float | None:
    if given is not _UNSET:
        return given
    default = socket.getdefaulttimeout()
    return DEFAULT_TIMEOUT if default is None else default


def _checked(line: bytes) -> bytes:
    if _CONTROL.search(line):
        raise _BadLine("Control characters not allowed in commands")
    if len(line) > LINE_MAX:
        raise _BadLine("command too long")
    return line


class POP3:
    """
    A connection to a POP3 server. Message numbers may be integers or strings. Commands that are answered by one line
    return that line, longer replies a tuple of the first line, a list of the others, and their octets on the wire.

    `sock` and `file` are the connection and what is read of it, `welcome` is the greeting.

    >>> pop = poplib.POP3(server.host, server.port)
    >>> _ = pop.user("alice"), pop.pass_("secret")
    >>> pop.stat()
    (2, 46)
    >>> pop.retr(1)
    (b'+OK 23 octets', [b'Subject: one', b'', b'hello'], 23)
    >>> _ = pop.quit()
    """

    encoding = "UTF-8"
    timestamp = re.compile(rb"\+OK[^<]*(<[!-;=?-~]{1,510}>)")

    # Subclasses that connect by themselves set `sock` and `file`, and do not call __init__.
    host: str
    port: int
    sock: socket.socket | None = None
    file: io.BufferedReader | None = None
    welcome: bytes
    _debugging: int = 0
    _tls_established = False
    _machine: Machine | None = None

    def __init__(self, host: str, port: int = POP3_PORT, timeout: float | None = _UNSET) -> None:
        self.host = host
        self.port = port
        self._tls_established = False
        self._machine = None
        sys.audit("poplib.connect", self, host, port)
        self.sock = self._create_socket(_timeout(timeout))
        self._debugging = 0
        try:
            self.file = self.sock.makefile("rb")
            self.welcome = self._getresp()
        except BaseException:
            self.close()
            raise

    def _create_socket(self, timeout: float | None) -> socket.socket:
        if timeout is not None and not timeout:
            raise ValueError("Non-blocking socket (timeout=0) is not supported")
        return socket.create_connection((self.host, self.port), timeout)

    # ---- lines ----

    def _talk(self) -> Machine:
        """The machine; an error where the connection is over."""
        if self.sock is None:
            raise error_proto("-ERR the connection is closed")
        if self._machine is None:
            secure = HAVE_SSL and isinstance(self.sock, ssl.SSLSocket)
            self._machine = Machine(secure, MAX_REPLY)
        if self._machine.broken:
            raise error_proto("-ERR the connection is unusable after the error before")
        return self._machine

    def _putline(self, line: bytes) -> None:
        machine = self._talk()
        _checked(line)
        shown = machine.masked(line)
        if self._debugging > 1:
            print("*put*", repr(shown))
        sys.audit("poplib.putline", self, shown)
        with _Exchange(machine):
            machine.sending(line, b"" if machine.due else waiting(self.sock, self.file))
            assert self.sock is not None
            self.sock.sendall(line + CRLF)

    def _putcmd(self, line: str) -> None:
        octets = _checked(self._octets(line))
        if self._debugging:
            print("*cmd*", repr(str(self._talk().masked(octets), self.encoding)))
        self._putline(octets)

    def _octets(self, text: str) -> bytes:
        try:
            return bytes(text, self.encoding)
        except UnicodeEncodeError as error:
            reason = error.reason  # the error itself holds the text, which may be a password
        raise _BadLine(f"{self.encoding} cannot carry an argument: {reason}")

    def _getline(self) -> tuple[bytes, int]:
        """A line without its end, and its octets with it."""
        limit = MAX_REPLY if self._machine and self._machine.in_content else _MAXLINE
        if self.file is None:
            raise error_proto("-ERR the connection is closed")
        line = self.file.readline(limit + 1)
        if len(line) > limit:
            raise error_proto("line too long")
        if self._debugging > 1:
            print("*get*", repr(self._machine.hidden(line) if self._machine else line))
        if not line.endswith(LF):
            raise error_proto("-ERR EOF")
        return line[: -2 if line.endswith(CRLF) else -1], len(line)

    def _getresp(self) -> bytes:
        return self._reply(multiline=False)

    def _getlongresp(self) -> _Long:
        response = self._reply(multiline=True)
        machine = self._talk()
        # Whoever has a _getline of their own is given each line, as is a file that only has readline, and what comes
        # behind this reply is not read with it where it may be the next one's.
        own = getattr(self._getline, "__func__", None) is not _getline or not hasattr(self.file, "read1")
        by_line = self._debugging > 1 or own or not machine.last
        content = Lines()
        with _Exchange(machine):
            while machine.in_content:
                data = self._content_line() if by_line else self._read()
                for piece in machine.content(data):
                    content.add(piece)
        return response, content.lines, content.octets

    def _content_line(self) -> bytes:
        """A line with its end, told by its octets: in content an LF alone ends nothing."""
        line, octets = self._getline()
        return line + (CRLF if octets > len(line) + 1 else LF)

    def _read(self) -> bytes:
        assert self.file is not None
        data = self.file.read1(_PIECE)
        if not data:
            raise error_proto("-ERR EOF")
        return data

    def _reply(self, multiline: bool) -> bytes:
        machine = self._talk()
        with _Exchange(machine):
            if not machine.greeted and not machine.due:
                return self._greeting(machine)
            machine.asking(multiline)
            line = self._getline()[0]
            good, line = machine.reply(line, waiting(self.sock, self.file) if machine.starting_tls else b"")
        if self._debugging > 1:
            print("*resp*", repr(line))
        if not good:
            raise error_proto(line)
        return line

    def _greeting(self, machine: Machine) -> bytes:
        line = self._getline()[0]
        try:
            machine.greeting(line)
        except Error:
            raise error_proto(line) from None
        return line

    def _shortcmd(self, line: str) -> bytes:
        self._putcmd(line)
        return self._getresp()

    def _longcmd(self, line: str) -> _Long:
        self._putcmd(line)
        return self._getlongresp()

    # ---- the methods ----

    def getwelcome(self) -> bytes:
        """The server's greeting."""
        return self.welcome

    def set_debuglevel(self, level: int) -> None:
        """Print commands (1), and all lines too (2), with secrets masked; 0 prints nothing."""
        self._debugging = level

    def user(self, user: str) -> bytes:
        """Say who logs in."""
        return self._shortcmd(f"USER {user}")

    def pass_(self, pswd: str) -> bytes:
        """Send the password, which locks the maildrop until `quit`."""
        return self._shortcmd(f"PASS {pswd}")

    def stat(self) -> tuple[int, int]:
        """How many messages there are, and their octets."""
        words = self._shortcmd("STAT").split()
        if self._debugging:
            print("*stat*", repr(words))
        if len(words) < 3 or not (words[1].isdigit() and words[2].isdigit()):
            raise error_proto(b" ".join(words))
        return int(words[1]), int(words[2])

    def list(self, which: object = None) -> bytes | _Long:
        """The sizes of all messages, "number octets" each, or the line for one."""
        return self._longcmd("LIST") if which is None else self._shortcmd(f"LIST {which}")

    def retr(self, which: object) -> _Long:
        """A whole message."""
        return self._longcmd(f"RETR {which}")

    def dele(self, which: object) -> bytes:
        """Mark a message, to be deleted at `quit`."""
        return self._shortcmd(f"DELE {which}")

    def noop(self) -> bytes:
        """Nothing, but the server answers."""
        return self._shortcmd("NOOP")

    def rset(self) -> bytes:
        """Take all marks away."""
        return self._shortcmd("RSET")

    def quit(self) -> bytes:
        """Leave: what was marked is deleted, the maildrop unlocked, the connection closed."""
        try:
            response = self._shortcmd("QUIT")
        except BaseException:
            if self._machine is not None and self._machine.broken:
                self.close()
            raise
        self.close()
        return response

    def close(self) -> None:
        """Close the connection without a word to the server: nothing is deleted."""
        file, self.file = self.file, None
        sock, self.sock = self.sock, None
        self._machine = None  # some connect again, by themselves
        try:
            if file is not None:
                file.close()
        finally:
            if sock is not None:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:  # the server has closed it, or a handshake that failed
                    pass
                finally:
                    sock.close()

    def rpop(self, user: str) -> bytes:
        """Send RPOP, of 1988."""
        return self._shortcmd(f"RPOP {user}")

    def apop(self, user: str, password: str) -> bytes:
        """Log in by APOP, where the greeting holds a timestamp."""
        found = self.timestamp.match(self.welcome)
        if not found:
            raise error_proto("-ERR APOP not supported by server")
        import hashlib

        digest = hashlib.md5(found[1] + self._octets(password)).hexdigest()
        return self._shortcmd(f"APOP {user} {digest}")

    def top(self, which: object, howmuch: object) -> _Long:
        """A message's header and so many lines of its body."""
        return self._longcmd(f"TOP {which} {howmuch}")

    def uidl(self, which: object = None) -> bytes | _Long:
        """The unique-ids of all messages, "number unique-id" each, or the line for one."""
        return self._longcmd("UIDL") if which is None else self._shortcmd(f"UIDL {which}")

    def utf8(self) -> bytes:
        """Ask for UTF-8 mode (RFC 6856)."""
        return self._shortcmd("UTF8")

    def capa(self) -> dict[str, builtins.list[str]]:
        """What the server announces (RFC 2449): names, with their parameters."""
        try:
            lines = self._longcmd("CAPA")[1]
        except error_proto:
            if self._machine is not None and self._machine.broken:
                raise
            raise error_proto("-ERR CAPA not supported by server") from None
        words = [line.decode("ascii", "surrogateescape").split() for line in lines]
        return {name: parameters for name, *parameters in filter(None, words)}

    def stls(self, context: ssl.SSLContext | None = None) -> bytes:
        """Start TLS on this connection (RFC 2595), with the context, or with a default one."""
        if not HAVE_SSL:
            raise error_proto("-ERR TLS support missing")
        if self._tls_established:
            raise error_proto("-ERR TLS session already established")
        if "STLS" not in self.capa():
            raise error_proto("-ERR STLS not supported by server")
        context = context or _default_context()
        response = self._shortcmd("STLS")
        assert self.sock is not None
        try:
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
        except BaseException:
            self.close()
            raise
        self.file = self.sock.makefile("rb")
        self._tls_established = True
        return response


_getline = POP3._getline


class _Exchange:
    """What goes wrong in it, while a reply is read, leaves open what comes next: the connection is of no more use."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._machine.broken = True
        if isinstance(error, Error):
            raise error_proto(str(error)) from None


if HAVE_SSL:

    def _default_context(certfile: _Path | None = None, keyfile: _Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not verify_by_default:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certfile is None and keyfile is not None:
            raise ValueError("certfile must be specified")
        if certfile is not None:
            context.load_cert_chain(certfile, keyfile)
        return context

    class _POP3OverTLS(POP3):
        """
        A connection under TLS from its first octet, with the context, or with a default one.

        >>> with poplin.testing.Server(tls="implicit") as secure:
        ...     context = ssl.create_default_context(cadata=secure.ca_pem)
        ...     pop = poplib.POP3_SSL(secure.host, secure.port, context=context)
        ...     print(pop.sock.version())
        ...     pop.close()
        TLSv1.3
        """

        context: ssl.SSLContext

        def _create_socket(self, timeout: float | None) -> socket.socket:
            sock = POP3._create_socket(self, timeout)
            try:
                return self.context.wrap_socket(sock, server_hostname=self.host)
            except BaseException:
                sock.close()
                raise

    if sys.version_info >= (3, 12):

        class POP3_SSL(_POP3OverTLS):  # noqa: N801
            def __init__(
                self,
                host: str,
                port: int = POP3_SSL_PORT,
                *,
                timeout: float | None = _UNSET,
                context: ssl.SSLContext | None = None,
            ) -> None:
                self.context = context or _default_context()
                POP3.__init__(self, host, port, timeout)

            def stls(self, context: ssl.SSLContext | None = None) -> bytes:
                """Refuse: there is TLS already."""
                raise error_proto("-ERR TLS session already established")

    else:

        class POP3_SSL(_POP3OverTLS):  # noqa: N801
            def __init__(
                self,
                host: str,
                port: int = POP3_SSL_PORT,
                keyfile: _Path | None = None,
                certfile: _Path | None = None,
                timeout: float | None = _UNSET,
                context: ssl.SSLContext | None = None,
            ) -> None:
                for name, given in (("keyfile", keyfile), ("certfile", certfile)):
                    if context is not None and given is not None:
                        raise ValueError(f"context and {name} arguments are mutually exclusive")
                if keyfile is not None or certfile is not None:
                    words = "keyfile and certfile are deprecated, use a custom context instead"
                    warnings.warn(words, DeprecationWarning, 2)
                self.keyfile = keyfile
                self.certfile = certfile
                self.context = context or _default_context(certfile, keyfile)
                POP3.__init__(self, host, port, timeout)

            def stls(  # type: ignore[override]
                self,
                keyfile: _Path | None = None,
                certfile: _Path | None = None,
                context: ssl.SSLContext | None = None,
            ) -> bytes:
                """Refuse: there is TLS already."""
                raise error_proto("-ERR TLS session already established")

    __all__ += ["POP3_SSL"]
