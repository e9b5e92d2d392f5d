"""poplin.Maildir, served to clients, while Python's own mailbox.Maildir, as any program might, works on the mail."""

import gc
import mailbox
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

import poplin


class Maildirs:
    """A backend as a script writes it: alice's mail, in a Maildir. It notes when a session is over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.closed = threading.Semaphore(0)

    def wait_closed(self) -> None:
        assert self.closed.acquire(timeout=20), "a Maildir was never closed"

    def password(self, user: str) -> str | None:
        return "secret" if user == "alice" else None

    def maildrop(self, user: str) -> poplin.Maildir:
        return Told(self)


class Told(poplin.Maildir):
    def __init__(self, backend: Maildirs) -> None:
        super().__init__(backend.path)
        self._closed = backend.closed

    def close(self, outcome: poplin.Outcome | None = None, error: poplin.Error | None = None) -> None:
        super().close(outcome, error)
        self._closed.release()


@pytest.fixture
def box(tmp_path: Path) -> mailbox.Maildir:
    """The other program's view."""
    return mailbox.Maildir(tmp_path / "Maildir")


@pytest.fixture
def path(box: mailbox.Maildir, tmp_path: Path) -> Path:
    return tmp_path / "Maildir"


@pytest.fixture
def backend(path: Path) -> Maildirs:
    return Maildirs(path)


@pytest.fixture
def server(serve: Any, backend: Maildirs) -> poplin.Server:
    started: poplin.Server = serve(backend=backend)[0]
    return started


def put(path: Path, name: str | bytes, text: bytes = b"Subject: hi\n\nhello\n") -> None:
    """A message of this name, as delivered."""
    (path / os.fsdecode(name)).write_bytes(text)


def text_of(number: int) -> bytes:
    return b"Subject: message %d\n\n.line %d\n" % (number, number)


