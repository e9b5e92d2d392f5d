"""The cases' verbs of fetching: `fetch`, the Maildirs that it fills, and the seen store. See tests/cases/README.md."""

import contextlib
from collections.abc import Callable
from typing import Any

from case_backend import Broken
from case_client_verbs import ClientVerbs

import poplin
import poplin.aio
from cases import check_keys, same

DAY = 86400


class FetchVerbs(ClientVerbs):
    """Each is called with the step and what it is given."""

    async def _do_fetch(self, step: dict[str, Any], given: dict[str, Any]) -> str:
        told: list[poplin.Progress] = []
        url, options = self._connect_options({"account": "alice", **given})
        options |= self._places(options) | {"progress": told.append}
        if "filter" in options:
            options["filter"] = self._filter(options["filter"])
        module: Any = poplin.aio if self.face == "aio" else poplin
        try:
            report = await self._answer(module.fetch(url, **options))
        except poplin.Error as error:
            self._judge_report(step, getattr(error, "report", None), told)
            raise
        self._judge_report(step, report, told)
        return str(report)

    def _places(self, options: dict[str, Any]) -> dict[str, Any]:
        into = options.get("into", "Maildir")
        return {
            "into": [self._destination(one) for one in into] if isinstance(into, list) else self._destination(into),
            "seen": self.folder / options.get("seen", "seen.db"),
        }

    def _destination(self, given: Any) -> Any:
        """A Maildir by its name, or a function that raises where the message's subject is given."""
        if isinstance(given, str):
            return self.folder / given
        check_keys(given, ["function"], "into")

        def take(message: poplin.Incoming) -> None:
            self.asked.append(
                ["into", self._named(message.uid), message.data.decode(), message.headers_only, message.resumed]
            )
            words = given["function"].get(_subject(message))
            if words is not None:
                raise Broken(words)

        return take

    def _filter(self, answers: dict[str, Any]) -> Callable[[poplin.Incoming], Any]:
        """Answers by the message's subject; "take" where it is not given."""

        def choose(message: poplin.Incoming) -> Any:
            answer = answers.get(_subject(message), "take")
            if not isinstance(answer, dict):
                return answer
            check_keys(answer, ["into", "raises"], "filter")
            if "raises" in answer:
                raise Broken(answer["raises"])
            return self._destination(answer["into"])

        return choose

    def _judge_report(self, step: dict[str, Any], report: Any, told: list[poplin.Progress]) -> None:
        expected = step.get("report", {})
        for name, value in expected.items():
            if name == "progress":
                assert told, step
                assert value == list(told[-1]), (step, told)
            elif name == "messages":
                found = [[one.number, self._named(one.uid), one.result, one.deleted] for one in report.messages]
                assert same(value, found), f"{step} reported {found}"
            elif name == "reasons":
                reasons = [one.reason for one in report.messages]
                assert len(value) == len(reasons), f"{step} reported {reasons}"
                for words, reason in zip(value, reasons, strict=True):
                    assert words in reason if words else not reason, f"{step} reported {reasons}"
            else:
                assert same(value, getattr(report, name)), f"{step} reported {name}: {getattr(report, name)}"

    async def _do_maildir(self, step: dict[str, Any], name: str) -> list[str]:
        """What stands in a Maildir, sorted."""
        folder = self.folder / name
        assert not list(folder.glob("tmp/*"))
        return sorted(file.read_bytes().decode() for part in ("new", "cur") for file in (folder / part).glob("*"))

    async def _do_seen(self, step: dict[str, Any], given: list[Any]) -> Any:
        verb, *arguments = self._filled(given)
        if verb == "claim":
            return self._claim(*arguments)
        if verb == "release":
            return self.clients.pop(f"claim {arguments[0]}").close()
        with poplin.seen(self.folder / "seen.db") as store:
            if verb == "age":  # all of an account was first seen so many days earlier
                account, days = arguments
                rows = store.recall(account)
                return store.record(account, [(*row[:4], row[4] - days * DAY, *row[5:]) for row in rows])
            value = getattr(store, verb)(*arguments)
        if verb == "messages":
            return sorted([self._named(one.uid), one.copy, one.step, one.octets, one.gone is not None] for one in value)
        return value

    def _claim(self, account: str) -> None:
        """Stands until it is released; at the end of the case it is closed as a client is."""
        with contextlib.ExitStack() as stack:
            store = stack.enter_context(poplin.seen(self.folder / "seen.db"))
            stack.enter_context(store.claim(account))
            self.clients[f"claim {account}"] = stack.pop_all()


def _subject(message: poplin.Incoming) -> str:
    return str(message.headers()["subject"])
