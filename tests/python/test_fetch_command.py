"""`python -m poplin fetch`: what it fetches and tells, how it ends, and that it may be stopped at any instant."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drops import messages
from fetch_commands import FETCH, SECRET, Cron, end
from fetched import mail_in
from lmtp import LMTPServer

import poplin
import poplin.testing
from poplin._command_fetch import DOINGS, STATUSES, STORE_STATUSES

New = Callable[..., Cron]
SIZE = sum(map(len, messages(3)))


@pytest.fixture
def new(served: Any, tmp_path: Path) -> New:
    """new(mail, **options) gives a home, and a server with alice's mail."""

    def make(mail: Any = (), **options: Any) -> Cron:
        return Cron(served(mail, users={"alice": SECRET}, **options), tmp_path)

    return make


# ---- what is fetched, and where to ----


def test_new_mail_is_fetched_once(new: New) -> None:
    cron = new(messages(3))
    first = cron.fetch()
    assert (first.status, first.out) == (0, f"3 messages fetched, {SIZE} octets\n")
    second = cron.fetch()
    assert second == (0, "0 messages fetched, 0 octets; 3 known from before\n", "")
    assert cron.mail() == sorted(messages(3)) == cron.left()
    assert cron.store.stat().st_mode & 0o077 == cron.store.parent.stat().st_mode & 0o077 == 0


def test_quiet_tells_of_a_message_that_cannot_be_fetched(new: New) -> None:
    """The server gives no unique-id for it, so it would stay there unnoticed for ever."""
    cron = new(messages(2))
    cron.server.fault("UIDL", raw=b"+OK\r\n1 one\r\n.\r\n")
    ran = cron.fetch("--quiet")
    assert (ran.status, ran.out, ran.said.count("\n")) == (0, "", 1)
    assert ran.said.startswith("message 2: the server told no unique-id")


def test_a_path_that_the_shell_has_left_as_it_is(new: New) -> None:
    """The ~ of --into=~/Mail, say."""
    cron = new(messages(1))
    ran = cron.fetch("--into=~/Other", "--mbox=~/mbox", "--seen=~/seen", cwd=cron.home)
    assert (ran.status, len([*cron.home.glob("Other/new/*")])) == (0, 1)
    assert {path.name for path in cron.home.iterdir()} == {"Mail", "Other", "mbox", "seen", "seen-claims"}


def test_quiet_is_silent_where_all_is_well(new: New) -> None:
    cron = new(messages(3))
    assert cron.fetch("--quiet") == (0, "", "")
    assert cron.fetch("--quiet") == (0, "", "")
    cron.server.deliver("alice", b"Subject: new\r\n\r\n")
    cron.server.fault("RETR", refuse="not now")
    said = cron.fetch("--quiet")
    assert (said.status, said.out) == (os.EX_TEMPFAIL, "")
    assert re.fullmatch(r"message 4: RETR 4: .*not now\n", said.said)


def test_a_problem_of_many_messages_is_told_in_few_lines(new: New) -> None:
    """A full disk, say: cron would send a line for each by mail."""
    cron = new(messages(30))
    cron.server.fault("RETR", refuse="not now")
    said = cron.fetch("--quiet").said.splitlines()
    assert [line.split(":")[0] for line in said[:19]] == [f"message {number}" for number in range(1, 20)]
    assert said[19:] == ["11 more messages have a problem (--verbose or --json tells of each)"]
    assert cron.fetch("--verbose").said.count("not now") == 30


def test_verbose_tells_of_each_message(new: New) -> None:
    cron = new(messages(2))
    uids = [mail.uid for mail in cron.server.messages("alice")]
    lines = cron.fetch("--verbose", "--keep", "none").out.splitlines()
    assert len(lines) == 3
    for number, (uid, mail) in enumerate(zip(uids, messages(2), strict=True)):
        words = f"message {number + 1} ({uid}, {len(mail)} octets): delivered; deleted on the server; "
        assert lines[number].startswith(words)
        assert (cron.maildir / "new" / lines[number].removeprefix(words)).exists()