def as_sent(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")


# ---- served ----


@pytest.mark.holds("MDIR-5", "S")
@pytest.mark.holds("POP-SIZE-1", "S")
def test_mail_that_another_program_delivered(server: poplin.Server, connect: Any, box: mailbox.Maildir) -> None:
    keys = [box.add(text_of(number)) for number in range(3)]
    pop = connect(server)
    listed = pop.messages()
    assert sorted(message.uid for message in listed) == sorted(keys)
    assert pop.stat() == (3, sum(len(as_sent(text_of(number))) for number in range(3)))
    for message in listed:
        sent = as_sent(text_of(keys.index(message.uid)))
        assert message.retr() == sent
        assert message.octets == len(sent)
        assert message.top(0) == sent.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


@pytest.mark.holds("POP-UIDL-2", "S")
def test_the_same_numbers_and_unique_ids_in_the_next_session(
    server: poplin.Server, backend: Maildirs, connect: Any, path: Path
) -> None:
    for name in ("new/1000.b", "cur/999.z:2,S", "new/1000.a", "cur/10000.a:2,"):
        put(path, name)
    expected = ["999.z", "1000.a", "1000.b", "10000.a"]
    pop = connect(server)
    assert [line.uid for line in pop.uidl()] == expected
    pop.quit()
    backend.wait_closed()
    (path / "new/1000.a").rename(path / "cur/1000.a:2,RS")
    assert [line.uid for line in connect(server).uidl()] == expected


@pytest.mark.holds("T-LCK-2", "S")
def test_another_program_at_work_on_the_mail(
    server: poplin.Server, backend: Maildirs, connect: Any, box: mailbox.Maildir
) -> None:
    keys = [box.add(text_of(number)) for number in range(4)]
    pop = connect(server)
    listed = {message.uid: message for message in pop.messages()}
    sizes = pop.list()
    seen = mailbox.MaildirMessage(text_of(0))
    seen.set_subdir("cur")
    seen.add_flag("S")
    box[keys[0]] = seen
    box.remove(keys[1])
    late = box.add(text_of(9))
    box.clean()
    assert listed[keys[0]].retr() == as_sent(text_of(0))
    with pytest.raises(poplin.Refused, match="no longer there") as refused:
        listed[keys[1]].retr()
    assert "Maildir" not in str(refused.value)
    assert listed[keys[2]].retr() == as_sent(text_of(2))
    assert late not in listed
    assert (pop.stat().count, pop.list()) == (4, sizes)
    for uid in keys[:3]:
        listed[uid].dele()
    pop.quit()
    backend.wait_closed()
    assert sorted(box.keys()) == sorted([keys[3], late])
    assert sorted(line.uid for line in connect(server).uidl()) == sorted([keys[3], late])


@pytest.mark.holds("T-UPD-1", "S")
def test_only_quit_deletes(server: poplin.Server, backend: Maildirs, connect: Any, box: mailbox.Maildir) -> None:
    keys = [box.add(text_of(number)) for number in range(2)]
    dropped = connect(server)
    for number in (1, 2):
        dropped.dele(number)
    dropped.close()
    backend.wait_closed()
    reset = connect(server)
    reset.dele(1)
    reset.rset()
    reset.quit()
    backend.wait_closed()
    assert sorted(box.keys()) == sorted(keys)
    pop = connect(server)
    gone = pop.uidl(1).uid
    pop.dele(1)
    pop.quit()
    assert [key for key in keys if key not in box] == [gone]


@pytest.mark.holds("T-UPD-2", "S")
def test_a_failure_in_the_middle_of_the_removal(backend: Maildirs, connect: Any, path: Path) -> None:
    for name in ("new/1.a", "new/2.b", "cur/3.c:2,S", "new/4.d"):
        put(path, name)
    with poplin.Server(backend) as server:
        pop = connect(server)
        for number in (1, 2, 3):
            pop.dele(number)
        (path / "new/2.b").unlink()
        (path / "new/2.b").mkdir()  # which no unlink removes, not even for root
        with pytest.raises(poplin.Temporary):
            pop.quit()
        backend.wait_closed()
        assert [line.uid for line in connect(server).uidl()] == ["4.d"]
    assert [type(error) for error in server.errors] == [poplin.NetworkError]
    assert f"{path}/new/2.b: " in str(server.errors[0])
    assert sorted(entry.name for entry in (path / "new").iterdir()) == ["2.b", "4.d"]


@pytest.mark.holds("POP-UIDL-1", "S")
def test_names_with_odd_octets(server: poplin.Server, connect: Any, path: Path) -> None:
    names = [b"new/1 with space", b"new/2\xff\xfe", b"cur/3\n\x1b[2J:2,S", b"cur/4" + b"x" * 200, b"new/" + b"5" * 70]
    for number, name in enumerate(names):
        put(path, name, text_of(number))
    pop = connect(server)
    uids = [line.uid for line in pop.uidl()]
    assert [len(uid) for uid in uids] == [65, 65, 65, 65, 70]
    assert all(uid.isascii() and uid.isprintable() and " " not in uid for uid in uids)
    for number in range(5):
        assert pop.retr(number + 1) == as_sent(text_of(number))
        pop.dele(number + 1)
    pop.quit()
    assert not list(path.glob("*/*"))


def test_thousands_of_messages(server: poplin.Server, connect: Any, path: Path) -> None:
    count = 10_000
    for number in range(count):
        put(path, f"new/{number}.a", b"x\n")
    pop = connect(server)
    assert [line.uid for line in pop.uidl()] == [f"{number}.a" for number in range(count)]
    for number in range(1, count, 2):
        (path / f"new/{number}.a").rename(path / f"cur/{number}.a:2,S")
    assert [message.data for message in pop.retr_all(range(1, 501))] == [b"x\r\n"] * 500
    for message in pop.retr_all(range(501, 1001)):
        message.dele()
    pop.quit()
    assert len(list(path.glob("*/*"))) == count - 500


def test_on_workers(backend: Maildirs, connect: Any, serve: Any, path: Path) -> None:
    put(path, "new/1.a", text_of(1))
    server, _ = serve(backend=backend, workers=2)
    pop = connect(server)
    assert pop.retr(1) == as_sent(text_of(1))
    pop.dele(1)
    pop.quit()
    assert not list(path.glob("*/*"))


@pytest.mark.parametrize("broken", ["", "new", "cur"])
def test_a_maildir_that_is_none(backend: Maildirs, connect: Any, path: Path, broken: str) -> None:
    """The owner is told what is wrong, the client that it may come again."""
    shutil.rmtree(path / broken)
    if broken == "cur":
        (path / "cur").write_bytes(b"no folder")
    with poplin.Server(backend) as server:
        with pytest.raises(poplin.Temporary) as refused:
            connect(server)
        assert str(path) not in str(refused.value)
        shutil.rmtree(path, ignore_errors=True)
        mailbox.Maildir(path)
        assert connect(server).stat() == (0, 0)
    assert [type(error) for error in server.errors] == [poplin.NetworkError]
    assert str(path) in str(server.errors[0])


# ---- the object itself ----


def test_its_methods(path: Path) -> None:
    put(path, "new/1.a", b"one")
    put(path, "cur/2.b:2,S", b"two")
    for given in (path, str(path), os.fsencode(path)):
        maildir = poplin.Maildir(given)  # type: ignore[arg-type]
        assert isinstance(maildir, poplin.Maildrop)
        assert maildir.list() == [("1.a", None), ("2.b", None)]
        with maildir.retr("2.b") as file:
            assert file.read() == b"two"
        maildir.close()
    again = poplin.Maildir(path)
    again.dele(uid for uid in ["2.b"])
    with pytest.raises(poplin.Refused, match=r"^the message is no longer there$"):
        again.retr("2.b")
    assert [file.name for file in path.glob("*/*")] == ["1.a"]


def test_errors_name_the_path(path: Path) -> None:
    with pytest.raises(poplin.NetworkError, match="nowhere: No such file or directory") as raised:
        poplin.Maildir(path / "nowhere")
    assert isinstance(raised.value, OSError)
    with pytest.raises(poplin.NetworkError, match='is no Maildir: it has no folder "new"'):
        poplin.Maildir(path.parent)


@pytest.mark.holds("T-API-3", "B")
def test_misuse(path: Path) -> None:
    put(path, "new/1.a")
    maildir = poplin.Maildir(path)
    wrong: Any
    for wrong in (b"1.a", 1, None):
        with pytest.raises(TypeError):
            maildir.retr(wrong)
        with pytest.raises(TypeError):
            maildir.dele(["1.a", wrong])
    for wrong in ("1", "1.a\0", "", "\udcff", "../new/1.a"):
        with pytest.raises(ValueError, match=r"no message|surrogates"):
            maildir.retr(wrong)
        with pytest.raises(ValueError, match=r"no message|surrogates"):
            maildir.dele(["1.a", wrong])
    assert (path / "new/1.a").exists()
    for wrong in (None, 1, path / "\0"):
        with pytest.raises((TypeError, ValueError)):
            poplin.Maildir(wrong)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_closed_one(path: Path) -> None:
    gc.collect()  # what other tests have left
    before = descriptors()
    maildir = poplin.Maildir(path)
    for _ in range(2):
        maildir.close()
    assert descriptors() == before
    calls: list[Any] = [maildir.list, lambda: maildir.retr("1.a"), lambda: maildir.dele([])]
    for call in calls:
        with pytest.raises(poplin.StateError, match="this Maildir is closed"):
            call()
    for _ in range(10):
        poplin.Maildir(path)
    assert descriptors() == before
