"""For unittest: a mixin that gives each test a server of its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from poplin.testing._evidence import Evidence
from poplin.testing._server import Server

if TYPE_CHECKING:
    import unittest

    _Base = unittest.TestCase
else:
    _Base = object


class PopServerMixin(_Base):
    r"""
    Gives each test of a `unittest.TestCase` or `IsolatedAsyncioTestCase` a server of its own, at which "alice" logs in
    with "secret".
    The server is there once `setUp` has run (an own `setUp` calls `super().setUp()` first) and is stopped after
    `tearDown`, as a cleanup. What a test fails with carries the masked transcript as a note. An error in a backend's
    method is an error of the test, unless the test has failed and shows it already.

    >>> class FetchTest(poplin.testing.PopServerMixin, unittest.TestCase):
    ...     pop3_options = {"quirks": ["guessed-sizes"]}
    ...
    ...     def test_fetch(self):
    ...         self.pop3_server.deliver("alice", b"Subject: hi\r\n\r\nhello\r\n")
    ...         with poplin.connect(self.pop3_server.url, user="alice", password="secret") as pop:
    ...             pop.retr(1)
    ...         self.pop3_server.sessions[0].assert_quit()
    >>> FetchTest("test_fetch").run().wasSuccessful()
    True
    """

    pop3_options: ClassVar[Mapping[str, Any]] = {}
    """Options of `poplin.testing.Server` for the tests of the class."""

    pop3_server: Server
    """The test's server."""

    _evidence: Evidence | None = None

    def setUp(self) -> None:
        """Start the server."""
        super().setUp()
        evidence = self._evidence = Evidence()
        self.addCleanup(evidence.stop)
        self.pop3_server = evidence.start(**self.pop3_options)

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test as `unittest.TestCase.run` does, and add notes to what it fails with."""
        if result is None:
            return super().run()
        super().run(self._noting(result))
        return result

    def defaultTestResult(self) -> unittest.TestResult:  # noqa: N802  (unittest's name)
        """Make the result that `run` uses where it is given none."""
        return self._noting(super().defaultTestResult())

    def _noting(self, result: unittest.TestResult) -> unittest.TestResult:
        return cast("unittest.TestResult", _NotingResult(result, self._note))

    def _note(self, error: BaseException) -> None:
        for title, text in self._evidence.sections(_message(error)) if self._evidence else []:
            error.add_note(f"\n{title}:\n{text.rstrip()}")


def _message(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error))  # also of one whose __str__ fails


class _NotingResult:
    """
    A test result that has a note added to each exception before it passes it on. A result writes a failure down as text
    the moment it is told, so the note has to be there by then. It offers what the other offers and no more: a TestCase
    looks for `addSubTest` and the like.
    """

    def __init__(self, result: unittest.TestResult, note: Callable[[BaseException], None]) -> None:
        self._result = result
        self._note = note

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._result, name)
        if name not in {"addError", "addFailure", "addSubTest"}:
            return found

        def noted(*arguments: Any) -> None:
            failure = arguments[-1]
            if failure is not None:
                self._note(failure[1])
            found(*arguments)

        return noted
