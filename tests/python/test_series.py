"""Message after message: the pipeline, and what may happen inside the loop."""

import gc
import threading
from typing import Any

import pytest
from drops import messages
from scripts import LOGIN, join

import poplin
from peer import Server, expect, expect_eof, hold, mark, send

LISTING = [
    expect(b"LIST\r\nUIDL\r\n"),
    send(b"+OK\r\n1 4\r\n2 4\r\n3 4\r\n.\r\n+OK\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n"),
]


def test_every_message_comes_whole_and_in_order(served: Any, connect: Any) -> None:
    server = served(messages(300, 5000))
    fetched = [(message.number, message.uid, message.data) for message in connect(server).retr_all()]
    assert fetched == [(number, mail.uid, mail.data) for number, mail in enumerate(server.messages("alice"), 1)]


def test_only_some_numbers_each_once(served: Any, connect: Any) -> None:
    server = served(messages(5))
    pop = connect(server)
    listed = pop.messages()
    for wanted, numbers in (([4, 2, 4], [4, 2]), (listed[3:], [4, 5]), ([listed[0], 2], [1, 2]), ([], [])):
        fetched = [message.email()["subject"] for message in pop.retr_all(wanted)]
        assert fetched == [f"number {number}" for number in numbers]
    assert [message.number for message in pop] == [1, 2, 3, 4, 5]


def test_dele_in_the_loop_is_queued_and_made_at_quit(served: Any, connect: Any) -> None:
    server = served(messages(50, 5000))
    odd = [mail.uid for mail in server.messages("alice")][::2]
    with connect(server) as pop:
        for message in pop.retr_all():
            if message.number % 2:
                message.dele()
    server.sessions[0].assert_deleted(*odd)


def test_dele_in_the_loop_does_not_wait_for_its_reply() -> None:
    """The peer answers the DELE only after the last message, which it sends only when the DELE is there."""
    script = [
        *LOGIN,
        *LISTING,
        expect(b"RETR 1\r\nRETR 2\r\nRETR 3\r\n"),
        send(b"+OK\r\nA\r\n.\r\n"),
        expect(b"DELE 1\r\n"),
        send(b"+OK\r\nB\r\n.\r\n+OK\r\nC\r\n.\r\n+OK deleted\r\n"),
        expect(b"QUIT\r\n"),
        send(b"+OK\r\n"),
    ]
    with Server(script) as peer, join(peer) as pop:
        for message in pop.retr_all():
            if message.number == 1:
                message.dele()


def test_a_refused_dele_is_raised_at_the_next_step() -> None:
    script = [
        *LOGIN,
        *LISTING,
        expect(b"RETR 1\r\nRETR 2\r\n"),
        send(b"+OK\r\nA\r\n.\r\n"),
        expect(b"DELE 1\r\n"),
        send(b"+OK\r\nB\r\n.\r\n-ERR [SYS/TEMP] not now\r\n"),
        expect(b"QUIT\r\n"),
        send(b"+OK\r\n"),
    ]
    with Server(script) as peer, join(peer, limits={"window_commands": 2}) as pop:
        got = []
        with pytest.raises(poplin.Temporary, match=r"DELE 1.*not now") as caught:
            for message in pop.retr_all():
                got.append(message.data)
                if message.number == 1:
                    message.dele()
        assert got == [b"A\r\n", b"B\r\n"]
        assert caught.value.code == "SYS/TEMP"


def test_a_refused_dele_is_raised_by_quit_at_the_latest() -> None:
    script = [
        *LOGIN,
        *LISTING,
        expect(b"RETR 1\r\nRETR 2\r\nRETR 3\r\n"),
        send(b"+OK\r\nA\r\n.\r\n+OK\r\nB\r\n.\r\n+OK\r\nC\r\n.\r\n"),
        expect(b"DELE 3\r\n"),
        expect(b"QUIT\r\n"),
        send(b"-ERR not now\r\n+OK\r\n"),
    ]
    with Server(script) as peer:
        pop = join(peer)
        messages = pop.retr_all()
        last = [next(messages), next(messages), next(messages)][-1]
        last.dele()
        with pytest.raises(poplin.Refused, match="DELE 3"):
            pop.quit()
        messages.close()


def test_a_refused_message_raises_and_the_connection_goes_on() -> None:
    script = [
        *LOGIN,
        *LISTING,
        expect(b"RETR 1\r\nRETR 2\r\nRETR 3\r\n"),
        send(b"+OK\r\nA\r\n.\r\n-ERR it is gone\r\n+OK\r\nC\r\n.\r\n"),
        expect(b"NOOP\r\n"),
        send(b"+OK\r\n"),
        expect(b"QUIT\r\n"),
        send(b"+OK\r\n"),
    ]
    with Server(script) as peer, join(peer) as pop:
        with pytest.raises(poplin.Refused, match=r"RETR 2.*it is gone"):
            list(pop.retr_all())
        pop.noop()


