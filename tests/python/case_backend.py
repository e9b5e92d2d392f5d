"""The backends of the cases: methods that answer as a case says, and note what they were asked."""

import asyncio
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import poplin
from cases import FORMAT, check_keys, octets

LOGINS = ("password", "scram_keys", "authenticate", "token", "login_failed")
REFUSALS: dict[str, type[poplin.Refused]] = {
    "in_use": poplin.InUse,
    "temporary": poplin.Temporary,
    "refused": poplin.Refused,
    "auth": poplin.AuthError,
}
KINDS = {
    poplin.ProtocolError: "protocol",
    poplin.Refused: "refused",
    poplin.AuthError: "auth",
    poplin.InUse: "in_use",
    poplin.Temporary: "temporary",
    poplin.TLSError: "tls",
    poplin.CertificateError: "certificate",
    poplin.Timeout: "timeout",
    poplin.ConnectionLost: "closed",
    poplin.NetworkError: "io",
    poplin.LimitExceeded: "limit",
    poplin.StateError: "state",
    poplin.Cancelled: "cancelled",
    poplin.Unsupported: "unsupported",
}
"""What Lua's errors call them."""

_POOL = ThreadPoolExecutor(1)


class Broken(Exception):
    """What a case has a backend raise."""


def is_form(answer: Any) -> bool:
    return isinstance(answer, dict) and bool(answer.keys() & set(FORMAT["answers"]))


class Plan:
    """What the methods answer, and what they were asked, as arrays of method and arguments."""

    def __init__(self, text: dict[str, Any], face: str, folder: Any) -> None:
        self.text = text
        self.face = face
        self.folder = folder
        self.asked: list[Any] = []
        self._changed = threading.Condition()
        self.mail = {uid: octets(body) for uid, body in text.get("mail", ())}
        self._turns: dict[int, int] = {}

    @property
    def closed(self) -> int:
        """How many maildrops were."""
        return sum(asked[0] == "close" for asked in self.asked)

    def wait_for_closed(self, count: int, seconds: float) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.closed >= count, seconds)

    def method(self, name: str, default: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """A method of this name: it answers by the case, else by `default`."""

        def called(*arguments: Any) -> Any:
            with self._changed:
                self.asked.append([name, *(list(one) if isinstance(one, list) else one for one in arguments)])
                self._changed.notify_all()
            if name not in self.text:
                return default(*arguments) if default else None
            return self._value(name, self.text[name], arguments)

        return called

    def _value(self, name: str, answer: Any, arguments: Any) -> Any:
        """An answer is a form of FORMAT's, or stands for itself."""
        if not is_form(answer):
            return self._plain(name, answer)
        check_keys(answer, FORMAT["answers"], name)
        if "by" in answer:
            key = " ".join("-" if one is None else str(one) for one in arguments)
            return self._value(name, answer["by"].get(key, False if name in ("authenticate", "token") else None), ())
        if "in turn" in answer:
            turn = self._turns.get(id(answer), 0)
            self._turns[id(answer)] = turn + 1
            return self._value(name, answer["in turn"][turn], arguments)
        if "late" in answer:
            return self._late(name, answer["late"], arguments)
        if "raises" in answer:
            raise Broken(answer["raises"])
        if "refuses" in answer:
            raise REFUSALS[answer["refuses"]](answer.get("text", ""))
        return self._body(name, answer)

    def _body(self, name: str, answer: Any) -> Any:
        if "pieces" in answer:
            return self._pieces(name, answer["pieces"])
        if "file" in answer:
            file = io.BytesIO(octets(answer["file"]))
            file.seek(answer.get("from", 0))
            return file
        return answer["value"]

    def _plain(self, name: str, answer: Any) -> Any:
        if name == "retr" and answer is not None:
            return octets(answer)
        if name == "maildrop" and answer == "here":
            return _maildrop(self)
        if name == "list" and isinstance(answer, list):
            return [tuple(entry) for entry in answer]
        return answer

    def _pieces(self, name: str, pieces: Any) -> Any:
        for piece in pieces:
            yield self._value(name, piece, ()) if is_form(piece) else octets(piece)

    def _late(self, name: str, answer: Any, arguments: Any) -> Any:
        if self.face != "aio":
            return _POOL.submit(self._value, name, answer, arguments)

        async def later() -> Any:
            for _ in range(3):
                await asyncio.sleep(0)
            return self._value(name, answer, arguments)

        return later()


class Object:
    """Something with methods."""


def backend_of(plan: Plan) -> Any:
    """A backend with the methods that the case has, and a maildrop over its mail."""
    backend: Any = Object()
    for name in LOGINS:
        if name in plan.text:
            setattr(backend, name, plan.method(name))
    if "login_failed" in plan.text:
        told = plan.method("login_failed")
        backend.login_failed = lambda user, address: told(user)
    backend.maildrop = plan.method("maildrop", lambda user: _maildrop(plan))
    return backend


def _maildrop(plan: Plan) -> Any:
    if "maildir" in plan.text:
        return poplin.Maildir(plan.folder / plan.text["maildir"], expire=plan.text.get("expire"))

    def dele(uids: list[str]) -> None:
        for uid in uids:
            del plan.mail[uid]

    drop: Any = Object()
    drop.list = plan.method("list", lambda: [(uid, None) for uid in plan.mail])
    drop.retr = plan.method("retr", lambda uid: plan.mail[uid])
    if "dele" not in plan.text.get("without", ()):
        drop.dele = plan.method("dele", dele)
    if "close" not in plan.text.get("without", ()):
        closed = plan.method("close")
        drop.close = lambda outcome, error: closed(outcome, *([] if error is None else [KINDS[type(error)]]))
    for name, value in plan.text.get("own", {}).items():
        setattr(drop, name, value)
    return drop
