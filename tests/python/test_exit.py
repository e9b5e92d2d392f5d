"""The exit with forgotten clients and servers, which neither hangs nor crashes; and no standard descriptors."""

import textwrap

import pytest
from programs import program

PRELUDE = """
    import asyncio, contextlib, sys, threading, time
    from concurrent.futures import Future
    import poplin, poplin.aio, poplin.testing
    from drops import Backend, mail

    ALICE = {"user": "alice", "password": "secret"}

    def tester(**options):
        made = poplin.testing.Server({"alice": "secret"}, exclusive=False, **options)
        made.start()
        for number in range(5):
            made.deliver("alice", b"Subject: hi\\r\\n\\r\\nhello\\r\\n")
        return made

    def aside(function, *arguments, **named):
        def run():
            with contextlib.suppress(poplin.Error):
                function(*arguments, **named)
        threading.Thread(target=run, daemon=True).start()
    """

FORGOTTEN = {
    "a client": """
        server = tester()
        pop = poplin.connect(server.url, **ALICE)
        """,
    "a client, in a cycle, without its server": """
        server = tester()
        pop = poplin.connect(server.url, **ALICE)
        pop.itself = pop
        server.stop()
        del server, pop  # found only by the last collection
        """,
    "a client in the middle of a loop": """
        server = tester()
        pop = poplin.connect(server.url, **ALICE)
        loop = pop.retr_all()
        next(loop)
        """,
    "a client with which another thread waits": """
        server = tester()
        server.fault("STAT", delay=10_000)
        pop = poplin.connect(server.url, **ALICE)
        aside(pop.stat)
        server.wait_for(lambda server: server.sessions[0].commands[-1] == "STAT")
        """,
    "a client that connects in another thread": """
        import socket
        silent = socket.create_server(("127.0.0.1", 0))
        def connect():
            poplin.connect(f"pop3://127.0.0.1:{silent.getsockname()[1]}")
        aside(connect)
        accepted, _ = silent.accept()
        """,
    "a server that listens": """
        server = poplin.Server(Backend(mail(1)))
        """,
    "a server that serves": """
        server = poplin.Server(Backend(mail(1)), workers=2)
        server.start()
        """,
    "a server with a session": """
        server = poplin.Server(Backend(mail(1)), workers=2)
        server.start()
        pop = poplin.connect(server.url, **ALICE)
        """,
    "a server whose Future is never done": """
        asked = threading.Event()
        class Never(Backend):
            def maildrop(self, user):
                asked.set()
                return Future()
        server = poplin.Server(Never({}))
        server.start()
        aside(poplin.connect, server.url, **ALICE)
        asked.wait(20)
        """,
    "a server whose worker finishes in the middle of it": """
        asked = threading.Event()
        class Slow(Backend):
            def maildrop(self, user):
                asked.set()
                time.sleep(0.05)
                return super().maildrop(user)
        server = poplin.Server(Slow({}), workers=1)
        server.start()
        aside(poplin.connect, server.url, **ALICE)
        asked.wait(20)
        """,
    "a test server that listens": """
        server = poplin.testing.Server({"alice": "secret"})
        """,
    "a test server with TLS, files, faults and a session": """
        server = tester(tls="implicit")
        fault = server.fault("RETR", drop_after=1)
        pop = poplin.connect(server.url, ca_file=server.ca_file, **ALICE)
        session = server.sessions[0]
        """,
    "a test server that somebody waits for": """
        server = tester()
        entered = threading.Event()
        def look(server):
            entered.set()
            return False
        aside(server.wait_for, look)
        entered.wait(20)
        """,
    "an asynchronous client whose loop was closed": """
        server = tester()
        async def main():
            global pop
            pop = await poplin.aio.connect(server.url, **ALICE)
        asyncio.run(main())
        """,
    "an asynchronous client whose loop was not": """
        server = tester()
        loop = asyncio.new_event_loop()
        pop = loop.run_until_complete(poplin.aio.connect(server.url, **ALICE))
        """,
    "an asynchronous client in the middle of a loop": """
        server = tester()
        async def main():
            global pop, messages
            pop = await poplin.aio.connect(server.url, **ALICE)
            messages = pop.retr_all()
            await anext(messages)
        asyncio.run(main())
        """,
    "an asynchronous client that waits": """
        server = tester()
        server.fault("STAT", delay=10_000)
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda loop, context: None)  # asyncio's own: a task that is left is destroyed
        pop = loop.run_until_complete(poplin.aio.connect(server.url, **ALICE))
        task = loop.create_task(pop.stat())
        loop.run_until_complete(asyncio.sleep(0))
        """,
    "an asynchronous client that waits, and whose loop was closed": """
        server = tester()
        server.fault("STAT", delay=10_000)
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda loop, context: None)  # asyncio's own: a task that is left is destroyed
        pop = loop.run_until_complete(poplin.aio.connect(server.url, **ALICE))
        task = loop.create_task(pop.stat())
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        pop.close()
        """,
    "an asynchronous server": """
        loop = asyncio.new_event_loop()
        async def main():
            global server, listening, pop
            listening = poplin.aio.Server(Backend(mail(1)))
            server = poplin.aio.Server(Backend(mail(1)), workers=1)
            await server.start()
            pop = await poplin.aio.connect(server.url, **ALICE)
        loop.run_until_complete(main())
        """,
    "a loop that runs in another thread, with all of it": """
        served = threading.Event()
        async def main():
            server = poplin.aio.Server(Backend(mail(3)), workers=1)
            await server.start()
            pop = await poplin.aio.connect(server.url, **ALICE)
            served.set()
            while True:
                await pop.stat()
        aside(lambda: asyncio.run(main()))
        served.wait(20)
        """,
    "sixteen threads that fetch all the time": """
        server = poplin.Server(Backend(mail(3)), workers=2, exclusive=False)
        server.start()
        begun = threading.Semaphore(0)
        def fetch():
            while True:
                with poplin.connect(server.url, **ALICE) as pop:
                    begun.release()
                    for message in pop.retr_all():
                        pass
        for _ in range(16):
            aside(fetch)
        for _ in range(32):
            begun.acquire(timeout=20)
        """,
}

ENDINGS = {"": 0, "sys.exit(3)": 3}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("what", FORGOTTEN)
def test_exit_with(what: str, ending: str) -> None:
    text = textwrap.dedent(PRELUDE) + textwrap.dedent(FORGOTTEN[what]) + 'print("leaving", flush=True)\n' + ending
    with program(text, asan="detect_leaks=0") as child:
        output, errors = child.communicate(timeout=60)
    assert (output, child.returncode) == ("leaving\n", ENDINGS[ending]), errors
    assert all("ResourceWarning: " in line for line in errors.splitlines()), errors


CLOSED = """
    import os
    for descriptor in range(3):
        os.close(descriptor)
    server = tester()
    with poplin.connect(server.url, **ALICE) as pop:
        assert len(pop.messages()) == 5
        while_open = [os.path.exists(f"/proc/self/fd/{descriptor}") for descriptor in range(3)]
    server.stop()
    os._exit(0 if not any(while_open) else 1)
    """


def test_a_process_without_standard_descriptors() -> None:
    text = textwrap.dedent(PRELUDE) + textwrap.dedent(CLOSED)
    with program(text, asan="detect_leaks=0") as child:
        child.communicate(timeout=60)
    assert child.returncode == 0
