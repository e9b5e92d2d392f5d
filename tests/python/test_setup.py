"""What setup.py says where something is missing: which Debian package to install, in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def build(tmp_path: Path, prelude: str = "", **environment: str) -> str:
    """Runs setup.py, which has to fail, and returns its last words."""
    program = f"""
import runpy, sys, sysconfig
{prelude}
sys.argv = ["setup.py", "-q", "build_ext", "--build-lib={tmp_path}", "--build-temp={tmp_path}"]
runpy.run_path("setup.py")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def only_pkg_config(tmp_path: Path, knows: str) -> str:
    """A PATH on which there is nothing but a pkg-config that knows some libraries."""
    tool = tmp_path / "pkg-config"
    tool.write_text(f'#!/bin/sh\nfor name; do :; done\ncase "{knows}" in *$name*) exit 0;; esac\nexit 1\n')
    tool.chmod(0o755)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("knows", "package"), [("", "libgnutls28-dev"), ("gnutls", "libidn-dev"), ("gnutls libidn", "libuv1-dev")]
)
def test_a_missing_library(tmp_path: Path, knows: str, package: str) -> None:
    words = build(tmp_path, PATH=only_pkg_config(tmp_path, knows))
    assert words.startswith("poplin: ")
    assert words.endswith(f"is missing: install the Debian package {package}")


def test_a_missing_pkg_config(tmp_path: Path) -> None:
    words = build(tmp_path, PATH=str(tmp_path))
    assert words == "poplin: pkg-config is missing: install the Debian package pkg-config"


def test_missing_headers(tmp_path: Path) -> None:
    prelude = """
get_paths = sysconfig.get_paths
sysconfig.get_paths = lambda *arguments, **keywords: {**get_paths(*arguments, **keywords), "include": "/nowhere"}
"""
    words = build(tmp_path, prelude)
    assert words == "poplin: Python.h is missing: install the Debian package python3-dev"


def test_a_free_threaded_interpreter_is_refused(tmp_path: Path) -> None:
    words = build(tmp_path, "sysconfig.get_config_var = lambda name: name == 'Py_GIL_DISABLED'")
    assert words.startswith("poplin: free-threaded interpreters are not supported")
