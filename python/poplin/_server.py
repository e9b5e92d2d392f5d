"""The server: a script's backend behind it, on a thread of its own."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from poplin import _core
from poplin._answers import Answers
from poplin._backend import Backend
from poplin._calls import Calls, Workers
from poplin._connect import milliseconds
from poplin._errors import StateError

ERRORS_KEPT = 1000  # a hostile peer can provoke errors without end
STOP_PATIENCE = 5.0  # seconds that exit waits for a callback that does not return


class Server:
    """
    A POP3 server whose mailboxes are a script's own objects: see `poplin.Backend` and `poplin.Maildrop` for theirs.

    It listens from its construction on, so `port` and `url` are known at once; `start`, or entering the context, begins
    to serve, on a thread that calls the backend. `stop`, or leaving the context, ends it: open sessions are closed
    and delete nothing. A forgotten server is stopped at exit.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        path: str | os.PathLike[str] | None = None,
        tls: Literal["auto", "implicit", "stls", "never"] = "auto",
        cert_file: str | os.PathLike[str] | None = None,
        key_file: str | os.PathLike[str] | None = None,
        cert_pem: str | None = None,
        key_pem: str | None = None,
        workers: int = 0,
        on_error: Callable[[BaseException], object] | None = None,
        exclusive: bool = True,
        greeting: str = "poplin ready",
        inactivity: float = 600.0,
        max_sessions: int | None = None,
        allow_cleartext: bool = False,
        loopback_protected: bool = True,
    ) -> None:
        """
        backend: an object with `maildrop` and at least one of `password` and `authenticate`.
        host, port: an IP address or "localhost" to listen on, and a port; 0: one that is free.
        path: a Unix socket instead.
        tls: "implicit" (from the first octet), "stls" (when the client asks), "never"; "auto" is implicit where there
            is a certificate, else never.
        cert_file, key_file: PEM files (the key may be in cert_file); or cert_pem, key_pem: PEM text.
        workers: threads on which the backend's methods run, so that a slow one holds up nobody; 0: the server's own.
            A method that is itself a client of this server needs them, one more than run at once.
        on_error: called, on the server's thread, with each exception that is also kept in `errors`.
        exclusive: one session at a time for a user (RFC 1939 demands it); others are refused as InUse.
        inactivity: seconds after which a silent client is left (RFC 1939 wants 600 at least).
        max_sessions: more at once are turned away.
        allow_cleartext: let passwords come in clear over a network.
        loopback_protected: False treats a loopback address or Unix socket like any network.

        NetworkError: the address cannot be listened on. CertificateError: certificate or key cannot be used.
        TypeError, ValueError: the arguments do not fit together, or the backend has too few methods.
        """
        credentials = _identity(cert_file, key_file, cert_pem, key_pem)
        mode = _mode(tls, credentials is not None)
        settings: dict[str, object] = {
            "host": host,
            "port": port,
            "tls": mode,
            "lock": _core.LOCK_EXCLUSIVE if exclusive else _core.LOCK_NONE,
            "greeting": greeting,
            "inactivity_ms": milliseconds("inactivity", inactivity),
            "allow_cleartext": allow_cleartext,
            "loopback_protected": loopback_protected,
        }
        if path is not None:
            settings["path"] = os.fsencode(path)
        if max_sessions is not None:
            settings["max_sessions"] = max_sessions
        self._on_error = on_error
        self._errors: deque[BaseException] = deque(maxlen=ERRORS_KEPT)
        self._own = threading.local()
        self._workers = Workers(workers, self._mark_own)
        self._late: deque[Callable[[], None]] = deque()
        self._ended = False
        self._lock = threading.Lock()
        self._core = _core.Server(settings, credentials)
        self._answers = Answers(backend, self._core, Calls(self._workers, self._post), self._note)
        self._host = host
        self._path = None if path is None else Path(path)
        self._port = self._core.port()
        self._scheme = "pop3s" if mode == _core.TLS_IMPLICIT else "pop3"
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._stopping = False

    # ---- what is known of it ----

    @property
    def host(self) -> str:
        """The address that it listens on."""
        return self._host

    @property
    def port(self) -> int:
        """The port that it listens on; 0 for a Unix socket."""
        return self._port

    @property
    def path(self) -> Path | None:
        """The Unix socket that it listens on, or None."""
        return self._path

    @property
    def url(self) -> str:
        """What to give to `poplin.connect`. StateError: on a Unix socket, for which there is no URL; use `path`."""
        if self._path is not None:
            raise StateError("a server on a Unix socket has no URL; connect with path=")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self._port}"

    @property
    def errors(self) -> list[BaseException]:
        """
        What went wrong in the backend, oldest first, the last 1,000: exceptions of its methods, wrong types, messages
        of another size than listed. The client was told [SYS/TEMP] where it waited for an answer.
        """
        return list(self._errors)

    # ---- beginning and ending ----

    def start(self) -> None:
        """Serve, on a thread of its own. StateError: it was started or stopped before."""
        if self._thread is not None or self._stopping:
            raise StateError("this server was started or stopped before")
        self._core.start()
        self._workers.start()
        thread = threading.Thread(target=self._serve, name=f"poplin-server-{self._port}", daemon=True)
        self._thread = thread
        try:
            thread.start()
        except RuntimeError:  # this interpreter has, or may have, no more threads
            self._thread = None
            raise
        _running.add(self)

    def stop(self) -> None:
        """
        End the server: open sessions are closed, and what they had marked is not deleted. Returns when the last of
        the backend's methods has; called by one of those, at once. Stopping twice is peaceful.
        """
        self._stop(None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = str(self._path) if self._path is not None else self.url
        state = "stopped" if self._stopping else "listening" if self._thread is None else "serving"
        return f"<poplin.Server {where}, {state}>"

    def _stop(self, patience: float | None) -> None:
        self._stopping = True
        if os.getpid() != self._process:
            return
        until = None if patience is None else time.monotonic() + patience
        if self._thread is None:
            self._core.close()
        else:
            self._core.wake()
            self._join(self._thread, until)
        self._workers.stop()
        for thread in self._workers.threads:
            self._join(thread, until)

    def _join(self, thread: threading.Thread, until: float | None) -> None:
        # A thread of the server's own does not wait for itself, nor for another, which may be waiting for it.
        if thread.ident is not None and not getattr(self._own, "thread", False):
            thread.join(None if until is None else max(0.0, until - time.monotonic()))

    # ---- the thread ----

    def _serve(self) -> None:
        self._mark_own()
        while not self._stopping:
            self._answer(self._core.wait())
            self._catch_up()
        self._core.close()
        while (question := self._core.take()) is not None:
            self._answer(question)
        with self._lock:
            self._ended = True
        self._catch_up()

    def _answer(self, question: tuple[object, ...] | None) -> None:
        # Nothing that a script's objects do, an exception whose __str__ raises say, may end the thread.
        try:
            if question is not None:
                self._answers.to(question)
        except BaseException as error:
            self._note(error)

    def _mark_own(self) -> None:
        """Notes that this thread is one of the server's, which must not wait for itself."""
        self._own.thread = True

    def _catch_up(self) -> None:
        """Settles what other threads have finished."""
        while self._late:
            try:
                self._late.popleft()()
            except BaseException as error:
                self._note(error)

    def _post(self, settle: Callable[[], None]) -> None:
        """From any thread: has something settled by the server's own; after its end, here."""
        with self._lock:
            if not self._ended:
                self._late.append(settle)
                self._core.wake()
                return
        settle()

    def _note(self, error: BaseException) -> None:
        self._errors.append(error)
        if self._on_error is not None:
            try:
                self._on_error(error)
            except BaseException as another:
                self._errors.append(another)


def _mode(tls: str, certified: bool) -> int:
    modes = {
        "auto": _core.TLS_IMPLICIT if certified else _core.TLS_NEVER,
        "implicit": _core.TLS_IMPLICIT,
        "stls": _core.TLS_STLS,
        "never": _core.TLS_NEVER,
    }
    if tls not in modes:
        raise ValueError(f"tls must be 'auto', 'implicit', 'stls' or 'never', not {tls!r}")
    if certified == (modes[tls] == _core.TLS_NEVER):
        raise ValueError(f"tls={tls!r} with{'' if certified else 'out'} a certificate: which of the two is meant?")
    return modes[tls]


def _identity(
    cert_file: str | os.PathLike[str] | None,
    key_file: str | os.PathLike[str] | None,
    cert_pem: str | None,
    key_pem: str | None,
) -> _core.Credentials | None:
    if cert_file is None and cert_pem is None:
        if key_file is not None or key_pem is not None:
            raise ValueError("a key without a certificate")
        return None
    if cert_file is not None and (cert_pem is not None or key_pem is not None):
        raise ValueError("cert_file= with key_file=, or cert_pem= with key_pem=, not both")
    settings: dict[str, object] = {"server": True}
    files = {"cert_file": cert_file, "key_file": key_file}
    settings |= {name: os.fsencode(file) for name, file in files.items() if file is not None}
    settings |= {name: pem for name, pem in {"cert_pem": cert_pem, "key_pem": key_pem}.items() if pem is not None}
    return _core.Credentials(settings)


_running: weakref.WeakSet[Server] = weakref.WeakSet()


@atexit.register
def _stop_forgotten() -> None:
    for server in list(_running):
        server._stop(STOP_PATIENCE)
