"""
Reads and plays the cases of `poplin.protocol` that drive the Lua tests too: tests/cases/README.md. One machine and no
connection: what a case has received is given as it is, or octet by octet; behind each step stand its events and what it
sends.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from case_backend import KINDS

import poplin
from cases import FOLDER, FORMAT, Case, check_keys, octets, same, table
from poplin import protocol

KNOWN: dict[str, Any] = FORMAT["protocol"]
REFUSALS = {kind: error for error, kind in KINDS.items() if issubclass(error, poplin.Refused)}


def verb_of(step: Mapping[str, Any], where: str) -> str:
    check_keys(step, [*KNOWN["verbs"], *KNOWN["modifiers"]], where)
    verbs = [key for key in step if key in KNOWN["verbs"]]
    if len(verbs) != 1:
        raise ValueError(f"{where}: a step has one verb, not {verbs}")
    return verbs[0]


def check(case: Case) -> None:
    where = str(case)
    check_keys(case.text, KNOWN["case"], where)
    check_keys(case.text["shows"], KNOWN["features"], where)
    if beginning := case.text.get("from"):
        check_keys([beginning], KNOWN["beginnings"], where)
    for step in case.text["steps"]:
        verb_of(step, where)
        check_keys(step.get("fails", ()), KNOWN["fails"], where)
        for event in step.get("events", ()):
            check_keys(event.get("error") or (), KNOWN["fails"], where)


def read() -> Iterator[Case]:
    """All cases of the machines, in order."""
    for file in KNOWN["lists"]:
        for text in json.loads((FOLDER / file).read_text("utf-8")):
            case = Case(file, text["name"], text)
            check(case)
            yield case


def event_type(event: Any) -> str:
    """As Lua calls it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(event).__name__).lower()


class Player:
    """One case, with one machine."""

    def __init__(self, case: Case, piecewise: bool) -> None:
        beginning = KNOWN["beginnings"].get(case.text.get("from"), {"steps": []})
        machines = {"client": protocol.ClientConnection, "session": protocol.ServerConnection}
        ((of, machine),) = ((of, make) for of, make in machines.items() if of in case.text or of in beginning)
        self.machine: Any = machine(**(beginning.get(of, {}) | case.text.get(of, {})))
        self.steps = [*beginning["steps"], *case.text["steps"]]
        self.where, self.piecewise = str(case), piecewise
        self.tags: dict[str, int] = {}
        self.questions: dict[str, Any] = {}

    def play(self) -> None:
        for step in self.steps:
            self._take(step)

    def _take(self, step: dict[str, Any]) -> None:
        seen: list[Any] = []
        gives, problem = None, None
        verb = verb_of(step, self.where)
        try:
            gives = getattr(self, f"_{verb}")(step, step[verb], seen)
            self._drain(seen)
        except (poplin.Error, ValueError) as error:
            problem = error
        self._judge(step, gives, problem)
        self._judge_events(step.get("events", []), seen, step)
        if problem is None or "send" in step:
            sent = self.machine.data_to_send()
            assert same(step.get("send", ""), sent), f"{step} sends {sent!r}"
        for name, value in step.get("facts", {}).items():
            assert same(value, getattr(self.machine, name)), f"{step}: {name}"

    # ---- verbs ----

    def _receive(self, step: dict[str, Any], value: Any, seen: list[Any]) -> None:
        data = octets(value)
        for piece in (data[at : at + 1] for at in range(len(data))) if self.piecewise else (data,):
            self.machine.receive_data(piece)
            self._drain(seen)
            if seen and isinstance(seen[-1], protocol.SessionClosed):
                return  # octets of the same step that come behind the end are nobody's

    def _call(self, step: dict[str, Any], value: list[Any], seen: list[Any]) -> Any:
        method, *arguments = value
        result = getattr(self.machine, method)(*arguments, **step.get("options", {}))
        if "as" in step:
            self.tags[step["as"]] = result
        return result

    def _answer(self, step: dict[str, Any], value: list[Any], seen: list[Any]) -> None:
        method, question, *arguments = value
        options = step.get("options", {})
        if method == "refuse" and arguments:
            arguments[0] = REFUSALS[arguments[0]]
        elif method == "body":
            arguments[0] = octets(arguments[0])
        getattr(self.machine, method)(self.questions[question], *arguments, **options)

    def _drain(self, seen: list[Any]) -> None:
        """Takes the events that there are; pieces of one body are joined."""
        for event in self.machine.events():
            if isinstance(event, protocol.Body) and seen and isinstance(seen[-1], protocol.Body):
                seen[-1] = seen[-1]._replace(data=seen[-1].data + event.data)
            else:
                seen.append(event)
            if hasattr(event, "question"):
                self.questions[event_type(event)] = event

    # ---- whether it is what the case says ----

    def _judge(self, step: dict[str, Any], gives: Any, problem: Exception | None) -> None:
        if "fails" in step:
            self._judge_error(step["fails"], problem, step)
        elif "invalid" in step:
            assert isinstance(problem, ValueError), (step, problem)
            assert step["invalid"] in str(problem), (step, problem)
        elif problem is not None:
            raise problem
        elif "gives" in step:
            assert same(step["gives"], gives), f"{step} gave {gives!r}"

    def _judge_error(self, expected: dict[str, Any], error: Any, step: Any) -> None:
        assert isinstance(error, poplin.Error), (step, error)
        assert KINDS[type(error)] == expected["kind"], (step, error)
        for name in {"code", "answer"} & expected.keys():
            assert same(expected[name], getattr(error, name, None)), (step, error)
        for part in expected.get("text", ()):
            assert part in str(error), (step, error)
        for part in expected.get("without", ()):
            assert part not in repr(error) + str(error) + repr(vars(error)), (step, error)

    def _judge_events(self, expected: list[dict[str, Any]], seen: list[Any], step: Any) -> None:
        types = [event_type(event) for event in seen]
        assert types == [event["type"] for event in expected], f"{step}: {seen}"
        for wanted, event in zip(expected, seen, strict=True):
            for name, value in wanted.items():
                if name != "type":
                    self._judge_field(name, value, getattr(event, name), (step, event))

    def _judge_field(self, name: str, value: Any, found: Any, where: Any) -> None:
        if name == "error" and value is not None:
            self._judge_error(value, found, where)
        elif name == "tag":
            assert self.tags[value] == found, where
        else:
            assert same(value, found + 1 if name == "index" else found), (name, *where)


if __name__ == "__main__":
    print(table(read(), KNOWN["features"]), end="")
