"""tools/conformance.py on small made-up projects: what counts, what is an error, and what it writes."""

import importlib
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"

PROTOCOL = """\
# A sheet

## 1. Framing (and more)

- POP-GEN-1 [B] DEF: cleartext service is TCP port 110, the server speaks first (greeting), then to-and-fro. (RFC 1939)
- POP-LIST-3 [S] POL: ascending numbers. [C] POL: accept any order. (RFC 1939)
- POP-STLS-3 [S] MUST NOT (POL in form): run `a
  what continues a line is not read
- POP-ANON-1 [B] MAY: trace `a | b`; [S] SHOULD be off. (RFC 4505)

## 2. Limits

| id | what | default | RFC |
|---|---|---|---|
| LIM-9 | [C] commands in flight; [S] queued input | 1000 | - |

- VEC-PLAIN-1 (RFC 5034 §6): `dGVz`. VEC-PLAIN-2 (RFC 4616 §4): see VEC-PLAIN-1 again.

## 3. Sources
"""

THREATS = """\
## 1. Framing

| id | side | attack / input | what must happen | source |
|---|---|---|---|---|
| T-FRM-6 | C | `..` at line start | one dot removed | RFC 1939 |
"""

IDS = """\
# Made by tools/conformance.py --ids from the requirement sheets: id, side, level, title.

## protocol 1. Framing
POP-GEN-1	B	DEF	cleartext service is TCP port 110, the server speaks first (greeting), then
POP-LIST-3	S	POL	ascending numbers
POP-LIST-3	C	POL	accept any order
POP-STLS-3	S	MUST NOT	run
POP-ANON-1	B	MAY	trace `a | b`

## protocol 2. Limits
LIM-9	C	POL	commands in flight
LIM-9	S	POL	queued input
VEC-PLAIN-1	B	vector	RFC 5034 §6: `dGVz`
VEC-PLAIN-2	B	vector	RFC 4616 §4: see VEC-PLAIN-1 again

## threats 1. Framing
T-FRM-6	C	threat	`..` at line start
"""

C_TEST = """\
/* {before}holds: {pairs} */
static void test_dots(void **state) {{
}}
const struct CMUnitTest tests[] = {{ cmocka_unit_test({registered}) }};
"""

PASSED, FAILED, SKIPPED = "", "<failure/>", "<skipped/>"


