"""An installed copy can be found and used: by pkg-config, by CMake, by Lua."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def run(*command: str | Path, **environment: str) -> str:
    """What the command prints; its own output is shown where it fails."""
    done = subprocess.run(
        [str(word) for word in command], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy installed under a prefix that it was not built for."""
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", ROOT / "build/cmake", "--prefix", prefix)
    return prefix


@pytest.fixture(scope="module")
def pkg_config(prefix: Path) -> str:
    return str(next(prefix.rglob("poplin.pc")).parent)


@pytest.fixture(scope="module")
def library(prefix: Path) -> Path:
    return next(prefix.rglob("libpoplin.so")).parent


def asked(pkg_config: str, *options: str, lines: bool = False) -> list[str]:
    said = run("pkg-config", *options, "poplin", PKG_CONFIG_PATH=pkg_config)
    return said.splitlines() if lines else shlex.split(said)


def test_shared_library_by_pkg_config(pkg_config: str, library: Path, tmp_path: Path) -> None:
    flags = asked(pkg_config, "--cflags", "--libs")
    run("gcc", "-std=c17", "-Wall", "-Wextra", "-Werror", HERE / "consumer.c", "-o", tmp_path / "consumer", *flags)
    version = run(tmp_path / "consumer", LD_LIBRARY_PATH=str(library))
    assert [version] == asked(pkg_config, "--modversion")


def test_static_library_by_pkg_config(pkg_config: str, tmp_path: Path) -> None:
    """With the static library and what poplin.pc says it needs; that may be shared."""
    needs = [requirement.split()[0] for requirement in asked(pkg_config, "--print-requires-private", lines=True)]
    assert needs
    libraries = shlex.split(run("pkg-config", "--libs", *needs))
    static = [*asked(pkg_config, "--cflags", "--libs-only-L"), "-l:libpoplin.a", *libraries, "-pthread"]
    run("gcc", "-std=c17", HERE / "consumer.c", "-o", tmp_path / "consumer", *static)
    assert [run(tmp_path / "consumer")] == asked(pkg_config, "--modversion")


def test_headers_are_valid_on_their_own_and_in_cpp(prefix: Path, tmp_path: Path) -> None:
    headers = sorted((prefix / "include/poplin").glob("*.h"))
    assert headers
    for header in headers:
        source = tmp_path / "header.c"
        source.write_text(f"#include <poplin/{header.name}>\n")
        check = ["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I", prefix / "include", source]
        run("gcc", "-std=c17", *check)
        run("g++", "-std=c++17", "-x", "c++", *check)


def test_cmake_package(prefix: Path, tmp_path: Path) -> None:
    run("cmake", "-S", HERE, "-B", tmp_path, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path)
    assert run(tmp_path / "with-poplin") == run(tmp_path / "with-poplin-static") != ""


def test_lua_module(prefix: Path) -> None:
    found = {
        "LUA_PATH": f"{prefix}/share/lua/5.4/?.lua;{prefix}/share/lua/5.4/?/init.lua",
        "LUA_CPATH": f"{prefix}/lib/lua/5.4/?.so",
    }
    assert run("lua5.4", "-e", 'print(type(require("poplin").connect))', **found) == "function"
    # The annotations for editors are no modules.
    assert (prefix / "share/poplin/lua-meta/poplin/testing.lua").is_file()
    assert not (prefix / "share/lua/5.4/meta").exists()


def test_nothing_but_the_api_is_exported(library: Path) -> None:
    symbols = run("nm", "-D", "--defined-only", "--format=just-symbols", library / "libpoplin.so").split()
    assert symbols
    assert [name for name in symbols if not name.startswith("poplin_")] == []