def test_into_all_places_that_are_named(new: New, tmp_path: Path) -> None:
    cron = new(messages(2))
    with LMTPServer() as tcp, LMTPServer(tmp_path / "lmtp") as local:
        places = ["--into", tmp_path / "Copy", "--mbox", tmp_path / "mbox", "--lmtp", f"127.0.0.1:{tcp.port}", "bob@x"]
        assert cron.fetch(*places, "--lmtp", tmp_path / "lmtp", "carol").status == 0
    assert cron.mail() == mail_in(tmp_path / "Copy") == sorted(messages(2))
    assert sorted(tcp.received) == sorted(local.received) == sorted(messages(2))
    assert (tmp_path / "mbox").read_bytes().count(b"Subject: number ") == 2
    assert [text for text in tcp.commands if "bob" in text] == ["rcpt TO:<bob@x>"] * 2


def test_what_is_taken_is_as_the_options_say(new: New) -> None:
    cron = new([*messages(3), messages(1, 3000)[0]])
    told = cron.fetch("--dry-run", "--max-octets", "1k").out
    assert told == "3 messages would be fetched; 1 skipped\n"
    assert cron.run(cron.into[0], "--dry-run", POPLIN_PASSWORD=SECRET).out == "4 messages would be fetched\n"
    assert not cron.store.exists()
    assert not cron.maildir.exists()
    assert cron.fetch("--max-octets", "1k", "--newest-first", "--limit", "1").status == 0
    assert cron.mail() == [messages(3)[2]]
    before = len(cron.server.sessions)
    assert cron.fetch("--max-octets", "1k", "--large", "headers", "--commit-every", "1", "--keep", "none").status == 0
    assert len(cron.mail()) == 4
    assert b"Subject: number 1\r\n\r\n" in cron.mail()
    assert cron.left() == [messages(1, 3000)[0]]
    assert len(cron.server.sessions) - before >= 3


def test_what_is_remembered_is_as_the_options_say(new: New, tmp_path: Path) -> None:
    cron = new(messages(1))
    assert cron.fetch("--seen", tmp_path / "mine.db", "--account", "work").status == 0
    assert not cron.store.exists()
    with poplin.seen(tmp_path / "mine.db") as store:
        assert store.accounts() == {"work": 1}
    assert "1 known from before" in cron.fetch("--seen", tmp_path / "mine.db", "--account", "work").out


@pytest.mark.parametrize("tls", ["implicit", "stls"])
def test_over_tls(new: New, tls: str) -> None:
    cron = new(messages(2), tls=tls)
    trust = ["--ca-file", cron.server.ca_file, "--tls", tls]
    assert cron.fetch(*trust, "--auth", "USER").status == 0
    session = cron.server.sessions[0].assert_quit().assert_no_cleartext_secret()
    assert (session.tls[:3], session.mechanism) == ("TLS", "USER")
    refused = cron.fetch("--tls", tls)
    assert (refused.status, refused.out) == (os.EX_PROTOCOL, "")
    assert "certificate" in refused.complaint
    assert "pass --ca-file with" in refused.complaint
    unkept = cron.fetch("--tls", tls, "--trust-on-first-use", "/proc/none/known")
    assert (unkept.status, "/proc/none/known" in unkept.complaint) == (os.EX_CANTCREAT, True)
    assert cron.mail() == sorted(messages(2))


# ---- JSON ----


