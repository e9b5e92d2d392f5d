"""Answers a server's questions by asking the script's backend."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from types import CoroutineType
from typing import Any

from poplin import _bodies, _core
from poplin._backend import Outcome
from poplin._calls import Calls, Held, Settle, Strand
from poplin._conversation import secret_octets
from poplin._errors import AuthError, Error, InUse, Refused, Temporary
from poplin._logins import login_methods
from poplin._maildir import Maildir
from poplin._offers import days_of

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
        self._held = Held()
        self._maildrop: Callable[[str], Any] = backend.maildrop
        self._logins = login_methods(backend)
        self._by_user = core.by_user()
        self._login_failed: Callable[[str, str], Any] | None = getattr(backend, "login_failed", None)
        self._table: dict[int, Callable[..., None]] = {
            _core.QUESTION_CHECK: self._on_check,
            _core.QUESTION_SECRET: self._on_secret,
            _core.QUESTION_TOKEN: self._on_token,
            _core.QUESTION_LOGIN_FAILED: self._on_login_failed,
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
        self._ask_judge("authenticate", request, user, password)

    def _on_token(self, request: int, user: bytes | None, token: bytes) -> None:
        self._ask_judge("token", request, user, token)

    def _on_secret(self, request: int, user: bytes) -> None:
        try:
            name = user.decode("utf-8")
        except UnicodeDecodeError:
            self._core.refuse(request, _core.AUTH, None)
            return
        if "password" in self._logins:
            ask = self._logins["password"]
            self._calls.run(lambda: ask(name), self._reply(request, lambda known: self._give(request, name, known)))
        else:
            self._ask_keys(request, name)

    def _on_login_failed(self, user: str, address: str) -> None:
        tell = self._login_failed
        if tell is not None:
            self._calls.run(lambda: tell(user, address), self._told)

    def _on_maildrop(self, request: int, user: bytes) -> None:
        name = user.decode("utf-8")
        self._calls.run(lambda: self._maildrop(name), self._reply(request, lambda drop: self._list(request, drop)))

    def _list(self, request: int, drop: Any) -> None:
        strand = Strand(drop, self._calls)
        terms: dict[str, Any] = {}
        if isinstance(drop, Maildir) and drop.failure is not None:
            self._note(drop.failure)

        def listing() -> Any:
            terms.update({name: getattr(drop, name, None) for name in self._by_user})
            entries = drop.list()
            return entries if isinstance(entries, Future | CoroutineType) else list(entries)

        def settle(entries: Any, error: BaseException | None) -> None:
            opened = False

            def give(entries: Any) -> None:
                nonlocal opened
                expire = terms.get("expire")
                days = None if expire is None else days_of(expire)
                number = self._held.put(strand)
                try:
                    opened = self._core.open(request, number, list(entries), terms.get("login_delay"), days)
                finally:
                    if not opened:
                        self._held.take(number)

            self._reply(request, give)(entries, error)
            if not opened:
                self._close(strand, "failed", None)

        strand.run(listing, settle)

    def _on_body(self, request: int, number: int, uid: str) -> None:
        strand: Strand = self._held[number]
        strand.run(
            lambda: strand.drop.retr(uid),
            self._reply(request, lambda body: _bodies.give(self._core, self._held, request, strand, body)),
        )

    def _on_piece(self, request: int, number: int) -> None:
        pieces: _bodies.Pieces = self._held[number]
        pieces.strand.run(pieces.next, self._reply(request, lambda piece: self._core.piece(request, *piece)))

    def _on_pieces_done(self, number: int) -> None:
        pieces: _bodies.Pieces = self._held.take(number)
        pieces.strand.run(pieces.close, self._told)

    def _on_commit(self, request: int, number: int, uids: list[str]) -> None:
        strand: Strand = self._held[number]
        if not hasattr(strand.drop, "dele"):
            self._core.refuse(request, _core.REFUSED, "this maildrop deletes nothing")
            return
        strand.run(lambda: strand.drop.dele(uids), self._reply(request, lambda _: self._core.accept(request)))

    def _on_close(self, number: int, outcome: Outcome, error: Error | None) -> None:
        self._close(self._held.take(number), outcome, error)

    def _close(self, strand: Strand, outcome: Outcome, error: Error | None) -> None:
        close = getattr(strand.drop, "close", None)
        if close is not None:
            strand.run(lambda: close(outcome, error), self._told)

    # ---- who logs in ----

    def _ask_judge(self, method: str, request: int, user: bytes | None, proof: bytes) -> None:
        """Asks a method that says whether a password or token is good."""
        try:
            name, shown = user if user is None else user.decode("utf-8"), proof.decode("utf-8")
        except UnicodeDecodeError:
            self._core.refuse(request, _core.AUTH, None)
            return
        ask = self._logins[method]
        self._calls.run(
            lambda: ask(name, shown), self._reply(request, lambda good: self._judge(method, request, name, good))
        )

    def _judge(self, method: str, request: int, name: str | None, good: Any) -> None:
        if isinstance(good, str):
            self._core.accept(request, _login_name(method, good))
        elif not isinstance(good, bool):
            raise TypeError(f"{method}() must return a bool or the user's name, not {type(good).__name__}")
        elif not good:
            self._core.refuse(request, _core.AUTH, None)
        elif name is None:
            raise ValueError(f"{method}() must return the user's name where the client gives none")
        else:
            self._core.accept(request)

    def _give(self, request: int, name: str, known: Any) -> None:
        """Answers with the password, if there is one."""
        if known is None:
            self._ask_keys(request, name)
        elif isinstance(known, str):
            # No text fails to be encoded so: the exception would hold it, and be kept.
            self._core.secret(request, known.encode("utf-8", "surrogatepass"))
        else:
            raise TypeError(f"password() must return a str or None, not {type(known).__name__}")

    def _ask_keys(self, request: int, name: str) -> None:
        if "scram_keys" in self._logins:
            ask = self._logins["scram_keys"]
            self._calls.run(lambda: ask(name), self._reply(request, lambda known: self._give_keys(request, known)))
        else:
            self._core.refuse(request, _core.AUTH, None)

    def _give_keys(self, request: int, known: Any) -> None:
        if known is None:
            self._core.refuse(request, _core.AUTH, None)
        elif isinstance(known, str):
            self._core.keys(request, known.encode("utf-8", "surrogatepass"))
        else:
            raise TypeError(f"scram_keys() must return a str or None, not {type(known).__name__}")

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


def _login_name(method: str, name: str) -> bytes:
    if not name:
        raise ValueError(f"{method}() returned an empty name")
    return secret_octets(f"the name that {method}() returned", name)
