"""A server's thread: it pulls the core's questions and has a script's backend answer them."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable

from poplin import _core
from poplin._answers import Answers
from poplin._backend import Backend
from poplin._calls import Calls, Workers
from poplin._errors import StateError
from poplin._listening import stop_at_exit
from poplin._trace import problem

ERRORS_KEPT = 1000  # a hostile peer can provoke errors without end


class BaseServing:
    """A core's server with a script's backend, whoever drives it."""

    def __init__(
        self,
        core: _core.Server,
        backend: object,
        calls: Calls,
        on_error: Callable[[BaseException], object] | None,
    ) -> None:
        self._core = core
        self._on_error = on_error
        self._errors: deque[BaseException] = deque(maxlen=ERRORS_KEPT)
        self._answers = Answers(backend, core, calls, self._note)

    @property
    def errors(self) -> list[BaseException]:
        """What went wrong in the backend, oldest first."""
        return list(self._errors)

    @property
    def open_sessions(self) -> int:
        """How many sessions are open."""
        return self._core.sessions()

    @property
    def state(self) -> str:
        """A word for it."""
        raise NotImplementedError

    def forget_errors(self) -> None:
        """From here on `errors` begins anew."""
        self._errors.clear()

    def _answer(self, question: tuple[object, ...] | None) -> None:
        # Nothing that a script's objects do, an exception whose __str__ raises say, may end the thread.
        try:
            if question is not None:
                self._answers.to(question)
        except BaseException as error:
            self._note(error)

    def _note(self, error: BaseException) -> None:
        self._errors.append(error)
        problem(error)
        if self._on_error is not None:
            try:
                self._on_error(error)
            except BaseException as another:
                self._errors.append(another)


class Serving(BaseServing):
    """A server on a thread of its own, from its start to its end."""

    def __init__(
        self,
        core: _core.Server,
        backend: Backend,
        workers: int,
        on_error: Callable[[BaseException], object] | None,
    ) -> None:
        self._own = threading.local()
        self._workers = Workers(workers, self._mark_own)
        self._late: deque[Callable[[], None]] = deque()
        self._ended = False
        self._lock = threading.Lock()
        super().__init__(core, backend, Calls(self._workers, self._post), on_error)
        self._process = os.getpid()
        self._stopping = False
        self.thread: threading.Thread | None = None

    @property
    def state(self) -> str:
        """A word for it."""
        return "stopped" if self._stopping else "listening" if self.thread is None else "serving"

    def start(self) -> None:
        """Serves, on a thread of its own. StateError: it was started or stopped before, or is the parent process's."""
        if os.getpid() != self._process:
            raise StateError("this server belongs to the parent process: make another in this one")
        if self.thread is not None or self._stopping:
            raise StateError("this server was started or stopped before")
        thread = threading.Thread(target=self._serve, name=f"poplin-server-{self._core.port()}", daemon=True)
        self.thread = thread
        try:
            self._core.start()
            self._workers.start()
            thread.start()
        except BaseException:  # this interpreter has, or may have, no more threads; or Ctrl-C
            if thread.ident is None:  # it has not run, or is about to see that it is to stop
                self.thread = None
            self.stop()
            raise
        stop_at_exit(self)

    def stop(self, patience: float | None = None) -> None:
        """Ends it, and returns when the last of the backend's methods has; called by one of those, at once."""
        self._stopping = True
        if os.getpid() != self._process:
            return
        until = None if patience is None else time.monotonic() + patience
        try:
            if self.thread is None:
                self._core.close()
            else:
                self._core.wake()
                self._join(self.thread, until)
        finally:  # also where Ctrl-C ends the wait
            self._workers.stop()
        for thread in self._workers.threads:
            self._join(thread, until)

    def advance(self, milliseconds: int) -> None:
        """Moves the clock, and returns when what was due then has been handled. StateError: it is not serving."""
        if self.thread is None or self._stopping:
            raise StateError("only a server that serves has a clock that can be moved")
        if self._is_own():
            raise StateError("a method of the backend cannot move the clock of the server that waits for it")
        self._core.advance(milliseconds)

    def _join(self, thread: threading.Thread, until: float | None) -> None:
        # A thread of the server's own does not wait for itself, nor for another, which may be waiting for it.
        if thread.ident is not None and not self._is_own():
            thread.join(None if until is None else max(0.0, until - time.monotonic()))

    # ---- the thread ----

    def _serve(self) -> None:
        self._mark_own()
        while not self._stopping:
            self._answer(self._core.wait())
            self._catch_up()
        self._core.close()
        while (question := self._core.take()) is not None:
            self._answer(question)
        with self._lock:
            self._ended = True
        self._catch_up()

    def _mark_own(self) -> None:
        """Notes that this thread is one of the server's, which must not wait for itself."""
        self._own.thread = True

    def _is_own(self) -> bool:
        return getattr(self._own, "thread", False)

    def _catch_up(self) -> None:
        """Settles what other threads have finished."""
        while self._late:
            try:
                self._late.popleft()()
            except BaseException as error:
                self._note(error)

    def _post(self, settle: Callable[[], None]) -> None:
        """From any thread: has something settled by the server's own; after its end, here."""
        with self._lock:
            if not self._ended:
                self._late.append(settle)
                self._core.wake()
                return
        settle()