def test_json_has_an_object_for_each_message_and_one_for_all(new: New) -> None:
    cron = new(messages(2))
    uids = [mail.uid for mail in cron.server.messages("alice")]
    cron.server.fault("RETR", message=2, refuse="not now")
    ran = cron.fetch("--json", "--keep", "none")
    first, second, total = map(json.loads, ran.out.splitlines())
    places = [path.name for path in (cron.maildir / "new").iterdir()]
    assert first == {
        "type": "message", "number": 1, "uid": uids[0], "octets": len(messages(2)[0]), "result": "delivered",
        "deleted": True, "places": places, "resumed": False, "problem": None,
    }  # fmt: skip
    problem = second.pop("problem")
    assert "not now" in problem
    assert f"message 2: {problem}\n" in ran.said
    assert second == {
        "type": "message", "number": 2, "uid": uids[1], "octets": len(messages(2)[1]), "result": "refused",
        "deleted": False, "places": [], "resumed": False,
    }  # fmt: skip
    account = f"alice@127.0.0.1:{cron.server.port}"
    assert total == {
        "type": "report", "account": account, "dry_run": False, "delivered": 1, "deleted": 1, "skipped": 0, "failed": 1,
        "listed": 2, "known": 0, "octets": len(messages(2)[0]), "status": os.EX_TEMPFAIL, "problem": None,
    }  # fmt: skip
    assert ran.status == os.EX_TEMPFAIL


def test_json_tells_of_a_fetch_that_came_to_nothing(new: New) -> None:
    cron = new(messages(1))
    cron.server.fault("GREETING", refuse="closed on Sundays")
    ran = cron.fetch("--json")
    told = json.loads(ran.out)
    assert (told["type"], told["delivered"], told["status"]) == ("report", 0, os.EX_UNAVAILABLE)
    assert ran.complaint == told["problem"]
    assert "closed on Sundays" in told["problem"]


def test_what_a_server_says_does_not_reach_the_terminal_as_it_is(new: New) -> None:
    cron = new(messages(2))
    cron.server.fault("UIDL", raw=b"+OK\r\n1 caf\xe9\x9b2J\r\n2 b\r\n.\r\n")
    cron.server.fault("RETR", message=2, raw=b"-ERR \x1b]0;x\x07\x9b2J\r\n")
    ran = cron.fetch("--verbose")
    assert "caf\xe9\\x9b2J" in ran.out
    assert "message 2: RETR 2: " in ran.said
    assert (ran.out + ran.said).replace("\n", "").isprintable()


def test_the_document_names_what_is_told(new: New) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/fetch.md").read_text("utf-8")
    examples = [json.loads(line) for line in re.findall(r'^\{"type": .*\}$', text, re.MULTILINE)]
    objects = [json.loads(line) for line in new(messages(1)).fetch("--json").out.splitlines()]
    assert [{name: type(value) for name, value in each.items()} for each in examples] == [
        {name: type(value) for name, value in each.items()} for each in objects
    ]
    statuses = {int(number) for row in re.findall(r"^([\d, ]+) \| ", text, re.MULTILINE) for number in row.split(", ")}
    used = {status for _, status in STATUSES} | set(DOINGS.values()) | set(STORE_STATUSES.values())
    assert used - {os.EX_SOFTWARE} | {0, os.EX_USAGE, 129, 130, 143} == statuses


# ---- exit statuses ----