class Project:
    """A made-up project, in which the tool is run."""

    def __init__(self, root: Path, main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._main = main
        self._capsys = capsys
        self.write("tools/conformance_ids.txt", IDS)
        self.write("tools/conformance_reasons.txt", "# none\n")
        (root / "docs").mkdir()

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def c(self, pairs: str, *, registered: str = "test_dots", before: str = "") -> None:
        self.write("tests/c/test_x.c", C_TEST.format(pairs=pairs, registered=registered, before=before))

    def python(self, text: str, folder: str = "python") -> None:
        self.write(f"tests/{folder}/test_y.py", "import pytest\n" + textwrap.dedent(text))

    def report(self, door: str, suite: str, **cases: str) -> None:
        """The cases of a report: "group:name" or a name, and how each ended."""
        written = "".join(
            '<testcase classname="{}" name="{}">{}</testcase>'.format(*name.rpartition("::")[::2], ended)
            for name, ended in cases.items()
        )
        self.write(f"build/reports/{door}/{suite}/report.xml", f"<testsuite>{written}</testsuite>")

    def run(self, *arguments: str) -> tuple[int, str]:
        status = self._main(["--root", str(self.root), *arguments])
        return status, self._capsys.readouterr().out

    def refused(self, problem: str) -> None:
        """Neither is the table written, nor does the check pass."""
        for arguments in ([], ["--check"]):
            status, said = self.run(*arguments)
            assert status == 1
            assert problem in said
        assert not (self.root / "docs/conformance.md").exists()

    def row(self, requirement: str, side: str) -> str:
        """The last cell of a row."""
        lines = (self.root / "docs/conformance.md").read_text("utf-8").splitlines()
        [line] = [line for line in lines if line.startswith(f"| {requirement} | {side} |")]
        return line.removesuffix(" |").rpartition(" | ")[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    monkeypatch.syspath_prepend(TOOLS)
    tool: Any = importlib.import_module("conformance")
    return Project(tmp_path / "project", tool.main, capsys)


@pytest.fixture
def tested(project: Project) -> Project:
    """With one test in each language, all passed."""
    project.c("POP-LIST-3 S")
    project.python(
        """
        @pytest.mark.holds("POP-GEN-1", "B")
        def test_y(): ...
        """
    )
    project.write("tests/lua/z_spec.lua", '  -- holds: LIM-9 C\n  -- more words\n  it("stops reading", f)\n')
    project.report("test", "c/test_x", test_dots=PASSED)
    project.report("test", "python", **{"tests.python.test_y::test_y": PASSED})
    project.report("test", "lua", **{"tests/lua/z_spec.lua:9::a client stops reading": PASSED})
    return project


def test_the_list_is_made_from_the_sheets(project: Project) -> None:
    sheets = project.root.parent / "shared"
    sheets.mkdir()
    (sheets / "protocol.md").write_text(PROTOCOL, "utf-8")
    (sheets / "threats.md").write_text(THREATS, "utf-8")
    (project.root / "tools/conformance_ids.txt").write_text("")
    assert project.run("--ids", str(sheets))[0] == 0
    assert (project.root / "tools/conformance_ids.txt").read_text("utf-8") == IDS
    assert project.run()[0] == 0
    assert project.run("--check")[0] == 0
    (sheets / "threats.md").write_text(THREATS.replace("line start", "a line's start"), "utf-8")
    status, said = project.run("--check")
    assert status == 1
    assert "conformance_ids.txt is not what the sheets say" in said


def test_what_passed_is_written_and_then_checked(tested: Project) -> None:
    tested.write("tools/conformance_reasons.txt", "POP-ANON-1 B  nobody is anonymous\n")
    assert tested.run("--check")[0] == 1
    status, said = tested.run()
    assert status == 0
    assert "| protocol 1. Framing | 3 | 2 | 2 |" in said
    assert "| all | 4 | 2 | 8 |" in said
    assert [tested.row("POP-GEN-1", side) for side in "CS"] == ["`python/test_y.py: test_y`"] * 2
    assert tested.row("POP-LIST-3", "S") == "`c/test_x.c: test_dots`"
    assert tested.row("LIM-9", "C") == "`lua/z_spec.lua: stops reading`"
    assert tested.row("POP-LIST-3", "C") == "not yet"
    assert tested.row("POP-ANON-1", "C") == "nobody is anonymous"
    assert "trace `a \\| b`" in (tested.root / "docs/conformance.md").read_text("utf-8")
    written = (tested.root / "docs/conformance.md").read_bytes()
    assert tested.run("--check")[0] == 0
    assert tested.run()[0] == 0
    assert (tested.root / "docs/conformance.md").read_bytes() == written


def test_two_tests_are_named_and_others_counted(project: Project) -> None:
    tests = [f'@pytest.mark.holds("T-FRM-6", "C")\ndef test_{name}(): ...\n' for name in "dcba"]
    project.python("".join(tests))
    project.report("test", "python", **{f"tests.python.test_y::test_{name}": PASSED for name in "abcd"})
    assert project.run()[0] == 0
    assert project.row("T-FRM-6", "C") == "`python/test_y.py: test_a`, `python/test_y.py: test_b`, and 2 more"


def test_a_test_that_lost_its_marker(tested: Project) -> None:
    assert tested.run()[0] == 0
    tested.python("def test_y(): ...\n")
    status, said = tested.run("--check")
    assert status == 1
    assert "make conformance writes it" in said
    assert "+| POP-GEN-1 | C | DEF |" in said


@pytest.mark.parametrize(("ended", "problem"), [(FAILED, "failed"), (SKIPPED, "was skipped"), ("<error/>", "failed")])
def test_only_what_passed_counts(tested: Project, ended: str, problem: str) -> None:
    tested.report("test", "c/test_x", test_dots=ended)
    tested.refused(f"tests/c/test_x.c:1: test_dots is marked, but {problem} in the last make test")


def test_only_what_ran_counts(tested: Project) -> None:
    tested.report("test", "python", **{"tests.python.test_y::test_another": PASSED})
    tested.refused("test_y is marked, but did not run in the last make test")
    tested.report("test", "python")
    tested.refused("tests/python/test_y.py: its tests are marked, but did not run in the last make test")


def test_a_report_cut_short_is_none(tested: Project) -> None:
    tested.write("build/reports/test/c/test_x/report.xml", '<testsuite><testcase name="test_dots"/>')
    tested.refused("tests/c/test_x.c: its tests are marked, but did not run in the last make test")


def test_all_cases_of_a_test_must_pass(tested: Project) -> None:
    cases = {"tests.python.test_y::test_y[a]": PASSED, "tests.python.test_y::test_y[b]": FAILED}
    tested.report("test", "python", **cases)
    tested.refused("test_y is marked, but failed")
    tested.report("test", "python", **dict.fromkeys(cases, PASSED))
    assert tested.run()[0] == 0
    spec = "tests/lua/z_spec.lua:9"
    lua = {f"{spec}::over TLS stops reading": PASSED, f"{spec}::stops reading, in the background": FAILED}
    tested.report("test", "lua", **lua)
    status, said = tested.run("--check")
    assert status == 1
    assert "stops reading is marked, but failed" in said


def test_a_lua_test_of_a_similar_name_is_another(tested: Project) -> None:
    spec = "tests/lua/z_spec.lua:9"
    others = {f"{spec}::nonstops reading": FAILED, f"{spec}::stops readings": FAILED}
    tested.report("test", "lua", **{f"{spec}::a client stops reading": PASSED}, **others)
    assert tested.run()[0] == 0


def test_a_method_is_a_test(project: Project) -> None:
    project.python(
        """
        class TestAll:
            @pytest.mark.holds("T-FRM-6", "C")
            def test_y(self): ...
        """
    )
    project.report("test", "python", **{"tests.python.test_y.TestAll::test_y": PASSED})
    assert project.run()[0] == 0
    assert project.row("T-FRM-6", "C") == "`python/test_y.py: TestAll::test_y`"


def test_a_parameter_may_hold_what_the_test_does_not(project: Project) -> None:
    project.python(
        """
        CASES = [pytest.param(1, marks=pytest.mark.holds("LIM-9", "C"))]

        @pytest.mark.parametrize("y", [2, pytest.param(3, marks=[pytest.mark.holds("LIM-9", "S")])])
        @pytest.mark.parametrize("x", CASES)
        @pytest.mark.holds("T-FRM-6", "C")
        async def test_y(x, y): ...
        """
    )
    project.report("test", "python", **{"tests.python.test_y::test_y[1-2]": PASSED})
    assert project.run()[0] == 0
    held = [project.row("LIM-9", "C"), project.row("LIM-9", "S"), project.row("T-FRM-6", "C")]
    assert held == ["`python/test_y.py: test_y`"] * 3


def test_the_random_inputs_stand_for_every_fuzz_driver(project: Project) -> None:
    project.c("LIM-9 S")
    (project.root / "tests/fuzz").mkdir()
    (project.root / "tests/c/test_x.c").rename(project.root / "tests/fuzz/random_inputs.c")
    project.report("test", "c/test_fuzz_client", test_dots=PASSED)
    assert project.run()[0] == 0
    project.report("test", "c/test_fuzz_session", test_dots=FAILED)
    assert "test_dots is marked, but failed" in project.run()[1]


def test_a_door_that_did_not_run_is_looked_at_only_by_the_check(tested: Project) -> None:
    marked = '@pytest.mark.holds("T-FRM-6", "C")\ndef test_y(): ...\n'
    tested.python(marked, "interop")
    status, said = tested.run()
    assert status == 1
    assert "tests/interop/test_y.py: its tests are marked, but did not run in the last make interop" in said
    tested.report("interop", "interop", **{"tests.interop.test_y::test_y": PASSED})
    assert tested.run()[0] == 0
    for door in ("interop", "test"):
        for report in (tested.root / "build/reports" / door).rglob("*.xml"):
            report.unlink()
        status, said = tested.run("--check")
        assert status == 0
        assert f"no reports of make {door}" in said
    tested.python(marked.replace("test_y", "test_renamed"), "interop")
    status, said = tested.run("--check")
    assert status == 1
    assert "+| T-FRM-6 | C | threat | `..` at line start | `interop/test_y.py: test_renamed` |" in said


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        ("POP-GEN-2 C", "tests/c/test_x.c:1: no sheet knows POP-GEN-2"),
        ("T-FRM-6 S", "tests/c/test_x.c:1: T-FRM-6 is for the client, not S"),
        ("POP-STLS-3 B", "POP-STLS-3 is for the server, not B"),
        ("T-FRM-6", "a marker that is none: T-FRM-6"),
        ("T-FRM-6 C (the dots)", "a marker that is none"),
        ("T-FRM-6 C, LIM-9 B, POP-GEN-1 B, VEC-PLAIN-1 S", "test_dots holds 4 ids; 3 are the most"),
    ],
)
def test_markers_in_c_that_are_wrong(project: Project, pairs: str, problem: str) -> None:
    project.c(pairs)
    project.report("test", "c/test_x", test_dots=PASSED)
    project.refused(problem)


