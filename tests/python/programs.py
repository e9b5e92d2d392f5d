"""Python programs of their own, for what a test cannot do to its own process."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


class Program(subprocess.Popen[str]):
    """A program that does not outlive the test that fails over it."""

    def __exit__(self, *failure: Any) -> None:
        if failure[0] is not None:
            self.kill()
        super().__exit__(*failure)


def program(text: str, *arguments: str, asan: str = "", **settings: Any) -> Program:
    """A Python program of its own, with the tests' helpers on its path; asan: further options for the sanitizer."""
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    options = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), asan]))
    return Program(
        [sys.executable, "-X", "dev", "-c", textwrap.dedent(text), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "ASAN_OPTIONS": options},
        **settings,
    )