Arrange = Callable[[Cron], Any]
FAILURES: list[Any] = [
    pytest.param(lambda cron: cron.server.stop(), [], os.EX_UNAVAILABLE, "refused", id="no server"),
    pytest.param(
        lambda cron: cron.server.fault("GREETING", refuse="closed"), [], os.EX_UNAVAILABLE, "closed", id="greeting"
    ),
    pytest.param(
        lambda cron: [cron.server.fault(verb, refuse="no") for verb in ("UIDL", "TOP")],
        [], os.EX_UNAVAILABLE, "neither UIDL nor TOP", id="no way to know messages",
    ),
    pytest.param(None, ["--auth", "SCRAM-SHA-256"], os.EX_UNAVAILABLE, "no way to log in", id="not offered"),
    pytest.param(None, ["--tls", "stls"], os.EX_UNAVAILABLE, "--tls never", id="no STLS"),
    pytest.param(lambda cron: cron.server.fault("UIDL", raw=b"hello\r\n"), [], os.EX_PROTOCOL, "", id="protocol"),
    pytest.param(
        lambda cron: cron.server.fault("LIST", refuse="[SYS/TEMP] busy"), [], os.EX_TEMPFAIL, "busy", id="temporary"
    ),
    pytest.param(lambda cron: cron.server.fault("RETR", drop_after=30), [], os.EX_TEMPFAIL, "closed", id="dropped"),
    pytest.param(
        lambda cron: cron.server.fault("RETR", reset_after=30), [], os.EX_TEMPFAIL, "", id="reset by the server"
    ),
    pytest.param(
        lambda cron: cron.server.fault("UIDL", stall_before=True),
        ["--timeout", "0.2"], os.EX_TEMPFAIL, "sent nothing", id="timeout",
    ),
    pytest.param(
        lambda cron: cron.server.fault("AUTH", refuse="[AUTH] no"), [], os.EX_NOPERM, "credentials", id="login"
    ),
    pytest.param(None, ["--ca-file", "/no/such/file"], os.EX_CONFIG, "/no/such/file", id="ca file"),
    pytest.param(None, ["--pin", "x"], os.EX_CONFIG, "pin", id="pin"),
    pytest.param(None, ["--into", "/proc/none/Mail"], os.EX_CANTCREAT, "/proc/none/Mail", id="maildir"),
    pytest.param(None, ["--mbox", "/proc/none/mbox"], os.EX_CANTCREAT, "/proc/none", id="mbox"),
    pytest.param(None, ["--mbox", "x" * 300 + "/mbox"], os.EX_CANTCREAT, "too long", id="mbox with a long name"),
    pytest.param(None, ["--into", "x" * 300], os.EX_CANTCREAT, "too long", id="maildir with a long name"),
    pytest.param(None, ["--mbox", "/proc"], os.EX_CANTCREAT, "a folder", id="mbox that is a folder"),
    pytest.param(None, ["--seen", "/proc/none/seen"], os.EX_CANTCREAT, "/proc/none/seen", id="seen"),
    pytest.param(None, ["--seen", "/proc"], os.EX_CANTCREAT, "a folder", id="seen that is a folder"),
    pytest.param(
        lambda cron: (cron.home / "state").write_bytes(b"no store" * 500),
        ["--seen", "state"], os.EX_DATAERR, "no SQLite file", id="seen that is none",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("arrange", "options", "status", "words"), FAILURES)
def test_the_exit_status_says_why_it_failed(
    new: New, arrange: Arrange | None, options: list[str], status: int, words: str
) -> None:
    cron = new(messages(2))
    if arrange is not None:
        arrange(cron)
    ran = cron.fetch("--quiet", *options, cwd=cron.home)
    assert (ran.status, ran.out) == (status, "")
    assert words in ran.complaint
    assert cron.left() == sorted(messages(2)) or status == os.EX_UNAVAILABLE


def test_a_maildrop_that_is_in_use_is_tried_later(new: New) -> None:
    cron = new(messages(1))
    with poplin.connect(cron.server.url, user="alice", password=SECRET):
        assert cron.fetch().status == os.EX_TEMPFAIL
    assert cron.fetch().status == 0


def test_a_message_that_cannot_be_delivered_is_tried_later(new: New, tmp_path: Path) -> None:
    cron = new(messages(2))
    with LMTPServer(tmp_path / "lmtp", **{"end bob": "451 no room"}):
        ran = cron.fetch("--lmtp", tmp_path / "lmtp", "bob", "--keep", "none")
    assert ran.status == os.EX_TEMPFAIL
    assert ran.out == f"0 messages fetched, {sum(map(len, messages(2)))} octets; 2 failed\n"
    assert ran.said.count("451 no room") == 2
    assert cron.left() == sorted(messages(2))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "URL"),
        (["pop3://alice@host"], "where to?"),
        (["pop3://alice@host", "--into", "Mail", "--keep", "14"], "'14d'"),
        (["pop3://alice@host", "--into", "Mail", "--keep", "0d"], "'none'"),
        (["pop3://alice@host", "--into", "Mail", "--limit", "0"], "--limit"),
        (["pop3://alice@host", "--into", "Mail", "--max-octets", "2G"], "500k"),
        (["pop3://alice@host", "--into", "Mail", "--large", "headers"], "--max-octets"),
        (["pop3://alice@host", "--into", "Mail", "--quiet", "--verbose"], "--verbose"),
        (["pop3://alice@host", "--into", "Mail", "--tls", "perhaps"], "invalid choice"),
        (["pop3://alice@host", "--into", "Mail", "--timeout", "0"], "timeout"),
        (["pop3://alice@host", "--into", "Mail", "--auth", "FOO"], "auth"),
        (["pop3://alice@host", "--into", "Mail", "--account", "a\nb"], "account"),
        (["pop3://alice@host", "--into", ""], "empty path"),
        (["pop3://alice@host", "--into", "~no-such-user/Mail"], "no home folder"),
        (["pop3://alice@host", "--lmtp", "host:port", "bob"], "HOST:PORT"),
        (["pop3://alice@host", "--lmtp", "host", "b b"], "b b"),
        (["http://alice@host", "--into", "Mail"], "scheme"),
        (["pop3://host", "--into", "Mail"], "--user"),
        ([f"pop3://alice:{SECRET}@host", "--into", "Mail"], "--help tells how"),
        (["pop3://alice@host", "--into", "Mail", "--netrc", "--password-command", "echo x"], "not allowed"),
    ],
)
def test_wrong_options(new: New, options: list[str], words: str, tmp_path: Path) -> None:
    cron, here = new(), tmp_path / "here"
    here.mkdir()
    ran = cron.run(*options, settings={"cwd": here}, POPLIN_PASSWORD=SECRET)
    assert (ran.status, ran.out) == (os.EX_USAGE, "")
    assert [*here.iterdir(), *cron.home.rglob("poplin")] == []
    assert words in ran.complaint


