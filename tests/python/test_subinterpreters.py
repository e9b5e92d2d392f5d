"""Several interpreters in one process, each with a poplin of its own; and interpreters without the one lock."""

import sys
import textwrap

import pytest
from programs import program

MANY = """
    import os, sys, textwrap, time
    import _xxsubinterpreters as interpreters

    FINDING = f"import sys; sys.path[:] = {sys.path!r}; "
    USUAL = "import asyncio, poplin, poplin.aio, poplin.testing; from drops import Backend, mail\\n"

    def run(interpreter, text):
        interpreters.run_string(interpreter, FINDING + USUAL + textwrap.dedent(text))

    def open_files():
        return len(os.listdir("/proc/self/fd"))

    def threads_end(count):
        # One that was joined may still be seen for a moment.
        until = time.monotonic() + 20
        while (now := len(os.listdir("/proc/self/task"))) > count and time.monotonic() < until:
            os.sched_yield()
        return now
    """

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 12), reason="3.12 and newer: each has a lock of its own")


def outcome(text: str) -> str:
    """What a program prints that makes interpreters; everything that it complains of fails the test."""
    with program(textwrap.dedent(MANY) + textwrap.dedent(text)) as child:
        output, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    assert not errors
    return output


def test_each_is_a_client_and_a_server() -> None:
    work = """
        several = [interpreters.create() for _ in range(3)]
        for interpreter in several:
            run(interpreter, '''
                server = poplin.testing.Server({"alice": "secret"}, tls="implicit")
                server.start()
                server.deliver("alice", b"Subject: hi\\\\r\\\\n")
                pop = poplin.connect(server.url, user="alice", password="secret", ca_pem=server.ca_pem)
            ''')
        for interpreter in several:
            run(interpreter, '''
                print([message.data for message in pop.retr_all()])
                pop.dele(1)
                pop.quit()
                server.sessions[0].assert_quit()
                server.stop()

                async def fetch():
                    async with await poplin.aio.connect(other.url, user="alice", password="secret") as pop:
                        return await pop.stat()

                async def main():
                    global other
                    async with poplin.aio.Server(Backend(mail(2))) as other:
                        print((await fetch()).count)

                asyncio.run(main())
            ''')
        for interpreter in several:
            interpreters.destroy(interpreter)
        """
    assert outcome(work) == "[b'Subject: hi\\r\\n']\n2\n" * 3


def test_each_has_classes_and_errors_of_its_own() -> None:
    work = """
        import poplin
        from poplin import _core
        run(interpreters.create(), f'''
            from poplin import _core
            assert id(poplin.Error) != {id(poplin.Error)}
            assert id(_core.Link) != {id(_core.Link)}
            with poplin.testing.Server({{"alice": "secret"}}) as server:
                try:
                    poplin.connect(server.url, user="alice", password="wrong")
                except poplin.AuthError as error:
                    print(error.doing)
        ''')
        try:
            poplin.connect("pop3://127.0.0.1:1")
        except poplin.NetworkError as error:
            print("network")
        """
    assert outcome(work) == "login\nnetwork\n"


def test_one_that_ends_leaves_nothing_and_takes_nothing_from_the_others() -> None:
    work = """
        import poplin.testing
        left = poplin.testing.Server({"alice": "secret"})
        left.start()
        pop = poplin.connect(left.url, user="alice", password="secret")
        def once():
            interpreter = interpreters.create()
            run(interpreter, '''
                import warnings
                warnings.simplefilter("ignore", ResourceWarning)
                server = poplin.testing.Server({"alice": "secret"}, tls="implicit")
                server.start()
                pop = poplin.connect(server.url, user="alice", password="secret", ca_pem=server.ca_pem)
                bound = poplin.Server(Backend(mail(2)))
                tester = poplin.testing.Server({"alice": "secret"})
                tester.start()
                loop = asyncio.new_event_loop()
                other = loop.run_until_complete(poplin.aio.connect(tester.url, user="alice", password="secret"))
                loop.close()  # asyncio's own __del__ makes noise where the end takes its parts in another order
            ''')
            interpreters.destroy(interpreter)
        once()
        files, threads = open_files(), threads_end(2)
        for _ in range(5):
            once()
        print(open_files() - files, threads, threads_end(2), pop.stat().count)
        pop.quit()
        left.stop()
        """
    assert outcome(work) == "0 2 2 0\n"


def test_one_that_may_have_no_threads_says_so() -> None:
    work = """
        run(interpreters.create(isolated=True), '''
            server = poplin.Server(Backend(mail(1)))
            try:
                server.start()
            except RuntimeError as error:
                print(error)
            print(server)
        ''')
        """
    said, shown = outcome(work).splitlines()
    assert said == "thread is not supported for isolated subinterpreters"
    assert shown.endswith("stopped>")


def test_one_that_may_have_threads_serves() -> None:
    work = """
        interpreter = interpreters.create(isolated=False)
        run(interpreter, '''
            with poplin.Server(Backend(mail(2)), workers=2) as server:
                with poplin.connect(server.url, user="alice", password="secret") as pop:
                    print(len([message.data for message in pop.retr_all()]))
        ''')
        interpreters.destroy(interpreter)
        """
    assert outcome(work) == "2\n"


def test_a_free_threaded_interpreter_is_refused() -> None:
    with program("import sys; sys.abiflags = 't'; import poplin") as child:
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 1
    assert errors.splitlines()[-1].startswith("ImportError: poplin does not support free-threaded interpreters")
