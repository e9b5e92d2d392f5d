"""Many threads with clients, against one server whose backend answers in every way, fails, and is late: all is told."""

import random
import threading
from collections import Counter
from concurrent.futures import Future
from typing import Any

import pytest
from drops import Backend, Drop, mail

import poplin
import poplin.testing

THREADS = 16
ROUNDS = 12
PATIENCE = 120


class Moody(Backend):
    """A backend that gives bodies in all ways, raises, and answers late from a thread of its own."""

    def __init__(self, mail: dict[str, Any], seed: int) -> None:
        super().__init__(mail)
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.raised = 0
        self.late = [threading.Thread(target=self._answer_late, daemon=True) for _ in range(2)]
        self._waiting: list[tuple[Future[Any], Any]] = []
        self._more = threading.Semaphore(0)
        for thread in self.late:
            thread.start()

    def draw(self, count: int) -> int:
        with self._lock:
            return self._random.randrange(count)

    def maildrop(self, user: str) -> Any:
        return MoodyDrop(self)

    def fail(self) -> None:
        with self._lock:
            self.raised += 1
        raise LookupError("the mailbox is in a mood")

    def later(self, value: Any) -> Any:
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((future, value))
        self._more.release()
        return future

    def end(self) -> None:
        for _ in self.late:
            self._more.release()
        for thread in self.late:
            thread.join(PATIENCE)

    def _answer_late(self) -> None:
        while self._more.acquire():
            with self._lock:
                if not self._waiting:
                    return
                future, value = self._waiting.pop()
            future.set_result(value)


class MoodyDrop(Drop):
    backend: Moody

    def list(self) -> Any:
        entries = list(super().list())
        return self.backend.later(entries) if self.backend.draw(2) else entries

    def retr(self, uid: str) -> Any:
        body: bytes = self.backend.mail[uid]
        match self.backend.draw(5):
            case 0:
                self.backend.fail()
            case 1:
                return self.backend.later(body)
            case 2:
                return iter([body[:7], body[7:]])
            case 3:
                return memoryview(body)
        return body

    def dele(self, uids: Any) -> None:
        if self.backend.draw(2):
            self.backend.fail()


def _visit(server: poplin.Server, backend: Moody, number: int, seen: Counter[str]) -> None:
    """One client's life, decided by its number alone."""
    choice = random.Random(number)
    pop = poplin.connect(server.url, user="alice", password="secret", timeout=PATIENCE)
    bodies = list(backend.mail.values())
    for _ in range(choice.randrange(1, 6)):
        try:
            match choice.randrange(4):
                case 0:
                    at = choice.randrange(len(bodies))
                    assert pop.retr(at + 1) == bodies[at]
                    seen["fetched"] += 1
                case 1:
                    for message in pop.retr_all():
                        assert message.data == bodies[message.number - 1]
                        seen["fetched"] += 1
                case 2:
                    assert pop.stat().count == len(bodies)
                case _:
                    pop.dele(choice.randrange(len(bodies)) + 1)
                    pop.rset()
        except poplin.Temporary:
            seen["refused"] += 1
    if choice.randrange(3) == 0:
        pop.close()
        seen["dropped"] += 1
        return
    pop.dele(1)
    try:
        pop.quit()
        seen["left"] += 1
    except poplin.Temporary:
        seen["refused"] += 1


@pytest.mark.parametrize("workers", [0, 4])
def test_sixteen_threads_against_one_server(workers: int) -> None:
    backend = Moody(mail(5, size=3000), seed=workers)
    counts: list[Counter[str]] = [Counter() for _ in range(THREADS)]
    failures: list[BaseException] = []

    def run(thread: int, server: poplin.Server) -> None:
        try:
            for number in range(ROUNDS):
                _visit(server, backend, thread * ROUNDS + number, counts[thread])
        except BaseException as failure:
            failures.append(failure)

    with poplin.Server(backend, workers=workers, exclusive=False) as server:
        threads = [threading.Thread(target=run, args=(number, server)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
    backend.end()
    assert failures == []
    total = sum(counts, Counter())
    assert total["left"] + total["dropped"] + total["refused"] >= THREADS * ROUNDS
    assert total["fetched"] > 100
    assert backend.raised >= total["refused"] > 10
    assert {type(error) for error in server.errors} == {LookupError}
    assert len(server.errors) == min(backend.raised, 1000)
    backend.wait_closed(THREADS * ROUNDS)


def test_sixteen_threads_with_one_test_server_and_its_books() -> None:
    def run(number: int) -> None:
        for _ in range(ROUNDS):
            uid = server.deliver("alice", b"Subject: %d\r\n" % number)
            with poplin.connect(server.url, user="alice", password="secret", timeout=PATIENCE) as pop:
                assert uid in {message.uid for message in pop.retr_all()}
            with server.fault("NOOP", drop_after=0, name=f"of {number}"):
                assert server.sessions
                server.clock.advance(0.001)
            assert uid in {message.uid for message in server.messages("alice")}

    with poplin.testing.Server({"alice": "secret"}, exclusive=False) as server:
        threads = [threading.Thread(target=run, args=[number]) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert [session.outcome for session in server.sessions] == ["committed"] * (THREADS * ROUNDS)
        assert len(server.messages("alice")) == THREADS * ROUNDS


def test_one_client_and_sixteen_threads(server: poplin.testing.Server) -> None:
    server.deliver("alice", b"Subject: hi\r\n")
    answers: Counter[str] = Counter()
    lock = threading.Lock()

    def run() -> None:
        for _ in range(ROUNDS * 4):
            try:
                answer = str(pop.stat().count)
            except poplin.StateError as error:
                in_use = "another thread" in str(error)
                answer = "in use" if in_use else str(error)
            with lock:
                answers[answer] += 1

    with poplin.connect(server.url, user="alice", password="secret", timeout=PATIENCE) as pop:
        threads = [threading.Thread(target=run) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert sum(answers.values()) == THREADS * ROUNDS * 4
    assert set(answers) <= {"1", "in use"}
    assert answers["1"] > 0
    server.sessions[0].assert_quit()
