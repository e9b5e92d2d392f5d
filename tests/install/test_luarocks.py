"""`luarocks make` installs the Lua module into a tree of its own, from the sources; the suites pass from there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ROCKSPEC = "poplin-0.1.0-1.rockspec"
SOURCES = ("CMakeLists.txt", "LICENSE", "README.md", "bindings", "cmake", "csrc", "lua", ROCKSPEC)
READ_BY_SUITES = ("docs", "examples", "tests/cases", "tests/lua")


def run(*command: str | Path, folder: Path = ROOT, **environment: str) -> str:
    """What the command prints; its own output is shown where it fails or does not end."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode(errors="replace")
        pytest.fail(f"{command} did not end\n{said[-20_000:]}")
    assert done.returncode == 0, f"{command}\n{done.stdout[-20_000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is installed and of its suites, all of one moment: a suite may wait long for what is not there."""
    copy = tmp_path_factory.mktemp("sources")
    for name in (*SOURCES, *READ_BY_SUITES):
        source = ROOT / name
        shutil.copytree(source, copy / name) if source.is_dir() else shutil.copy(source, copy / name)
    return copy


@pytest.fixture(scope="module")
def tree(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installed from the sources, with no server to ask for anything else."""
    folder = tmp_path_factory.mktemp("luarocks")
    alone = ("--lua-version=5.4", "--only-server=file:///nonexistent", f"--tree={folder / 'tree'}")
    run("luarocks", *alone, "make", ROCKSPEC, folder=sources, HOME=str(folder), CMAKE_BUILD_PARALLEL_LEVEL="2")
    return folder / "tree"


def test_a_rock_is_all_of_the_module_and_nothing_else(sources: Path, tree: Path) -> None:
    share = tree / "share/lua/5.4"
    installed = {str(file.relative_to(share)) for file in share.rglob("*.lua")}
    modules = {str(file.relative_to(sources / "lua")) for file in (sources / "lua/poplin").rglob("*.lua")}
    assert installed == modules - {"poplin/init.lua"} | {"poplin.lua"}
    assert [file.name for file in (tree / "lib/lua/5.4").rglob("*.so")] == ["core.so"]


def test_the_module_stays_loaded(tree: Path) -> None:
    """Threads of its own may outlive the Lua state that loaded it."""
    assert "NODELETE" in run("readelf", "--dynamic", tree / "lib/lua/5.4/poplin/core.so")


def test_the_suites_pass_from_a_rock(sources: Path, tree: Path) -> None:
    share = tree / "share/lua/5.4"
    found = {
        "LUA_PATH": f"{share}/?.lua;{share}/?/init.lua;tests/lua/?.lua;;",
        "LUA_CPATH": f"{tree}/lib/lua/5.4/?.so;;",
        "PEER": f"{sys.executable} {ROOT / 'tests/peer'}",
    }
    where = 'print(package.searchpath("poplin", package.path), package.searchpath("poplin.core", package.cpath))'
    places = run("lua5.4", "-e", where, folder=sources, **found).split()
    assert places == [f"{share}/poplin.lua", f"{tree}/lib/lua/5.4/poplin/core.so"]
    busted = shutil.which("busted") or "busted"
    said = run("lua5.4", busted, "-o", "TAP", "tests/lua", folder=sources, **found)
    assert len(re.findall(r"^ok ", said, re.MULTILINE)) > 300
