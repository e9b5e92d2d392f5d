"""
What is done again and again costs no more memory and no more descriptors the more often it is done.

LEAK_ROUNDS says how often: 10000 for a long look, some hundreds without it.
"""

import os
import textwrap

import pytest
from programs import program

ROUNDS = int(os.environ.get("LEAK_ROUNDS", "300"))
LEAK = 24  # octets of a round; the smallest object that could be left each time has more, with what knows it
ONCE = 60_000  # octets that asyncio's and CPython's own tables may still grow by
PATIENCE = 120 + ROUNDS // 5  # seconds

PRELUDE = """
    import asyncio, contextlib, ctypes, gc, os, sys, warnings
    from concurrent.futures import Future
    import poplin, poplin._serving, poplin.aio, poplin.testing
    from poplin import protocol
    from drops import Backend, Drop, mail

    warnings.simplefilter("ignore", ResourceWarning)
    poplin._serving.ERRORS_KEPT = 8  # which are there on purpose
    ROUNDS, STRETCHES = int(sys.argv[1]), 4
    ALICE = {"user": "alice", "password": "secret", "timeout": 60}

    def tester(**options):
        server = poplin.testing.Server({"alice": "secret"}, keep_sessions=4, exclusive=False, **options)
        server.start()
        for body in mail(5).values():
            server.deliver("alice", body)
        return server

    class Info(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in "arena ord smb hbl hblkhd usm fsm uord ford keep".split()]

    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Info

    def state():
        gc.collect()
        gc.collect()  # what the first collection's finalizers have revived
        info = libc.mallinfo2()
        return info.uord + info.hblkhd, len(os.listdir("/proc/self/fd"))

    # A leak shows in each stretch of the way; what grows once and stays, a buffer or a table, in some only.
    def watch(once):
        states = []
        for _ in range(STRETCHES + 1):
            for _ in range(ROUNDS // (STRETCHES + 1)):
                once()
            states.append(state())
        pairs = list(zip(states, states[1:]))
        print(min(after[0] - before[0] for before, after in pairs) // (ROUNDS // (STRETCHES + 1)))
        print(min(after[1] - before[1] for before, after in pairs))

    def watch_awaited(once):
        with asyncio.Runner() as runner:
            watch(lambda: runner.run(once()))
    """

