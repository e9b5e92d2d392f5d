"""
The markers on tests: which requirement or threat a test says that it holds, on which side.

In C a comment right above the test function, /* holds: POP-ML-3 C, T-FRM-6 C */ or that as its last line; in Python
@pytest.mark.holds("POP-ML-3", "C") on a test, or as a mark of one pytest.param; in Lua -- holds: POP-ML-3 C above an
it(...); in the cases that Python and Lua share "holds": ["POP-ML-3 C"]. The sources are read, not run, so that markers
can be looked at where nothing is built.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_IDS = 3
"""That a test may hold: one that claims more has not looked at any of them closely."""

Pair = tuple[str, str]

PAIR = re.compile(r"([A-Z0-9]+(?:-[A-Z0-9]+)*-\d+) ([CSB])")
C_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
C_MARKER = re.compile(r"^[/ ]\*+ *holds:(.*)\*/$", re.DOTALL | re.MULTILINE)
C_TEST = re.compile(r"(?:\s*/\*.*?\*/)*\s*static void (\w+)\(void \*\*", re.DOTALL)
LUA_MARKER = re.compile(r"^ *-- *holds:(.*)\n(?: *--.*\n)*(.*)", re.MULTILINE)
LUA_TEST = re.compile(r"""\s*(\w+)\(\s*(["'])(.+?)\2""")


@dataclass(frozen=True, order=True)
class Test:
    """A test as the reports name it: in Lua by its own title, without those of the groups around it."""

    file: str
    name: str


@dataclass(frozen=True)
class Marker:
    """An id and a side (C, S or B) that a test holds."""

    test: Test
    line: int
    id: str
    side: str


@dataclass(frozen=True)
class Claim:
    """All that one test, or one case of it, holds; what is wrong with that, instead, where something is."""

    file: str
    line: int
    test: str = ""
    pairs: tuple[Pair, ...] = ()
    problem: str = ""


def pairs_of(text: str) -> tuple[Pair, ...] | None:
    """The ids and sides that a comment names. None where it is not a list of these."""
    matches = [PAIR.fullmatch(item.strip()) for item in text.split(",")]
    return tuple((match[1], match[2]) for match in matches if match) if all(matches) else None


def is_registered(text: str, function: str) -> bool:
    """Whether a C test is among those that its program runs."""
    return re.search(rf"\b(?:cmocka_unit_test\w*|[A-Z_]+_TEST)\(\s*{function}\b", text) is not None


def in_c(file: str, text: str) -> Iterator[Claim]:
    for comment in C_COMMENT.finditer(text):
        if not (marker := C_MARKER.search(comment[0])):
            continue
        line = text.count("\n", 0, comment.start() + marker.start()) + 1
        pairs = pairs_of(marker[1])
        test = C_TEST.match(text, comment.end())
        if pairs is None:
            yield Claim(file, line, problem=f"a marker that is none: {marker[1].strip()}")
        elif test is None:
            yield Claim(file, line, problem="a marker above no test")
        elif not is_registered(text, test[1]):
            yield Claim(file, line, problem=f"{test[1]} is marked, but its program does not run it")
        else:
            yield Claim(file, line, test[1], pairs)


def in_lua(file: str, text: str) -> Iterator[Claim]:
    for marker in LUA_MARKER.finditer(text):
        line = text.count("\n", 0, marker.start()) + 1
        pairs = pairs_of(marker[1])
        test = LUA_TEST.match(marker[2])
        if pairs is None:
            yield Claim(file, line, problem=f"a marker that is none: {marker[1].strip()}")
        elif test is None or test[1] == "describe":
            yield Claim(file, line, problem="a marker above no test with a title")
        else:
            yield Claim(file, line, test[3], pairs)


def marks(node: ast.AST) -> list[ast.Call]:
    """The pytest.mark.holds(...) in a piece of Python."""
    calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
    return [call for call in calls if ast.unparse(call.func) == "pytest.mark.holds"]


def python_pairs(calls: list[ast.Call]) -> tuple[Pair, ...]:
    """The ids and sides of marks; what is no id and side is shown as it stands, and known to no sheet."""
    pairs = []
    for call in calls:
        values = [value.value if isinstance(value, ast.Constant) else ast.unparse(value) for value in call.args]
        pairs.append((str(values[0]), str(values[1])) if len(values) == 2 else (ast.unparse(call), ""))
    return tuple(pairs)


def python_tests(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in tree.body:
        for function in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name.startswith("test"):
                yield (f"{node.name}::" if isinstance(node, ast.ClassDef) else "") + function.name, function


def in_python(file: str, text: str) -> Iterator[Claim]:
    tree = ast.parse(text)
    assigned = {
        ast.unparse(target): node.value for node in tree.body if isinstance(node, ast.Assign) for target in node.targets
    }
    met: set[ast.Call] = set()
    for name, function in python_tests(tree):
        own = [decorator for decorator in function.decorator_list if decorator in marks(decorator)]
        held = python_pairs([mark for mark in own if isinstance(mark, ast.Call)])
        met |= {mark for mark in own if isinstance(mark, ast.Call)}
        if held:
            yield Claim(file, function.lineno, name, held)
        others = [decorator for decorator in function.decorator_list if decorator not in own]
        named = {part.id for other in others for part in ast.walk(other) if isinstance(part, ast.Name)}
        for source in [*others, *(value for target, value in assigned.items() if target in named)]:
            for case in ast.walk(source):
                if isinstance(case, ast.Call) and ast.unparse(case.func) == "pytest.param" and marks(case):
                    met |= set(marks(case))
                    yield Claim(file, case.lineno, name, held + python_pairs(marks(case)))
    for mark in marks(tree):
        if mark not in met:
            yield Claim(file, mark.lineno, problem="a marker above no test")


def in_cases(file: str, text: str) -> Iterator[Claim]:
    """A list of cases; what is no list is their format."""
    cases = json.loads(text)
    for case in cases if isinstance(cases, list) else ():
        name, held = case["name"], case.get("holds", [])
        line = text.count("\n", 0, text.find(f'"name": {json.dumps(name, ensure_ascii=False)}')) + 1
        pairs = pairs_of(", ".join(held)) if held else ()
        if pairs is None:
            yield Claim(file, line, problem=f"a marker that is none: {', '.join(held)}")
        elif pairs:
            yield Claim(file, line, name, pairs)


READERS = {".c": in_c, ".h": in_c, ".lua": in_lua, ".py": in_python, ".json": in_cases}


def collect(root: Path) -> tuple[list[Marker], list[str]]:
    """All markers under tests/, and what is wrong with those that are none."""
    found: dict[tuple[Test, Pair], Marker] = {}
    problems = []
    for path in sorted((root / "tests").rglob("*")):
        if path.suffix not in READERS or not path.is_file():
            continue
        for claim in READERS[path.suffix](path.relative_to(root).as_posix(), path.read_text("utf-8")):
            where = f"{claim.file}:{claim.line}"
            if claim.problem:
                problems.append(f"{where}: {claim.problem}")
            if len(names := {name for name, _ in claim.pairs}) > MOST_IDS:
                problems.append(f"{where}: {claim.test} holds {len(names)} ids; {MOST_IDS} are the most")
            for name, side in claim.pairs:
                test = Test(claim.file, claim.test)
                found.setdefault((test, (name, side)), Marker(test, claim.line, name, side))
    return list(found.values()), problems
