"""Each public object is shown without secrets, and is copied and pickled, or refuses that."""

import copy
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from specimens import ERRORS, SECRET, TOKEN, VALUES, Alive, alive, classes, error

import poplin
import poplin.testing


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alive]:
    with alive(tmp_path_factory.mktemp("living")) as made:
        yield made


def test_no_public_class_is_left_out(living: Alive) -> None:
    assert set(VALUES) | set(living.objects) == set(classes())


# ---- how they are shown ----

SHOWN = {
    "Client": r"<poplin\.Client 127\.0\.0\.1:\d+, TLS1\.3 .*>",
    "Message": r"<poplin\.Message 1 uid='.+' octets=22>",
    "Server": r"<poplin\.Server pop3://127\.0\.0\.1:\d+, serving>",
    "Maildir": r"<poplin\.Maildir '.+/Maildir'>",
    "Seen": r"<poplin\.Seen '.+/seen\.db'>",
    "aio.Client": r"<poplin\.aio\.Client 127\.0\.0\.1:\d+, TLS1\.3 .*>",
    "aio.Message": r"<poplin\.aio\.Message 1 uid='.+' octets=22>",
    "aio.Server": r"<poplin\.aio\.Server pop3://127\.0\.0\.1:\d+, serving>",
    "testing.Server": r"<poplin\.testing\.Server pop3s://127\.0\.0\.1:\d+, serving>",
    "testing.Clock": r"<poplin\.testing\.Clock of pop3s://127\.0\.0\.1:\d+, serving>",
    "testing.Session": r"<poplin\.testing\.Session 1 from 127\.0\.0\.1:\d+, 'alice', open>",
    "testing.Fault": r"<poplin\.testing\.Fault TOP drop_after=1>",
    "testing.CA": r"<poplin\.testing\.CA>",
    "testing.Certificate": r"<poplin\.testing\.Certificate>",
    "protocol.ClientConnection": r"<ClientConnection mail\.example\.org, no session, no TLS>",
    "protocol.ServerConnection": r"<ServerConnection authorization, no TLS>",
}


@pytest.mark.parametrize("name", SHOWN)
def test_how_a_living_object_is_shown(living: Alive, name: str) -> None:
    shown = repr(living.objects[name])
    assert re.fullmatch(SHOWN[name], shown), shown


def test_each_living_object_has_its_row(living: Alive) -> None:
    assert set(SHOWN) == set(living.objects)


@pytest.mark.holds("T-SEC-1", "B")
@pytest.mark.parametrize("show", [repr, str, "{}".format])
def test_none_shows_a_secret(living: Alive, show: Callable[[Any], str]) -> None:
    key = living.objects["testing.Certificate"].key_pem.splitlines()[1]
    for name, shown in {**VALUES, **living.objects}.items():
        assert not any(secret in show(shown) for secret in (SECRET, TOKEN, key)), name


def test_a_value_names_its_kind_and_says_what_is_in_it() -> None:
    for name, value in VALUES.items():
        assert repr(value) != object.__repr__(value), name
    assert repr(VALUES["Stat"]) == "Stat(count=3, octets=180)"
    assert repr(VALUES["URL"]) == "poplin.URL.parse('pop3s://alice%40example.org;AUTH=PLAIN@mail.example.org')"


# ---- copies ----

COPIERS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {protocol}": lambda it, p=protocol: pickle.loads(pickle.dumps(it, p)) for protocol in (0, 2, 5)},
}
ALONE = sorted(set(SHOWN) - {"testing.Certificate"})


@pytest.mark.parametrize("copier", COPIERS)
@pytest.mark.parametrize("name", ALONE)
def test_what_holds_something_is_not_copied(living: Alive, name: str, copier: str) -> None:
    kind = name.rpartition(".")[2]
    with pytest.raises(TypeError, match=rf"^a {kind} .+: it can be neither copied nor pickled$"):
        COPIERS[copier](living.objects[name])


def test_after_all_those_refusals_they_still_work(living: Alive) -> None:
    assert living.objects["Client"].stat() == (1, 22)
    assert living.objects["Message"].retr() == b"Subject: hi\r\n\r\nhello\r\n"
    assert living.runner.run(living.objects["aio.Client"].stat()) == (1, 22)


@pytest.mark.parametrize("copier", COPIERS)
@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_it_was(name: str, copier: str) -> None:
    copied = COPIERS[copier](VALUES[name])
    assert type(copied) is type(VALUES[name])
    assert copied == VALUES[name]


@pytest.mark.parametrize("copier", COPIERS)
def test_a_certificate_is_copied_without_its_files(living: Alive, copier: str) -> None:
    original: poplin.testing.Certificate = living.objects["testing.Certificate"]
    copied = COPIERS[copier](original)
    assert (copied.ca_pem, copied.cert_pem, copied.key_pem) == (original.ca_pem, original.cert_pem, original.key_pem)
    with pytest.raises(RuntimeError, match="inside its context"):
        _ = copied.cert_file
    with copied:
        assert copied.cert_file != original.cert_file
    assert Path(original.cert_file).exists()


@pytest.mark.parametrize("copier", COPIERS)
@pytest.mark.parametrize("name", ERRORS)
def test_an_error_comes_back_whole(name: str, copier: str) -> None:
    original = error(ERRORS[name])
    original.add_note("while this was tested")
    copied = COPIERS[copier](original)
    assert type(copied) is type(original)
    assert (str(copied), repr(copied), vars(copied)) == (str(original), repr(original), vars(original))


def test_an_error_of_the_core_s_comes_back_whole(living: Alive) -> None:
    with pytest.raises(poplin.Refused) as caught:
        living.objects["Client"].retr(7)
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (str(copied), vars(copied)) == (str(caught.value), vars(caught.value))
    assert copied.doing == "RETR 7"


@pytest.mark.holds("T-SEC-1", "B")
def test_a_pickled_login_error_holds_no_secret(served: Callable[..., poplin.testing.Server]) -> None:
    with pytest.raises(poplin.AuthError) as caught:
        poplin.connect(served().url, user="alice", password=SECRET)
    assert SECRET.encode() not in pickle.dumps(caught.value)