def test_a_c_test_that_its_program_does_not_run(project: Project) -> None:
    project.c("T-FRM-6 C", registered="test_dots_too")
    project.refused("tests/c/test_x.c:1: test_dots is marked, but its program does not run it")
    project.c("T-FRM-6 C", before="What it is about.\n *\n * ")
    project.report("test", "c/test_x", test_dots=PASSED)
    assert project.run()[0] == 0


def test_markers_above_no_test(project: Project) -> None:
    project.write("tests/c/support.h", "\n/*\n * Words.\n * holds: T-FRM-6 C\n */\nstatic int helper(void);\n")
    project.refused("tests/c/support.h:4: a marker above no test")
    project.write("tests/c/support.h", "")
    project.write("tests/lua/z_spec.lua", '-- holds: T-FRM-6 C\ndescribe("a client", f)\n')
    project.refused("tests/lua/z_spec.lua:1: a marker above no test with a title")
    project.write("tests/lua/z_spec.lua", "")
    project.python('pytestmark = pytest.mark.holds("T-FRM-6", "C")\n\ndef test_y(): ...\n')
    project.refused("tests/python/test_y.py:2: a marker above no test")


@pytest.mark.parametrize(
    ("marker", "problem"),
    [
        ('("T-FRM-6", "S")', "T-FRM-6 is for the client, not S"),
        ('("T-FRM-6 C")', "no sheet knows pytest.mark.holds('T-FRM-6 C')"),
        ("(NAME, SIDE)", "no sheet knows NAME"),
    ],
)
def test_markers_in_python_that_are_wrong(project: Project, marker: str, problem: str) -> None:
    project.python(f"@pytest.mark.holds{marker}\ndef test_y(): ...\n")
    project.report("test", "python", **{"tests.python.test_y::test_y": PASSED})
    project.refused(problem)


