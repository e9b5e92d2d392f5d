"""The client's verbs of the cases. Under asyncio what one returns is awaited."""

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from case_backend import Broken
from case_words import PATIENCE, Stage

import poplin
import poplin.aio
from cases import same, verb_of


class Leave(Exception):
    """A loop is left."""


class ClientVerbs(Stage):
    """Each is called with the step and what it is given."""

    async def _do_connect(self, step: dict[str, Any], given: dict[str, Any]) -> None:
        url, options = self._connect_options(given)
        module: Any = poplin.aio if self.face == "aio" else poplin
        self.clients[step.get("as", "pop")] = await self._answer(module.connect(url, **options))

    def _connect_options(self, given: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        options: dict[str, Any] = {"user": "alice", "password": "secret", "timeout": PATIENCE}
        options |= {name: self._filled(value) for name, value in given.items()}
        if options["user"] is None or "token" in options:
            options = {name: value for name, value in options.items() if name != "password" or name in given}
        if options.pop("trust", True) and getattr(self.server, "ca_pem", None):
            options["ca_pem"] = self.server.ca_pem
        for name in ("password", "token"):
            if isinstance(options.get(name), dict):
                options[name] = self._function(name, options[name]["function"])
        if "client_cert" in options:
            hers = self.authorities.clients.client(options["client_cert"])
            self._write({"cert.pem": hers.cert_pem, "key.pem": hers.key_pem})
            options["client_cert"] = (self.folder / "cert.pem", self.folder / "key.pem")
        if isinstance(options["user"], list):
            options["user"] = tuple(options["user"])
        if options.pop("descriptor", False):
            options["sock"] = socket.create_connection((self.server.host, self.server.port))
        return options.pop("url", None if "path" in options else self.server and self.server.url), options

    def _function(self, name: str, answers: list[Any]) -> Callable[..., Any]:
        """What is called for a password or a token; {"raises": …} is raised."""
        turns = iter(answers)

        def called(*arguments: Any) -> Any:
            self.asked.append([name, *arguments])
            answer = next(turns)
            if isinstance(answer, dict):
                raise Broken(answer["raises"])
            return answer

        return called

    def _client(self, step: dict[str, Any]) -> Any:
        return self.clients[step.get("as", "pop")]

    def _object(self, step: dict[str, Any]) -> Any:
        """What a verb is a method of: a client, or (of) a message that was listed; 0: the loop's own."""
        if "of" not in step:
            return self._client(step)
        return self.here if step["of"] == 0 else self.listed[step.get("as", "pop")][step["of"] - 1]

    async def _do_verb(self, step: dict[str, Any], arguments: list[Any]) -> Any:
        verb = verb_of(step, "")
        value = await self._answer(getattr(self._object(step), verb)(*arguments))
        if verb == "list":
            return [[one.number, one.octets] for one in value] if not arguments else value.octets
        if verb == "uidl":
            return [[one.number, self._named(one.uid)] for one in value] if not arguments else self._named(value.uid)
        if verb == "lang" and not arguments:
            return [[one.tag, one.description or None] for one in value]
        if verb == "capa":
            return {name: list(parameters) for name, parameters in value.items()}
        return value

    async def _do_retr(self, step: dict[str, Any], arguments: list[Any]) -> Any:
        retr = self._object(step).retr
        if "into" not in step:
            return await self._answer(retr(*arguments))
        sink = self.folder / "sink"
        pieces: list[bytes] = []

        def take(piece: bytes) -> None:
            if isinstance(step["into"], dict):
                raise Broken(step["into"]["raises"])
            pieces.append(piece)

        if step["into"] not in ("file", "function") and not isinstance(step["into"], dict):
            raise ValueError(f"unknown: into {step['into']}")
        if step["into"] == "file":
            with sink.open("wb") as file:
                size = await self._answer(retr(*arguments, into=file))
            pieces.append(sink.read_bytes())
        else:
            size = await self._answer(retr(*arguments, into=take))
        assert size == len(b"".join(pieces))
        return b"".join(pieces)

    async def _do_messages(self, step: dict[str, Any], given: Any) -> Any:
        options = {name: self._filled(given[name]) for name in given}
        self.listed[step.get("as", "pop")] = messages = await self._answer(self._client(step).messages(**options))
        assert all(message.data is None for message in messages)
        return [[message.number, self._named(message.uid), message.octets] for message in messages]

    async def _do_header(self, step: dict[str, Any], name: str) -> Any:
        value = (await self._answer(self._object(step).headers()))[name]
        return None if value is None else str(value)

    async def _do_headers(self, step: dict[str, Any], name: str) -> Any:
        return [str(value) for value in (await self._answer(self._object(step).headers())).get_all(name, [])]

    async def _do_retr_all(self, step: dict[str, Any], numbers: Any) -> Any:
        if numbers is not None:
            listed = self.listed.get(step.get("as", "pop"), [])
            numbers = [listed[one["of"] - 1] if isinstance(one, dict) else one for one in numbers]
        series = self._client(step).retr_all(numbers)
        came: list[Any] = []
        problem = None
        try:
            if self.face == "aio":
                async with contextlib.aclosing(series):
                    async for message in series:
                        await self._inside(step, message, came)
            else:
                with contextlib.closing(series):
                    for message in series:
                        await self._inside(step, message, came)
        except Leave:
            pass
        except poplin.Error as error:
            problem = error
        if "gives" in step:
            assert same(step["gives"], came), f"{step} gave {came!r}"
        if problem:
            raise problem
        return came

    async def _inside(self, step: dict[str, Any], message: Any, came: list[Any]) -> None:
        came.append([message.number, self._named(message.uid), message.data])
        for inner in step.get("inside", ()):
            if inner.get("at", message.number) == message.number:
                self.here = message
                await self._step(inner)

    async def _do_leave(self, step: dict[str, Any], _: Any) -> None:
        raise Leave

    async def _do_facts(self, step: dict[str, Any], names: list[str]) -> Any:
        client = self._client(step)
        found: list[Any] = []
        for name in names:
            first, _, second = name.partition(".")
            value = getattr(client, first)
            found.append(getattr(value, second) if second else value)
        return found

    async def _do_capabilities(self, step: dict[str, Any], names: list[str]) -> Any:
        known = self._client(step).capabilities
        found = [getattr(known, name) if name.islower() else known.get(name) for name in names]
        return [list(one) if isinstance(one, tuple) else one for one in found]
