"""Answers a server's questions by asking the script's backend."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from poplin import _bodies, _core
from poplin._calls import Calls, Settle, Strand
from poplin._errors import AuthError, InUse, Refused, Temporary

_STATUSES: tuple[tuple[type[Refused], int], ...] = (
    (AuthError, _core.AUTH),
    (InUse, _core.IN_USE),
    (Temporary, _core.TEMPORARY),
    (Refused, _core.REFUSED),
)


class Answers:
    """One server's backend. Everything but the backend's own methods runs on the server's thread."""

    def __init__(self, backend: Any, core: _core.Server, calls: Calls, note: Callable[[BaseException], None]) -> None:
        """note: keeps an exception for the server's owner."""
        self._core = core
        self._calls = calls
        self._note = note
        self._maildrop: Callable[[str], Any] = _method(backend, "maildrop")
        self._has_password = hasattr(backend, "password")
        self._check: Callable[..., Any] = _method(backend, "password" if self._has_password else "authenticate")
        self._table: dict[int, Callable[..., None]] = {
            _core.QUESTION_CHECK: self._on_check,
            _core.QUESTION_MAILDROP: self._on_maildrop,
            _core.QUESTION_BODY: self._on_body,
            _core.QUESTION_PIECE: self._on_piece,
            _core.QUESTION_PIECES_DONE: self._on_pieces_done,
            _core.QUESTION_COMMIT: self._on_commit,
            _core.QUESTION_CLOSE: self._on_close,
            _core.QUESTION_PROBLEM: note,
        }

    def to(self, question: tuple[Any, ...]) -> None:
        """Answers a question, now or later."""
        self._table[question[0]](*question[1:])

    # ---- the questions ----

    def _on_check(self, request: int, user: bytes, password: bytes) -> None:
        try:
            name, secret = user.decode("utf-8"), password.decode("utf-8")
        except UnicodeDecodeError:
            self._core.refuse(request, _core.AUTH, None)
            return
        if self._has_password:
            self._calls.run(
                lambda: self._check(name), self._reply(request, lambda known: self._compare(request, known, secret))
            )
        else:
            self._calls.run(
                lambda: self._check(name, secret), self._reply(request, lambda good: self._judge(request, good))
            )

    def _compare(self, request: int, known: Any, given: str) -> None:
        if known is not None and not isinstance(known, str):
            raise TypeError(f"password() must return a str or None, not {type(known).__name__}")
        # No text fails to be encoded so: the exception would hold it, and be kept.
        octets = None if known is None else known.encode("utf-8", "surrogatepass")
        self._judge(request, octets is not None and hmac.compare_digest(octets, given.encode("utf-8")))

    def _judge(self, request: int, good: Any) -> None:
        if not isinstance(good, bool):
            raise TypeError(f"authenticate() must return a bool, not {type(good).__name__}")
        if good:
            self._core.accept(request)
        else:
            self._core.refuse(request, _core.AUTH, None)

    def _on_maildrop(self, request: int, user: bytes) -> None:
        name = user.decode("utf-8")
        self._calls.run(lambda: self._maildrop(name), self._reply(request, lambda drop: self._list(request, drop)))

    def _list(self, request: int, drop: Any) -> None:
        strand = Strand(drop, self._calls)

        def listing() -> Any:
            entries = drop.list()
            return entries if isinstance(entries, Future) else list(entries)

        def settle(entries: Any, error: BaseException | None) -> None:
            opened = False

            def give(entries: Any) -> None:
                nonlocal opened
                opened = self._core.open(request, strand, list(entries))

            self._reply(request, give)(entries, error)
            if not opened:
                self._on_close(strand)

        strand.run(listing, settle)

    def _on_body(self, request: int, strand: Strand, uid: str) -> None:
        strand.run(
            lambda: strand.drop.retr(uid),
            self._reply(request, lambda body: _bodies.give(self._core, request, strand, body)),
        )

    def _on_piece(self, request: int, pieces: _bodies.FilePieces | _bodies.IteratorPieces) -> None:
        pieces.strand.run(pieces.next, self._reply(request, lambda piece: self._core.piece(request, *piece)))

    def _on_pieces_done(self, pieces: _bodies.FilePieces | _bodies.IteratorPieces) -> None:
        pieces.strand.run(pieces.close, self._told)

    def _on_commit(self, request: int, strand: Strand, uids: list[str]) -> None:
        strand.run(lambda: strand.drop.dele(uids), self._reply(request, lambda _: self._core.accept(request)))

    def _on_close(self, strand: Strand, outcome: int = 0) -> None:
        del outcome  # the maildrop's `dele` has told it all
        close = getattr(strand.drop, "close", None)
        if close is not None:
            strand.run(close, self._told)

    # ---- the answers ----

    def _reply(self, request: int, give: Callable[[Any], object]) -> Settle:
        """What gives an answer, or refuses with what was raised."""

        def settle(value: Any, error: BaseException | None) -> None:
            if error is None:
                try:
                    give(value)
                    return
                except BaseException as raised:  # what was returned is the script's too
                    error = raised
            self._refuse(request, error)

        return settle

    def _refuse(self, request: int, error: BaseException) -> None:
        for kind, status in _STATUSES:
            if isinstance(error, kind):
                self._core.refuse(request, status, _words(error))
                return
        self._note(error)
        self._core.refuse(request, _core.TEMPORARY, None)

    def _told(self, value: Any, error: BaseException | None) -> None:
        """After a call that has no answer."""
        del value
        if error is not None:
            self._note(error)


def _words(error: BaseException) -> str | None:
    """What an answer tells the client."""
    try:
        text = str(error)
    except BaseException:
        return None
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in text) or None


def _method(backend: Any, name: str) -> Callable[..., Any]:
    method = getattr(backend, name, None)
    if not callable(method):
        wanted = "maildrop()" if name == "maildrop" else "password() or authenticate()"
        raise TypeError(f"a backend needs a method {wanted}; {type(backend).__name__} has none")
    return method  # type: ignore[no-any-return]
