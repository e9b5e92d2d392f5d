"""What the parts of a case's player share: what it knows, what words stand for, and a socket to talk over."""

import asyncio
import inspect
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from case_backend import Plan

from cases import Case, octets
from poplin.testing import CA

PATIENCE = 20


class Authorities:
    """Of servers and of clients, made once: making keys takes time."""

    def __init__(self) -> None:
        self.servers = CA()
        self.clients = CA()
        self.good = self.servers.certificate()

    def certificate(self, blemish: str | None) -> Any:
        return self.good if blemish is None else self.servers.certificate(blemish=blemish)


class Peer:
    """A client that is nothing but a socket."""

    def __init__(self, address: Any) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self._socket = socket.socket(family)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(address)
        self._heard = b""

    def close(self) -> None:
        self._socket.close()

    def say(self, words: bytes) -> None:
        self._socket.sendall(words)

    def line(self) -> bytes | None:
        """The next line without its CRLF; None: the connection has ended."""
        while b"\r\n" not in self._heard:
            try:
                piece = self._socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                assert not self._heard, f"cut off: {self._heard!r}"
                return None
            self._heard += piece
        line, _, self._heard = self._heard.partition(b"\r\n")
        return line


class Stage:
    """What there is while a case is played."""

    def __init__(self, case: Case, face: str, folder: Path, authorities: Authorities) -> None:
        self.case = case
        self.face = face
        self.folder = folder
        self.authorities = authorities
        self.server: Any = None
        self.plan: Plan | None = None
        self.clients: dict[str, Any] = {}
        self.peers: dict[str, Peer] = {}
        self.listed: dict[str, list[Any]] = {}
        self.here: Any = None
        self.uids: list[str] = []
        self.faults: list[Any] = []
        self.asked: list[Any] = []

    async def _blocking(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.to_thread(function, *arguments) if self.face == "aio" else function(*arguments)

    async def _answer(self, value: Any) -> Any:
        return await value if self.face == "aio" and inspect.isawaitable(value) else value

    def _write(self, files: dict[str, Any]) -> None:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(octets(content))

    async def _step(self, step: dict[str, Any]) -> None:
        """Takes a step, which may stand inside another one."""
        raise NotImplementedError

    # ---- words ----

    def _filled(self, value: Any) -> Any:
        """<1> is the first message's unique-id; {url} and the like are those of the server."""
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        if not isinstance(value, str):
            return value
        value = re.sub(r"<(\d+)>", lambda found: self.uids[int(found[1]) - 1], value)
        return re.sub(r"\{(url|host|port|folder|pin)\}", lambda found: self._fact(found[1]), value)

    def _fact(self, name: str) -> str:
        if name == "folder":
            return str(self.folder)
        if name == "pin":
            return str(self.clients["pop"].tls.pin)
        return str(getattr(self.server, name))

    def _named(self, uid: str | None) -> str | None:
        """A unique-id as cases write it."""
        return f"<{self.uids.index(uid) + 1}>" if uid in self.uids else uid

    def _seen(self, session: Any, name: str) -> Any:
        """What the books say of a session, as cases have it."""
        if name == "tls":
            return bool(session.tls)
        if name == "leaked":
            return any(exchange.leaked for exchange in session.exchanges)
        if name == "faults":
            return [exchange.fault for exchange in session.exchanges if exchange.fault]
        value = getattr(session, name)
        if name in ("retrieved", "marked", "deleted"):
            return [self._named(uid) for uid in value]
        return list(value) if isinstance(value, tuple) else value or None
