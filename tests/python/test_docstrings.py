"""The reference: every public object says what it is, and shows it by an example, which is run here as it stands."""

import ast
import asyncio
import contextlib
import doctest
import inspect
import itertools
import ssl
import unittest
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import poplin
import poplin.aio
import poplin.poplib
import poplin.protocol
import poplin.testing
from poplin import poplib, protocol

MODULES: tuple[ModuleType, ...] = (poplin, poplin.aio, poplin.protocol, poplin.poplib, poplin.testing)
PUBLIC = [pytest.param(module, name, id=f"{module.__name__}.{name}") for module in MODULES for name in module.__all__]
OBJECTS = [getattr(module, name) for module in MODULES for name in module.__all__]
SOURCES = sorted(Path(poplin.__file__).parent.rglob("*.py"))
MAIL = (b"Subject: one\r\n\r\nhello\r\n", b"Subject: two\r\n\r\nworld\r\n")


def is_documented_itself(thing: object) -> bool:
    """Whether it is a class or a function; what else is public is documented by the string below its name."""
    return inspect.isclass(thing) or inspect.isroutine(thing)


def documented_constants() -> set[str]:
    """The names at the top of the package's modules that have a string below them."""
    found = set()
    for source in SOURCES:
        statements = ast.parse(source.read_text("utf-8")).body
        for statement, following in itertools.pairwise(statements):
            text = following.value if isinstance(following, ast.Expr) else None
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement]
                names = [getattr(target, "target", target) for target in targets]
                found |= {name.id for name in names if isinstance(name, ast.Name)}
    return found


CONSTANTS = documented_constants()


def parts(thing: object) -> list[object]:
    """A class with those of its bases in the package that are not public themselves."""
    bases = inspect.getmro(thing)[1:] if inspect.isclass(thing) else ()
    return [thing, *(base for base in bases if base.__module__.startswith("poplin.") and base not in OBJECTS)]


def undescribed(thing: object) -> Iterator[str]:
    """Which of its methods and properties do not say what they do."""
    for part in parts(thing) if inspect.isclass(thing) else ():
        for name, value in vars(part).items():
            shown = inspect.isroutine(value) or isinstance(value, property)
            if shown and not name.startswith("_") and not value.__doc__:
                yield name


UNDESCRIBED = {
    module: {name: list(undescribed(getattr(module, name))) for name in module.__all__} for module in MODULES
}  # some are wrapped while tests run


def examples(module: ModuleType, name: str) -> list[doctest.DocTest]:
    """Those of a public object, and of its methods and properties."""
    finder = doctest.DocTestFinder()
    found = [test for part in parts(getattr(module, name)) for test in finder.find(part, name, module=False, globs={})]
    return [test for test in found if test.examples and "._" not in test.name]


def names_used(test: doctest.DocTest) -> set[str]:
    """Names that the examples use and do not make themselves."""
    nodes = [node for example in test.examples for node in ast.walk(ast.parse(example.source))]
    names = [node for node in nodes if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return {node.id for node in names} - made


@contextlib.contextmanager
def mail_at_hand(test: doctest.DocTest, folder: Path) -> Iterator[dict[str, Any]]:
    """What examples may name: a server with alice's mail, her client, and a folder with her Maildir."""
    for part in ("new", "cur", "tmp"):
        (folder / "alice" / part).mkdir(parents=True)
    (folder / "alice/new/1.first").write_bytes(MAIL[0].replace(b"\r\n", b"\n"))
    with poplin.testing.Server(users={"alice": "secret"}) as server, contextlib.ExitStack() as stack:
        for message in MAIL:
            server.deliver("alice", message)
        names = {"server": server, "folder": folder, "poplin": poplin, "poplib": poplib}
        names |= {"asyncio": asyncio, "contextlib": contextlib, "ssl": ssl, "unittest": unittest}
        if "pop" in names_used(test):
            pop = poplin.connect(server.url, user="alice", password="secret", timeout=20)
            names["pop"] = stack.enter_context(contextlib.closing(pop))
        yield names


def logged_in() -> dict[str, Any]:
    """What examples of the machines may name: a client's and a server's, alice being logged in at both."""
    pop = protocol.ClientConnection(tls="never", protected=True)
    session = protocol.ServerConnection(protected=True)
    pop.open("alice", "secret")
    while not any(isinstance(event, protocol.Opened) for event in pop.events()):
        session.receive_data(pop.data_to_send())
        for event in session.events():
            match event:
                case protocol.CheckPassword() | protocol.FailedLogin():
                    session.accept(event)
                case protocol.FindSecret():
                    session.password(event, "secret")
                case protocol.OpenMaildrop():
                    session.open(event, [("uid-1", 15), ("uid-2", 15)])
        pop.receive_data(session.data_to_send())
    return {"pop": pop, "session": session, "protocol": protocol, "poplin": poplin}


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_every_public_object_is_described(module: ModuleType, name: str) -> None:
    thing = getattr(module, name)
    if not is_documented_itself(thing):
        assert name in CONSTANTS or name == "__version__"
        return
    assert inspect.getdoc(thing)
    assert UNDESCRIBED[module][name] == []


def test_the_examples_of_the_protocol() -> None:
    result = doctest.testmod(protocol)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_the_examples_of_every_public_class_and_function(
    module: ModuleType, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not is_documented_itself(getattr(module, name)):
        return
    tests = examples(module, name)
    assert tests, "there is no example"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    for number, test in enumerate(tests):
        if module is protocol:
            test.globs = logged_in()
            runner.run(test)
        else:
            with mail_at_hand(test, tmp_path / str(number)) as test.globs:
                runner.run(test, clear_globs=False)
    assert not runner.failures, capsys.readouterr().out
