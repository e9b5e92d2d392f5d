"""The cases that drive the Lua tests too: tests/cases/README.md."""

import asyncio
import inspect
import typing
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from case_backend import KINDS
from case_player import Player
from case_words import Authorities

import poplin
import poplin.testing
from cases import FOLDER, FORMAT, Case, check, inventory, read

FACES = ("sync", "aio")
CASES = list(read())
PLAYED: Counter[str] = Counter()


def _params() -> list[Any]:
    holds = pytest.mark.holds
    return [
        pytest.param(case, face, id=f"{case}, {face}", marks=[holds(*pair) for pair in case.holds])
        for case in CASES
        for face in FACES
    ]


@pytest.fixture(scope="module")
def authorities() -> Authorities:
    return Authorities()


def _run_blocking(coroutine: Coroutine[Any, Any, None]) -> None:
    """On the blocking face nothing is awaited that is not there."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise AssertionError("a blocking call was awaited")


@pytest.mark.parametrize(("case", "face"), _params())
def test_case(case: Case, face: str, tmp_path: Path, authorities: Authorities) -> None:
    PLAYED[face] += 1
    play = Player(case, face, tmp_path, authorities).play()
    if face == "sync":
        _run_blocking(play)
    else:
        asyncio.run(asyncio.wait_for(play, 60))


def test_every_case_was_played(request: pytest.FixtureRequest) -> None:
    """On each face: as many as there are in the lists, or as were asked for."""
    played = [item for item in request.session.items if item.name.startswith("test_case[")]
    asked = Counter(item.callspec.params["face"] for item in played if "face" in item.callspec.params)
    assert asked == PLAYED
    narrowed = request.config.option.keyword or any("::" in argument for argument in request.config.args)
    if not narrowed:
        named = sum((FOLDER / file).read_text("utf-8").count('"name": ') for file in FORMAT["lists"])
        assert asked == Counter(dict.fromkeys(FACES, len(CASES)))
        assert named >= len(CASES)


# ---- whether the lists have everything ----

PYTHONS_OWN = {
    "ca_pem": "the player gives it wherever there is TLS, and asks a server for it",
    "sock": "descriptor is what the cases call it",
    "certificate": "tls and blemish stand for it",
    "cert_file": "certificate_files stands for these four, and tls alone for the texts",
    "key_file": "",
    "cert_pem": "",
    "key_pem": "",
    "certificates": "test_server_certificates.py: the client's SNI takes host names",
    "client_ca_pem": "client_ca stands for it",
    "client_ca_file": "the same by a file: test_server_logins.py",
    "staple": "test_server_certificates.py",
    "workers": "threads, which Lua has not",
    "on_error": "a thread's callback, which Lua has not",
    "options": "those of connect",
    "no unique-id": "a listing with a gap, which no fault makes: the core's own tests",
    "recall": "a store of the script's own: Lua has it, and test_fetch.py; the cases' age is made of these two",
    "record": "",
    "raise_errors": "the player always says so, and looks at errors itself",
    "fault_text": "fault with a text",
    "transcript": "the text of what sessions has",
    "start": "the player starts every server",
    "wait_for": "wait",
}
"""Names that stand in no case, and why."""


def _words(value: Any) -> set[str]:
    """All keys, and all texts."""
    if isinstance(value, dict):
        return set(value).union(*map(_words, value.values()))
    if isinstance(value, list):
        return set().union(*map(_words, value))
    return {value} if isinstance(value, str) else set()


@pytest.mark.parametrize(
    "names",
    [
        inspect.signature(poplin.connect).parameters,
        inspect.signature(poplin.fetch).parameters,
        inspect.signature(poplin.Server).parameters,
        inspect.signature(poplin.testing.Server).parameters,
        dir(poplin.Client),
        dir(poplin.Seen),
        typing.get_args(poplin._fetch_results.Result),
        dir(poplin.testing.Server),
        poplin.testing.QUIRKS,
        poplin.testing.ATTACKS,
        poplin.Limits.__annotations__,
        KINDS.values(),
    ],
)
def test_every_name_stands_in_a_case(names: Any) -> None:
    said = _words([dict(case.text) for case in CASES])
    missing = {name for name in names if not name.startswith("_")} - said - PYTHONS_OWN.keys()
    assert missing - NOT_YET == set()


NOT_YET = {"max_line", "max_listing", "cancelled"}
"""Limits of octets in a line, which the machine's own tests look at; a wait that is cancelled, as each face does it."""


def test_the_inventory_is_that_of_the_cases() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert inventory() in readme, "python tests/python/cases.py prints it"
    assert {feature for case in CASES for feature in case.text["shows"]} == FORMAT["features"].keys()
    assert {file.name for file in FOLDER.glob("*.json")} == {
        "format.json",
        *FORMAT["lists"],
        *FORMAT["protocol"]["lists"],
    }
    assert len({(case.file, case.name) for case in CASES}) == len(CASES)


@pytest.mark.parametrize(
    "change",
    [
        {"shwos": []},
        {"steps": [{"connect": {}, "fail": {}}]},
        {"steps": [{"connect": {}, "quit": []}]},
        {"steps": [{}]},
        {"steps": [{"retr_all": None, "inside": [{"delete": [1]}]}]},
        {"steps": [{"connect": {}, "fails": {"kid": "auth"}}]},
        {"steps": [{"fetch": {}, "report": {"deliverd": 1}}]},
        {"trace": {"cleint": []}},
        {"sessions": [{"outcom": "left"}]},
        {"server": {"backend": {"pasword": "x"}}},
        {"shows": ["no such feature"]},
    ],
)
def test_keys_that_are_not_known_are_errors(change: dict[str, Any]) -> None:
    good: dict[str, Any] = {"name": "x", "shows": ["connect"], "steps": [{"connect": {}}]}
    check(Case("x.json", "x", good))
    with pytest.raises(ValueError):
        check(Case("x.json", "x", good | change))


def test_options_and_answers_that_are_not_known_are_errors(tmp_path: Path, authorities: Authorities) -> None:
    for text in (
        {"server": {"usres": {}}, "steps": []},
        {"server": {}, "steps": [{"connect": {"pasword": "x"}}]},
        {"server": {}, "steps": [{"connect": {}}, {"retr": [1], "into": "nowhere"}]},
        {"server": {}, "steps": [{"fetch": {"kep": "none"}}]},
        {"server": {}, "steps": [{"fetch": {"into": {"funktion": {}}}}]},
    ):
        with pytest.raises((TypeError, ValueError)):
            _run_blocking(Player(Case("x.json", "x", text), "sync", tmp_path, authorities).play())