@pytest.mark.parametrize(
    ("reason", "problem"),
    [
        ("POP-LIST-3 S  it is hard\n", "POP-LIST-3 S is held by a test; it needs no reason"),
        ("# words\nPOP-GEN-2 C  no\n", "tools/conformance_reasons.txt:2: no sheet knows POP-GEN-2"),
        ("T-FRM-6 S  no\n", "T-FRM-6 is for the client, not S"),
        ("T-FRM-6 C\n", "T-FRM-6 C has no reason"),
        ("T-FRM-6\n", "T-FRM-6 without a side"),
    ],
)
def test_reasons_that_are_none(tested: Project, reason: str, problem: str) -> None:
    tested.write("tools/conformance_reasons.txt", reason)
    tested.refused(problem)


def test_a_shared_case_holds_where_it_passed_on_both_faces(project: Project) -> None:
    project.write("tests/cases/format.json", '{ "lists": ["x.json"] }')
    project.write("tests/cases/x.json", '[\n  { "name": "a, b",\n    "holds": ["LIM-9 B"] },\n  { "name": "c" }\n]')
    group = "tests/lua/cases_spec.lua:9"
    python = {f"tests.python.test_cases::test_case[x.json: a, b, {face}]": PASSED for face in ("sync", "aio")}
    lua = {f"{group}::cases of x.json: a, b, {mode}": PASSED for mode in ("blocking", "in a task")}
    project.report("test", "python", **python)
    project.refused("tests/cases/x.json:2: a, b is marked, but did not run on both faces in the last make test")
    project.report("test", "lua", **(lua | {f"{group}::cases of x.json: a, b, in the background": FAILED}))
    project.refused("tests/cases/x.json:2: a, b is marked, but failed in the last make test")
    project.report("test", "lua", **lua)
    assert project.run()[0] == 0
    assert [project.row("LIM-9", side) for side in "CS"] == ["`cases/x.json: a, b`"] * 2


def test_a_shared_case_with_a_marker_that_is_none(project: Project) -> None:
    project.write("tests/cases/x.json", '[{ "name": "a", "holds": ["LIM-9"] }]')
    project.refused("tests/cases/x.json:1: a marker that is none: LIM-9")