# ---- how far it is ----


def on_a_terminal(cron: Cron, *options: object, **environment: str) -> tuple[int, str, str]:
    """The status of a fetch whose standard error is a terminal, its output, and what the terminal was sent."""
    ours, theirs = pty.openpty()
    with cron.running(
        *cron.into, *options, settings={"stderr": theirs, "start_new_session": True},
        **{"POPLIN_PASSWORD": SECRET, "TERM": "xterm", "COLUMNS": "120", **environment},
    ) as child:  # fmt: skip
        os.close(theirs)
        sent = b""
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            while piece := os.read(ours, 10_000):
                sent += piece
        os.close(ours)
        ran = end(child)
    assert SECRET not in sent.decode()
    return ran.status, ran.out, sent.decode()


def test_a_bar_on_a_terminal(new: New) -> None:
    cron = new(messages(3))
    status, out, sent = on_a_terminal(cron)
    assert (status, out) == (0, f"3 messages fetched, {SIZE} octets\n")
    assert "\x1b[?25l" in sent  # the cursor is hidden
    last = sent.rindex("3 of 3 messages")
    assert re.search(r"127\.0\.0\.1.*━━━.*3 of 3 messages", sent)
    assert "\x1b[?25h" in sent[last:]  # and comes back
    assert on_a_terminal(cron) == (0, "0 messages fetched, 0 octets; 3 known from before\n", "")


def test_no_bar_where_it_is_not_wanted(new: New) -> None:
    cron = new(messages(3))
    assert on_a_terminal(cron, "--quiet", "--limit", "1") == (0, "", "")
    status, _, sent = on_a_terminal(cron, TERM="dumb")
    assert (status, "\x1b" in sent) == (0, False)
    assert sent.startswith("2 messages, ")


