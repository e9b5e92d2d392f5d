"""The watch for secrets itself, in suites of its own: each way of telling one is found, and nothing else is."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
    import sys
    sys.path.insert(0, {here!r})

    import pytest
    from secrets_watch import secrets_watch

    import poplin
    from poplin.testing import Server

    WRONG = "not her password"

    class Backend:
        def authenticate(self, user, password):
            raise ValueError("no database for " + password)

        def maildrop(self, user):
            raise poplin.Temporary

    @pytest.fixture
    def refused():
        # Serves and is tried with a wrong password; gives the server, for what is told of that.
        with Server(users={{"alice": "her own password"}}, auth="PLAIN") as server:
            with pytest.raises(poplin.AuthError):
                poplin.connect(server.url, user="alice", password=WRONG)
            yield server
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST.format(here=str(Path(__file__).parent)))
    return pytester


def leaks(suite: pytest.Pytester, tests: str) -> int:
    """How many of the tests failed for what they told; as tests they all pass."""
    suite.makepyfile(tests)
    result = suite.runpytest_subprocess("-p", "no:cacheprovider", timeout=100)
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] == tests.count("def test_")
    assert result.stdout.str().count("AssertionError: a secret was told") >= outcomes.get("errors", 0)
    return outcomes.get("errors", 0)


@pytest.mark.holds("T-SEC-1", "C")
def test_what_a_client_tells_is_found(suite: pytest.Pytester) -> None:
    tests = """
        import base64
        import logging

        import poplin
        from conftest import WRONG

        def test_an_error(refused):
            poplin.ProtocolError("what is this", peer=f"-ERR {WRONG}?")

        def test_what_is_printed(refused):
            print(f"PASS {WRONG}")

        def test_a_log_of_what_went_over_the_wire(refused):
            logging.getLogger().warning("AUTH PLAIN %s", base64.b64encode(f"\\0alice\\0{WRONG}".encode()).decode())

        def test_what_a_function_gave(refused):
            try:
                poplin.connect(refused.url, user="alice", password=lambda user: "another of hers")
            except poplin.AuthError:
                print("another of hers")
    """
    assert leaks(suite, tests) == 4


@pytest.mark.holds("T-SEC-1", "S")
def test_what_a_server_tells_is_found(suite: pytest.Pytester) -> None:
    tests = """
        import poplin
        import pytest
        from conftest import WRONG, Backend
        from poplin.testing import Server

        def test_a_transcript():
            with Server(users={"alice": "her own password"}, greeting=f"not {WRONG}") as server:
                with pytest.raises(poplin.AuthError):
                    poplin.connect(server.url, user="alice", password=WRONG)

        def test_an_error_of_a_backend():
            with poplin.Server(Backend()) as server, pytest.raises(poplin.Temporary):
                poplin.connect(server.url, user="alice", password=WRONG)

        def test_an_error_of_a_backend_under_test():
            with Server(backend=Backend(), raise_errors=False) as server, pytest.raises(poplin.Temporary):
                poplin.connect(server.url, user="alice", password=WRONG)

        def test_a_secret_of_a_user(refused):
            refused.add_user("bob", "the one of bob")
            print("her own password", "the one of bob")
    """
    assert leaks(suite, tests) == 4


def test_what_tells_nothing_passes(suite: pytest.Pytester) -> None:
    tests = """
        from conftest import WRONG

        def test_nothing_is_told(refused):
            print(refused.transcript, refused)

        def test_on_purpose(refused, secrets_watch):
            secrets_watch.secrets.clear()
            print(WRONG)
    """
    assert leaks(suite, tests) == 0
