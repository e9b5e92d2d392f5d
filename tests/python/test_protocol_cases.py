"""The cases of `poplin.protocol` that drive the Lua tests too: tests/cases/README.md."""

from typing import Any

import pytest
from protocol_cases import KNOWN, Player, check, read

from cases import FOLDER, Case, table
from poplin.protocol import ClientConnection, ServerConnection

WAYS = ("whole", "octet by octet")
CASES = list(read())


def _params() -> list[Any]:
    holds = pytest.mark.holds
    return [
        pytest.param(case, way, id=f"{case}, {way}", marks=[holds(*pair) for pair in case.holds])
        for case in CASES
        for way in WAYS
    ]


@pytest.mark.parametrize(("case", "way"), _params())
def test_case(case: Case, way: str) -> None:
    Player(case, way == "octet by octet").play()


# ---- whether the lists have everything ----


def test_every_method_stands_in_a_case() -> None:
    beginnings = [beginning["steps"] for beginning in KNOWN["beginnings"].values()]
    steps = [step for steps in [*beginnings, *(case.text["steps"] for case in CASES)] for step in steps]
    said = {step[verb][0] for step in steps for verb in ("call", "answer") if verb in step}
    methods = {
        name
        for machine in (ClientConnection, ServerConnection)
        for name in dir(machine)
        if not name.startswith("_") and callable(getattr(machine, name))
    }
    assert methods - said == {"receive_data", "data_to_send", "next_event", "events"}, "the player calls these"


def test_the_inventory_is_that_of_the_cases() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert table(CASES, KNOWN["features"]) in readme, "python tests/python/protocol_cases.py prints it"
    assert {feature for case in CASES for feature in case.text["shows"]} == KNOWN["features"].keys()
    assert len({(case.file, case.name) for case in CASES}) == len(CASES)


@pytest.mark.parametrize(
    "change",
    [
        {"shwos": []},
        {"shows": ["no such feature"]},
        {"from": "nowhere"},
        {"steps": [{}]},
        {"steps": [{"receive": "", "sends": ""}]},
        {"steps": [{"receive": "", "call": ["stat"]}]},
        {"steps": [{"receive": "", "fails": {"kid": "auth"}}]},
        {"steps": [{"receive": "", "events": [{"type": "reply", "error": {"kid": "auth"}}]}]},
    ],
)
def test_keys_that_are_not_known_are_errors(change: dict[str, Any]) -> None:
    good: dict[str, Any] = {"name": "x", "shows": ["protocol.client"], "client": {}, "steps": [{"receive": ""}]}
    check(Case("x.json", "x", good))
    with pytest.raises(ValueError):
        check(Case("x.json", "x", good | change))


@pytest.mark.parametrize(
    "text",
    [
        {"client": {"tsl": "never"}, "steps": []},
        {"from": "a client", "steps": [{"call": ["no_such_method"]}]},
        {"from": "a client", "steps": [{"receive": "+OK\r\n", "events": [{"type": "greeting", "txet": ""}]}]},
        {"from": "a client", "steps": [{"receive": "+OK\r\n"}]},
        {"from": "a client", "steps": [{"receive": "", "send": "more"}]},
        {"from": "a client", "steps": [{"receive": "", "fails": {"kind": "state"}}]},
        {"from": "a client", "steps": [{"receive": "", "facts": {"phase": "transaction"}}]},
    ],
)
def test_what_is_not_so_is_found(text: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, AttributeError, TypeError)):
        Player(Case("x.json", "x", text), False).play()
