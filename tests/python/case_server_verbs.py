"""The cases' verbs of a test server, of a raw peer, and those without a connection."""

import asyncio
from typing import Any

from case_words import PATIENCE, Peer, Stage

import poplin
from cases import octets, verb_of
from poplin.testing import Server


class ServerVerbs(Stage):
    """Each is called with the step and what it is given."""

    def _common(self, options: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    # ---- verbs without a connection ----

    async def _do_parse_url(self, step: dict[str, Any], text: str) -> Any:
        url = poplin.URL.parse(text)
        parts = {name: getattr(url, name) for name in ("scheme", "host", "port", "user", "auth")}
        return {name: value for name, value in parts.items() if value is not None}

    async def _do_format_url(self, step: dict[str, Any], parts: dict[str, Any]) -> str:
        return str(poplin.URL(**parts))

    async def _do_scram_keys(self, step: dict[str, Any], arguments: list[Any]) -> str:
        password, options = arguments
        if "salt" in options:
            options = {**options, "salt": octets(options["salt"])}
        return poplin.scram_keys(password, **options)

    async def _do_discover(self, step: dict[str, Any], arguments: list[Any]) -> Any:
        address, records, options = arguments

        def resolve(name: str) -> Any:
            return [poplin.SRV(**record) for record in records.get(name, ())]

        found = poplin.discover(address, resolve=resolve, **options)
        return [[one.url, one.tls, one.verified, list(one.users) if one.users else None] for one in found]

    async def _do_make_server(self, step: dict[str, Any], options: dict[str, Any]) -> None:
        server = Server(**self._common({"users": {"alice": "secret"}, **options}))
        server.stop()

    # ---- verbs of the test server ----

    async def _of_server(self, verb: str, *arguments: Any) -> Any:
        return await self._blocking(getattr(self.server, verb), *arguments)

    async def _do_deliver(self, step: dict[str, Any], arguments: list[Any]) -> None:
        user, message = arguments
        self.uids.append(self.server.deliver(user, octets(message)))

    async def _do_file(self, step: dict[str, Any], files: dict[str, Any]) -> None:
        self._write(files)

    async def _do_exists(self, step: dict[str, Any], name: str) -> bool:
        """Whether there is something in this file."""
        path = self.folder / name
        return path.is_file() and path.stat().st_size > 0

    async def _do_load(self, step: dict[str, Any], arguments: list[str]) -> int:
        user, name = arguments
        uids = self.server.load(user, self.folder / name)
        self.uids += uids
        return len(uids)

    async def _do_mail(self, step: dict[str, Any], user: str) -> Any:
        return [[self._named(mail.uid), mail.octets, mail.data] for mail in self.server.messages(user)]

    async def _do_server(self, step: dict[str, Any], arguments: list[Any]) -> Any:
        return await self._of_server(verb_of(step, ""), *map(self._filled, arguments))

    _do_remove = _do_clear = _do_add_user = _do_remove_user = _do_set_token = _do_reset = _do_url_for = _do_server

    async def _do_fault(self, step: dict[str, Any], given: Any) -> None:
        if isinstance(given, str):
            self.faults.append(self.server.fault_text(self._filled(given)))
        else:
            command, settings = given
            settings = {
                name: octets(value) if name in ("raw", "insert", "append") else self._filled(value)
                for name, value in settings.items()
            }
            self.faults.append(self.server.fault(command, **settings))

    async def _do_quirk(self, step: dict[str, Any], name: str) -> None:
        self.faults.append(self.server.quirk(name))

    async def _do_attack(self, step: dict[str, Any], name: str) -> None:
        self.faults.append(self.server.attack(name))

    async def _do_fired(self, step: dict[str, Any], number: int) -> Any:
        return self.faults[number - 1].fired

    async def _do_remove_fault(self, step: dict[str, Any], number: int) -> None:
        self.faults[number - 1].remove()

    async def _do_advance(self, step: dict[str, Any], seconds: float) -> None:
        await self._blocking(self.server.clock.advance, seconds)

    async def _do_wait(self, step: dict[str, Any], expected: dict[str, Any]) -> None:
        def there(server: Server) -> bool:
            if "fired" in expected:
                return bool(self.faults[expected["fired"] - 1].fired)
            sessions = server.sessions
            at = step.get("session", 1)
            return len(sessions) >= at and all(
                self._seen(sessions[at - 1], name) == expected[name] for name in expected
            )

        await self._blocking(self.server.wait_for, there, PATIENCE)

    async def _do_assert(self, step: dict[str, Any], assertions: dict[str, Any]) -> None:
        session = self.server.sessions[step.get("session", 1) - 1]
        for name, arguments in assertions.items():
            check = getattr(session, f"assert_{name}")
            try:
                assert await self._blocking(check, *self._filled(arguments)) is session
            except AssertionError as failure:
                words = step.get("complains")
                if not words or not all(self._filled(word) in str(failure) for word in words):
                    raise
            else:
                assert "complains" not in step, step

    async def _do_closed(self, step: dict[str, Any], count: int) -> None:
        assert self.plan is not None
        if self.face == "aio":
            async with asyncio.timeout(PATIENCE):
                while self.plan.closed < count:
                    await asyncio.sleep(0)
        else:
            await self._blocking(self.plan.wait_for_closed, count, PATIENCE)

    async def _do_open_sessions(self, step: dict[str, Any], _: Any) -> Any:
        return self.server.open_sessions

    async def _do_stop(self, step: dict[str, Any], _: Any) -> None:
        await self._answer(self.server.stop())

    # ---- verbs of the raw peer ----

    async def _do_talk(self, step: dict[str, Any], talk: list[list[Any]]) -> None:
        peer = await self._peer(step.get("as", "peer"))
        for said, *heard in talk:
            if said is not None:
                words = octets(self._filled(said))
                await self._blocking(peer.say, words if isinstance(said, dict | list) else words + b"\r\n")
            for expected in heard:
                line = await self._blocking(peer.line)
                self._judge_line(expected, line, said)

    async def _peer(self, name: str) -> Peer:
        if name not in self.peers:
            path = getattr(self.server, "path", None)
            address: Any = str(path) if path else (self.server.host, self.server.port)
            self.peers[name] = await self._blocking(Peer, address)
        return self.peers[name]

    def _judge_line(self, expected: Any, line: bytes | None, said: Any) -> None:
        if expected is None:
            assert line is None, f"after {said!r}: {line!r}, not the end"
        elif isinstance(expected, dict) and "begins" in expected:
            assert line is not None, f"after {said!r}: the end"
            assert line.startswith(octets(self._filled(expected["begins"]))), f"after {said!r}: {line!r}"
        else:
            assert line == octets(self._filled(expected)), f"after {said!r}: {line!r}, not {expected!r}"

    async def _do_hang_up(self, step: dict[str, Any], _: Any) -> None:
        self.peers.pop(step.get("as", "peer")).close()