WORK = {
    "connects": """
        server = tester()
        def once():
            with poplin.connect(server.url, **ALICE) as pop:
                pop.stat()
        watch(once)
        """,
    "connects by TLS": """
        server = tester(tls="implicit")
        def once():
            with poplin.connect(server.url, ca_pem=server.ca_pem, **ALICE) as pop:
                pop.tls
        watch(once)
        """,
    "fetches into places": """
        import itertools, tempfile
        server = tester()
        folder = tempfile.mkdtemp()
        store = poplin.seen(folder + "/seen.sqlite")
        places = [folder + "/Mail", lambda message: message.email(), poplin.Mbox(folder + "/mbox")]
        wishes = {"into": places, "seen": store, "account": "alice", "progress": lambda now: None}
        def once():
            store.forget("alice")
            report = poplin.fetch(server.url, **ALICE, **wishes, filter=lambda message: message.number != 3 or "skip")
            assert (report.delivered, report.skipped) == (4, 1)
            os.truncate(folder + "/mbox", 0)
        watch(once)
        """,
    "fetches that are stopped": """
        import tempfile
        server = tester()
        folder = tempfile.mkdtemp()
        store = poplin.seen(folder + "/seen.sqlite")
        def interrupt(message):
            if message.number == 3:
                raise KeyboardInterrupt
        async def once():
            store.forget("alice")
            with contextlib.suppress(KeyboardInterrupt):
                await poplin.aio.fetch(
                    server.url, **ALICE, into=[folder + "/Mail", interrupt], seen=store, account="alice"
                )
        watch_awaited(once)
        """,
    "fetches": """
        server = tester()
        def once():
            with poplin.connect(server.url, **ALICE) as pop:
                pieces = []
                messages = pop.messages()
                assert pop.retr(1, into=pieces.append) == len(pop.retr(1)) == sum(map(len, pieces))
                assert len([message.data for message in pop.retr_all()]) == len(messages) == 5
                next(pop.retr_all())
                messages[0].headers()
        watch(once)
        """,
    "failures": """
        server = tester()
        dropped = tester()
        dropped.fault("RETR", drop_after=9)
        def failing(kind, function):
            try:
                function()
            except kind:
                return
            raise AssertionError
        def once():
            failing(poplin.AuthError, lambda: poplin.connect(server.url, user="alice", password="wrong"))
            failing(poplin.NetworkError, lambda: poplin.connect("pop3://127.0.0.1:1"))
            failing(ValueError, lambda: poplin.connect("pop3://"))
            with poplin.connect(server.url, **ALICE) as pop:
                failing(poplin.Refused, lambda: pop.retr(99))
                failing(ZeroDivisionError, lambda: pop.retr(1, into=lambda piece: 1 / 0))
            with contextlib.closing(poplin.connect(dropped.url, **ALICE)) as pop:
                failing(poplin.ConnectionLost, lambda: pop.retr(1))
                failing(poplin.ConnectionLost, lambda: pop.stat())
        watch(once)
        """,
    "callbacks that raise, and Futures": """
        class Mood(Drop):
            def retr(self, uid):
                future = Future()
                if uid == "uid-1":
                    future.set_result(iter([b"Subject: hi", b""]))
                else:
                    future.set_exception(KeyError(uid))
                return future
            def dele(self, uids):
                raise OSError("the disk is full")
        class Moody(Backend):
            def maildrop(self, user):
                return Mood(self)
        server = poplin.Server(Moody(mail(2)), workers=int(sys.argv[1]) % 2 + 1, exclusive=False)
        server.start()
        def once():
            pop = poplin.connect(server.url, **ALICE)
            pop.retr(1)
            for attempt in (lambda: pop.retr(2), lambda: (pop.dele(1), pop.quit())):
                with contextlib.suppress(poplin.Temporary):
                    attempt()
                    raise AssertionError
        watch(once)
        server.stop()
        """,
    "what is forgotten": """
        server = tester()
        def once():
            pop = poplin.connect(server.url, **ALICE)
            pop.itself = pop
            pop.loop = pop.retr_all()
            next(pop.loop)
            left = poplin.Server(Backend(mail(1)))
            left.itself = left
            poplin.testing.Server({"alice": "secret"}).fault("RETR", refuse="no")
            if once.count % 50 == 0:
                gc.collect()
            once.count += 1
        once.count = 0
        watch(once)
        """,
    "machines": """
        def once():
            client = protocol.ClientConnection(tls="never", protected=True)
            session = protocol.ServerConnection(protected=True)
            client.open("alice", "secret")
            for _ in range(9):
                session.receive_data(client.data_to_send())
                for event in session.events():
                    if isinstance(event, protocol.CheckPassword):
                        session.accept(event)
                    elif isinstance(event, protocol.OpenMaildrop):
                        session.open(event, [("uid-1", None)])
                client.receive_data(session.data_to_send())
                events = list(client.events())
            assert client.phase == "transaction"
        watch(once)
        """,
    "connects under asyncio": """
        server = tester()
        async def once():
            async with await poplin.aio.connect(server.url, **ALICE) as pop:
                assert len([message async for message in pop]) == 5
        watch_awaited(once)
        """,
    "event loops": """
        server = tester()
        async def main():
            async with await poplin.aio.connect(server.url, **ALICE) as pop:
                await pop.stat()
        watch(lambda: asyncio.run(main()))
        """,
    "failures under asyncio": """
        server = tester()
        async def failing(kind, awaitable):
            try:
                await awaitable
            except kind:
                return
            raise AssertionError
        async def once():
            await failing(poplin.AuthError, poplin.aio.connect(server.url, user="alice", password="wrong"))
            await failing(poplin.NetworkError, poplin.aio.connect("pop3://127.0.0.1:1"))
            pop = await poplin.aio.connect(server.url, **ALICE)
            await failing(poplin.Refused, pop.retr(99))
            task = asyncio.create_task(pop.stat())
            await asyncio.sleep(0)
            task.cancel()
            await failing(asyncio.CancelledError, task)
            pop.close()
        watch_awaited(once)
        """,
    "servers under asyncio": """
        class Moody(Backend):
            async def maildrop(self, user):
                await asyncio.sleep(0)
                return Awaited(self)
        class Awaited(Drop):
            async def retr(self, uid):
                if uid == "uid-2":
                    raise KeyError(uid)
                return [b"Subject: hi"]
        async def once():
            async with poplin.aio.Server(Moody(mail(2))) as server:
                async with await poplin.aio.connect(server.url, **ALICE) as pop:
                    await pop.retr(1)
                    with contextlib.suppress(poplin.Temporary):
                        await pop.retr(2)
        watch_awaited(once)
        """,
    "servers under asyncio that are forgotten with a session": """
        async def main():
            server = poplin.aio.Server(Backend({"uid-1": lambda: iter([b"x" * 3_000_000] * 3)}))
            await server.start()
            pop = await poplin.aio.connect(server.url, **ALICE)
            async for message in pop.retr_all():
                break
        def once():
            asyncio.run(main())
            gc.collect()
        watch(once)
        """,
}
SLOW = {"servers under asyncio that are forgotten with a session": 10, "what is forgotten": 2, "event loops": 2}


@pytest.mark.parametrize("what", WORK)
def test_leaks_of(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What each thread keeps for its next use would count as used.
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0")
    monkeypatch.setenv("PYTHONMALLOC", "malloc")
    text = textwrap.dedent(PRELUDE) + textwrap.dedent(WORK[what])
    rounds = ROUNDS // SLOW.get(what, 1)
    with program(text, str(rounds), asan="detect_leaks=0") as child:
        output, errors = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0, errors
    octets, files = map(int, output.split())
    assert files <= 0
    assert octets < LEAK + ONCE // rounds
