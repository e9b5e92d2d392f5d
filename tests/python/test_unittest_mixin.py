"""The unittest mixin, by test cases of their own: run by unittest, and by pytest."""

import unittest
from typing import Any

import pytest
from drops import Backend, mail

import poplin
from poplin.testing import PopServerMixin

pytest_plugins = ["pytester"]


class Case(PopServerMixin, unittest.TestCase):
    """A case whose method says what it does; not collected, since pytest.ini's pattern wants Test first."""

    __test__ = False

    def talk(self, *commands: str) -> None:
        with poplin.connect(self.pop3_server.url, user="alice", password="secret") as pop:
            for command in commands:
                getattr(pop, command)()


def run(case: type[unittest.TestCase], name: str = "test") -> unittest.TestResult:
    result = unittest.TestResult()
    assert case(name).run(result) is result
    return result


def only(found: list[tuple[Any, str]]) -> str:
    ((_, text),) = found
    return text


def test_a_server_for_each_test() -> None:
    seen = []

    class Good(Case):
        pop3_options = {"users": {"alice": "secret", "bob": "hidden"}}

        def test(self) -> None:
            seen.append(self.pop3_server)
            self.assertEqual(self.pop3_server.users, self.pop3_options["users"])
            self.talk("stat")
            self.pop3_server.sessions[0].assert_quit()

    for _ in range(2):
        assert run(Good).wasSuccessful()
    assert seen[0] is not seen[1]
    for server in seen:
        with pytest.raises(poplin.NetworkError):
            poplin.connect(server.url)


def test_failures_and_errors_carry_the_masked_transcript() -> None:
    class Bad(Case):
        def test_failure(self) -> None:
            self.talk("stat")
            self.fail("so")

        def test_error(self) -> None:
            self.talk("stat")
            raise RuntimeError

        def test_subtests(self) -> None:
            with self.subTest("good"):
                self.talk("stat")
            with self.subTest("bad"):
                self.fail("so")

        def test_cleanup(self) -> None:
            self.addCleanup(self.fail, "late")
            self.talk("stat")

        @unittest.expectedFailure
        def test_expected(self) -> None:
            self.fail("as expected")

        @unittest.skip("for a reason")
        def test_skipped(self) -> None:
            pass

    for name, kind in (("failure",) * 2, ("error",) * 2, ("subtests", "failure"), ("cleanup", "failure")):
        text = only(getattr(run(Bad, f"test_{name}"), f"{kind}s"))
        assert f"poplin server {'pop3://127.0.0.1'}" in text
        assert "C: STAT" in text
        assert "secret" not in text.partition("poplin server")[2]
    assert len(run(Bad, "test_expected").expectedFailures) == 1
    assert len(run(Bad, "test_skipped").skipped) == 1


def test_a_failing_setup() -> None:
    class Bad(Case):
        def setUp(self) -> None:
            super().setUp()
            self.talk("noop")
            raise RuntimeError

        def test(self) -> None:
            raise AssertionError("it is not run")

    assert "C: NOOP" in only(run(Bad).errors)


def test_a_server_that_cannot_be_made() -> None:
    class Bad(Case):
        pop3_options = {"users": {"alice": "secret"}, "quirks": ["no-such-quirk"]}

        def test(self) -> None:
            raise AssertionError("it is not run")

    assert "no-such-quirk" in only(run(Bad).errors)


class Broken(Backend):
    def maildrop(self, user: str) -> Any:
        raise ZeroDivisionError("in the backend")


def test_an_error_of_the_backend() -> None:
    class Bad(Case):
        pop3_options = {"backend": Broken(mail(1))}

        def test_unnoticed(self) -> None:
            with self.assertRaises(poplin.Temporary):
                self.talk()

        def test_noticed(self) -> None:
            self.talk()

    text = only(run(Bad, "test_unnoticed").errors)
    assert "ZeroDivisionError: in the backend\n" in text
    assert "C: " in text
    text = only(run(Bad, "test_noticed").errors)
    assert "poplin.Temporary" in text.replace("_errors.", "")
    assert "errors of the backend:" in text
    assert "ZeroDivisionError: in the backend\n" in text


def test_without_a_result() -> None:
    class Bad(Case):
        def test(self) -> None:
            self.fail("so")

    result = Bad("test").run()
    assert result is not None
    assert "no client connected" in only(result.failures)


def test_async_cases() -> None:
    class Bad(PopServerMixin, unittest.IsolatedAsyncioTestCase):
        __test__ = False

        async def test(self) -> None:
            with poplin.connect(self.pop3_server.url, user="alice", password="secret") as pop:
                pop.noop()
            self.fail("so")

    assert "C: NOOP" in only(run(Bad).failures)


def test_under_pytest(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import unittest

        import poplin
        from poplin.testing import PopServerMixin

        class FetchTest(PopServerMixin, unittest.TestCase):
            def test_good(self):
                self.assertEqual(self.pop3_server.messages("alice"), [])

            def test_bad(self):
                with poplin.connect(self.pop3_server.url, user="alice", password="secret") as pop:
                    pop.noop()
                self.fail("so")
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=100)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*C: NOOP"])