def test_an_early_break_and_the_next_command(served: Any, connect: Any) -> None:
    server = served(messages(200, 20_000))
    pop = connect(server)
    for message in pop.retr_all():
        if message.number == 3:
            break
    assert pop.stat().count == 200
    assert pop.retr(7).startswith(b"Subject: number 7\r\n")
    assert sum(1 for _ in pop.retr_all()) == 200


def test_verbs_that_wait_inside_the_loop(served: Any, connect: Any) -> None:
    server = served(messages(60, 3000))
    pop = connect(server)
    numbers = []
    for message in pop.retr_all():
        numbers.append(message.number)
        assert pop.stat().count == 60
        assert pop.top(61 - message.number).startswith(b"Subject: number %d\r\n" % (61 - message.number))
        if message.number % 20 == 0:
            assert len(pop.messages()) == 60
    assert numbers == list(range(1, 61))


def test_a_second_loop_ends_the_first_one_loudly(served: Any, connect: Any) -> None:
    server = served(messages(5))
    pop = connect(server)
    first = pop.retr_all()
    next(first)
    assert sum(1 for _ in pop.retr_all()) == 5
    with pytest.raises(poplin.StateError):
        next(first)
    third = pop.retr_all()
    next(third)
    pop.close()
    with pytest.raises(poplin.StateError):
        next(third)


def test_a_loop_that_has_brought_all_is_ended_by_none(served: Any, connect: Any) -> None:
    server = served(messages(3))
    pop = connect(server)
    fetched = []
    for message in pop.retr_all([3]):
        fetched += [message.number, *(one.number for one in pop.retr_all([1, 2]))]
    assert fetched == [3, 1, 2]


@pytest.mark.holds("T-API-1", "B")
def test_a_loop_ended_by_another_thread_while_it_waits() -> None:
    script = [*LOGIN, *LISTING, expect(b"RETR 1\r\nRETR 2\r\nRETR 3\r\n"), mark("asked"), hold("ended")]
    with Server([*script, send(b"+OK\r\nA\r\n.\r\n"), expect_eof()]) as peer:
        pop = join(peer)
        raised: list[BaseException] = []

        def loop() -> None:
            try:
                list(pop.retr_all())
            except poplin.StateError as error:
                raised.append(error)

        thread = threading.Thread(target=loop)
        thread.start()
        peer.wait_for("asked")
        with pytest.raises(poplin.StateError, match="another thread"):
            next(pop.retr_all([]))
        peer.release("ended")
        thread.join(20)
        assert "another retr_all began" in str(raised[0])
        pop.close()


@pytest.mark.holds("T-NUM-6", "C")
def test_messages_of_another_connection_are_refused(served: Any, connect: Any) -> None:
    server = served(messages(2))
    with connect(server) as before:
        listed = before.messages()
    pop = connect(server)
    with pytest.raises(ValueError, match="another connection"):
        list(pop.retr_all(listed))


def test_without_pipelining_commands_go_one_by_one() -> None:
    script = [
        *LOGIN,
        expect(b"LIST\r\n"),
        send(b"+OK\r\n1 4\r\n2 4\r\n.\r\n"),
        expect(b"UIDL\r\n"),
        send(b"-ERR what?\r\n"),
        expect(b"RETR 1\r\n"),
        send(b"+OK\r\nA\r\n.\r\n"),
        expect(b"RETR 2\r\n"),
        send(b"+OK\r\nB\r\n.\r\n"),
        expect(b"QUIT\r\n"),
        send(b"+OK\r\n"),
    ]
    with Server(script) as peer, join(peer, pipelining=False) as pop:
        assert [(message.uid, message.data) for message in pop.retr_all()] == [(None, b"A\r\n"), (None, b"B\r\n")]


@pytest.mark.holds("T-NUM-4", "C")
def test_a_message_missing_in_uidl_has_no_uid() -> None:
    script = [
        *LOGIN,
        expect(b"LIST\r\nUIDL\r\n"),
        send(b"+OK\r\n2 4\r\n1 4\r\n.\r\n+OK\r\n2 b\r\n.\r\n"),
        expect(b"QUIT\r\n"),
        send(b"+OK\r\n"),
    ]
    with Server(script) as peer, join(peer) as pop:
        assert [(message.number, message.uid) for message in pop.messages()] == [(2, "b"), (1, None)]


def test_a_loop_keeps_no_message_that_it_has_handed_over(served: Any, connect: Any) -> None:
    server = served(messages(20))
    pop = connect(server)
    filled = []
    gc.collect()  # messages that other tests have left behind
    for _message in pop.retr_all():
        filled.append(sum(type(one) is poplin.Message and one.data is not None for one in gc.get_objects()))
    assert filled == [1] * 20