def test_lines_and_a_hint_without_rich(new: New, tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise ImportError('no rich')")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    cron = new(messages(2))
    status, _, sent = on_a_terminal(cron, PYTHONPATH=path)
    assert status == 0
    assert re.match(r"pip install 'poplin\[cli]' .*\r\n2 messages, \d+ octets\r\n1 of 2 messages, ", sent)
    assert sent.count("poplin[cli]") == 1


def test_lines_in_a_pipe(new: New) -> None:
    cron = new(messages(40))
    lines = cron.fetch().said.splitlines()
    sizes = [len(message) for message in messages(40)]
    assert lines[0] == f"40 messages, {sum(sizes):,} octets"
    assert 2 <= len(lines) <= 10
    for line in lines[1:]:
        found = re.fullmatch(rf"(\d+) of 40 messages, ([\d,]+) of {sum(sizes):,} octets", line)
        assert found
        assert int(found[2].replace(",", "")) == sum(sizes[: int(found[1])])


# ---- stopped ----


def known_after(cron: Cron) -> int:
    """How many messages the next fetch finds on record."""
    ran = cron.fetch("--json")
    assert ran.status == 0
    known: int = json.loads(ran.out.splitlines()[-1])["known"]
    return known


@pytest.mark.holds("T-DLV-1", "C")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_with_what_was_delivered_on_record(new: New, number: signal.Signals, status: int) -> None:
    cron = new(messages(4))
    fault = cron.server.fault("RETR", nth=3, stall_before=True)
    with cron.running(*cron.into, "--no-pipelining", "--json", POPLIN_PASSWORD=SECRET) as child:
        cron.server.wait_for(lambda _: fault.fired, 30)
        child.send_signal(number)
        ran = end(child)
    total = json.loads(ran.out.splitlines()[-1])
    assert (ran.status, total["status"], total["delivered"]) == (status, status, 2)
    assert ran.said.endswith(f"stopped by {number.name}\n")
    assert len(cron.mail()) == 2
    fault.remove()
    assert known_after(cron) == 2
    assert cron.mail() == sorted(messages(4))


def test_a_second_one_at_the_same_time_says_to_try_later(new: New) -> None:
    cron = new(messages(4), lock="none")
    fault = cron.server.fault("RETR", nth=2, stall_before=True)
    with cron.running(*cron.into, "--keep", "none", POPLIN_PASSWORD=SECRET) as first:
        cron.server.wait_for(lambda _: fault.fired, 30)
        second = cron.fetch("--keep", "none", "--quiet")
        assert (second.status, second.out, len(cron.server.sessions)) == (os.EX_TEMPFAIL, "", 1)
        assert second.complaint.startswith("claiming the account: another fetch of alice@127.0.0.1:")
        assert json.loads(cron.fetch("--json").out)["status"] == os.EX_TEMPFAIL
        fault.remove()
        assert cron.fetch("--dry-run").out == "4 messages would be fetched\n"
        first.terminate()
        assert end(first).status == 143
    assert cron.fetch("--keep", "none").status == 0
    assert cron.left() == []
    assert cron.mail() == sorted(messages(4))


def test_output_that_nobody_takes_loses_nothing(new: New) -> None:
    cron = new(messages(3))
    ours, theirs = os.pipe()
    os.close(ours)
    with contextlib.closing(os.fdopen(theirs, "wb")) as pipe:
        ran = cron.fetch("--verbose", "--keep", "none", stdout=pipe)
        assert (ran.status, cron.left()) == (os.EX_IOERR, [])
        cron.server.deliver("alice", b"Subject: new\r\n\r\n")
        assert cron.fetch("--keep", "none", stderr=pipe).status == 0
        cron.server.deliver("alice", b"Subject: newer\r\n\r\n")
        with cron.server.fault("RETR", refuse="not now"):
            assert cron.fetch(stderr=pipe).status == os.EX_TEMPFAIL
    with Path("/dev/full").open("wb") as full:
        assert cron.fetch(stdout=full).status == os.EX_IOERR
    assert len(cron.mail()) == 5
    assert cron.fetch().out == "0 messages fetched, 0 octets; 1 known from before\n"


def test_without_standard_output_and_error_nothing_is_written_elsewhere(new: New) -> None:
    """Were it to write to descriptors 1 and 2 all the same, it would be into files that it has opened."""
    cron = new(messages(2))
    for place in (cron.into, [*cron.into[:1], "--mbox", cron.home / "mbox", "--account", "other"]):
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *FETCH, *map(str, place), "--verbose"],
            env=cron.environment(POPLIN_PASSWORD=SECRET),
            timeout=60,
            check=False,
        )
        assert done.returncode == 0
    assert cron.mail() == sorted(messages(2))
    assert (cron.home / "mbox").read_bytes().count(b"From ") == 2
    assert known_after(cron) == 2
