"""
Plays a case: through poplin's own client, blocking ("sync") or under asyncio ("aio"), and over plain sockets. What a
step does stands here once for both: under asyncio what a verb returns is awaited, and what blocks is on a thread.
"""

import contextlib
from typing import Any

from case_backend import KINDS, Broken, Plan, backend_of
from case_fetch_verbs import FetchVerbs
from case_server_verbs import ServerVerbs
from case_trace import Trace
from case_words import PATIENCE

import poplin
import poplin.aio
from cases import octets, same, verb_of
from poplin.testing import Server

NOTHING: Any = object()  # a step that gives nothing to compare


class Player(FetchVerbs, ServerVerbs):
    """One case on one face."""

    # ---- the whole ----

    async def play(self) -> None:
        trace = Trace(self.case.text.get("trace"))
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(trace.collected())
            stack.push_async_callback(self._end_connections)
            await self._serve(stack)
            for step in self.case.text["steps"]:
                await self._step(step)
            await self._end_connections()
            if isinstance(self.server, Server):
                await self._blocking(self._check_sessions)
        self._check_books()
        trace.judge(self._filled)

    async def _end_connections(self) -> None:
        for connection in [*self.clients.values(), *self.peers.values()]:
            connection.close()

    # ---- the server ----

    async def _serve(self, stack: contextlib.AsyncExitStack) -> None:
        if "server" in self.case.text:
            self.server = self._test_server(dict(self.case.text["server"]))
            stack.enter_context(self.server)
        elif "serve" in self.case.text:
            self.server = self._own_server(dict(self.case.text["serve"]))
            if self.face == "aio":
                await stack.enter_async_context(self.server)
            else:
                stack.enter_context(self.server)

    def _test_server(self, options: dict[str, Any]) -> Server:
        mail = options.pop("mail", {})
        if "backend" in options:
            self.plan = Plan(options["backend"], "sync", self.folder)
            options |= {"backend": backend_of(self.plan), "raise_errors": False}
        else:
            options.setdefault("users", {"alice": "secret"})
        if "tls" in options:
            options["certificate"] = self.authorities.certificate(options.pop("blemish", None))
        server = Server(**self._common(options))
        for user, messages in sorted(mail.items()):
            self.uids += [server.deliver(user, octets(message)) for message in messages]
        return server

    def _own_server(self, options: dict[str, Any]) -> Any:
        self.plan = Plan(options.pop("backend"), self.face, self.folder)
        if "tls" in options:
            good = self.authorities.good
            if options.pop("certificate_files", False):
                self._write({"ca.pem": good.ca_pem, "cert.pem": good.cert_pem, "key.pem": good.key_pem})
                options |= {"cert_file": self.folder / "cert.pem", "key_file": self.folder / "key.pem"}
            else:
                options |= {"cert_pem": good.cert_pem, "key_pem": good.key_pem}
        options = {"failed_login_delay": 0, **self._common(options)}
        kind = poplin.aio.Server if self.face == "aio" else poplin.Server
        return kind(backend_of(self.plan), **options)

    def _common(self, options: dict[str, Any]) -> dict[str, Any]:
        if options.pop("client_ca", False):
            options["client_ca_pem"] = self.authorities.clients.pem
        if "languages" in options:
            options["languages"] = {
                one["tag"]: (one.get("description", ""), one.get("texts", {})) for one in options["languages"]
            }
        if "pepper" in options:
            options["pepper"] = octets(options["pepper"])
        return {name: self._filled(value) for name, value in options.items()}

    # ---- steps ----

    async def _step(self, step: dict[str, Any]) -> None:
        verb = verb_of(step, str(self.case))
        do = getattr(self, f"_do_{verb}", None) or self._do_verb
        gives: Any = NOTHING
        problem: Any = None
        try:
            gives = await do(step, step[verb])
        except (poplin.Error, TypeError, ValueError, Broken) as error:
            if not step.keys() & {"fails", "misuse", "invalid", "raised"}:
                raise
            problem = error
        self._judge(step, gives, problem)

    def _judge(self, step: dict[str, Any], gives: Any, problem: Any) -> None:
        if "fails" in step:
            self._judge_failure(step["fails"], problem, step)
        elif "raised" in step:
            assert isinstance(problem, Broken), (step, problem)
            assert step["raised"] in str(problem), (step, problem)
        elif words := step.get("misuse", step.get("invalid")):
            assert isinstance(problem, TypeError | ValueError), (step, problem)
            assert not isinstance(problem, poplin.Error), (step, problem)
            assert words in str(problem), (step, problem)
        elif "gives" in step:
            expected = self._filled(step["gives"]) if isinstance(gives, str) and "://" in gives else step["gives"]
            assert same(expected, gives), f"{step} gave {gives!r}"

    def _judge_failure(self, expected: dict[str, Any], error: Any, step: Any) -> None:
        assert isinstance(error, poplin.Error), f"{step} did not fail: {error!r}"
        where = f"{step}: {error!r} {vars(error)}"
        assert KINDS[type(error)] == expected["kind"], where
        for name in ("code", "doing", "answer"):
            if name in expected:
                assert (getattr(error, name, None) or None) == expected[name], where
        if "peer" in expected:
            assert expected["peer"] in error.peer, where
        for part in expected.get("text", ()):
            assert part in str(error), where
        for part in expected.get("without", ()):
            assert part not in str(error) + str(vars(error)), where

    # ---- afterwards ----

    def _check_sessions(self) -> None:
        expected = self.case.text.get("sessions")
        if expected is None:
            return
        self.server.wait_for(
            lambda server: len(server.sessions) >= len(expected) and not any(one.open for one in server.sessions),
            PATIENCE,
        )
        sessions = self.server.sessions
        assert len(sessions) == len(expected), self.server.transcript
        for session, wanted in zip(sessions, expected, strict=True):
            for name, value in wanted.items():
                seen = self._seen(session, name)
                said = f"session {session.number}, {name}: {seen!r}\n{session.transcript}"
                assert value in seen if name == "error" and value else same(self._filled(value), self._filled(seen)), (
                    said
                )

    def _check_books(self) -> None:
        """What is left when the server has ended."""
        text = self.case.text
        for user, uids in text.get("left", {}).items():
            if self.plan:
                assert list(self.plan.mail) == uids, user
            else:
                assert [self._named(mail.uid) for mail in self.server.messages(user)] == uids, user
        if "asked" in text:
            assert same(text["asked"], self.plan.asked if self.plan else self.asked), (self.plan or self).asked
        errors = [str(error) for error in self.server.errors] if self.server else []
        wanted = text.get("errors", [])
        assert len(errors) == len(wanted), errors
        for error, words in zip(errors, wanted, strict=True):
            assert words in error, errors
