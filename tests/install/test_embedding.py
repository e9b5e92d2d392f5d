"""A C program that embeds CPython opens and closes it a hundred times, with poplin in the middle of its work."""

import os
import shlex
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest

import poplin

HERE = Path(__file__).resolve().parent
PACKAGE = Path(poplin.__file__).resolve().parent.parent
LEAK = 2_000  # octets of a round: less is an entry or two in some table of the interpreter's own

MODULES = """
    import asyncio, email, email.policy, random, socket, ssl, tempfile, threading, urllib.parse, warnings, weakref
    import concurrent.futures, contextlib, datetime, functools, pathlib, queue, shutil
    """
OPEN = """
    import asyncio, warnings
    import poplin, poplin.aio, poplin.testing
    from drops import Backend, mail

    warnings.simplefilter("ignore", ResourceWarning)
    alice = {"user": "alice", "password": "secret"}
    tester = poplin.testing.Server({"alice": "secret"}, exclusive=False)
    tester.start()
    tester.deliver("alice", b"Subject: hi")
    pop = poplin.connect(tester.url, **alice)
    assert pop.stat().count == 1
    """
BACKGROUND = """
    server = poplin.Server(Backend(mail(3)), workers=1)
    server.start()
    other = poplin.connect(server.url, **alice)
    other.dele(1)
    messages = other.retr_all()
    next(messages)
    """
ON_A_LOOP = """
    async def begin():
        global aio_server, aio_pop, aio_messages
        aio_server = poplin.aio.Server(Backend(mail(3)))
        await aio_server.start()
        aio_pop = await poplin.aio.connect(aio_server.url, **alice)
        aio_messages = aio_pop.retr_all()
        await anext(aio_messages)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    """


@pytest.fixture(scope="module")
def embedding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, linked with the library of the Python that runs this."""
    config = f"{sys.base_prefix}/bin/python{sys.version_info[0]}.{sys.version_info[1]}-config"
    flags = subprocess.run([config, "--includes", "--ldflags", "--embed"], capture_output=True, text=True, check=True)
    exporting = sysconfig.get_config_var("LINKFORSHARED") or ""
    program = tmp_path_factory.mktemp("embedding") / "embedding"
    command: list[str | Path] = ["gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", HERE / "embedding.c"]
    subprocess.run([*command, "-o", program, *shlex.split(flags.stdout), *shlex.split(exporting)], check=True)
    return program


def rounds(embedding: Path, kind: str, count: int, *texts: str, memory: bool = False) -> tuple[int, int, int]:
    """Threads and descriptors left after all the rounds; and octets that each has cost, where memory is looked at."""
    script = "".join(map(textwrap.dedent, texts))
    path = os.pathsep.join([str(PACKAGE), str(HERE.parent / "python")])
    environment = {"PYTHONHOME": sys.base_prefix, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    if memory:
        environment["PYTHONMALLOC"] = "malloc"
    done = subprocess.run(
        [embedding, kind, str(count), script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    threads, descriptors, octets = map(int, done.stdout.split())
    return threads, descriptors, octets


def test_a_hundred_interpreters_leave_nothing(embedding: Path) -> None:
    threads, descriptors, _ = rounds(embedding, "main", 100, OPEN, BACKGROUND, ON_A_LOOP)
    assert (threads, descriptors) == (0, 0)


def test_they_cost_no_more_memory_than_interpreters_cost_anyway(embedding: Path) -> None:
    # CPython itself leaves some kilobytes behind each time, the more the more modules were imported.
    _, _, without = rounds(embedding, "main", 20, MODULES, memory=True)
    _, _, octets = rounds(embedding, "main", 20, MODULES, OPEN, BACKGROUND, ON_A_LOOP, memory=True)
    assert octets < without + LEAK


def test_nor_do_subinterpreters_leave_anything(embedding: Path) -> None:
    _, _, without = rounds(embedding, "sub", 10, MODULES, memory=True)
    threads, descriptors, octets = rounds(embedding, "sub", 10, MODULES, OPEN, BACKGROUND, ON_A_LOOP, memory=True)
    assert (threads, descriptors) == (0, 0)
    assert octets < without + LEAK
