"""The CPythons on the path that can load poplin's extension, and that bring the standard library's own tests."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import poplin

PACKAGE = Path(poplin.__file__).parent
_NAME = re.compile(r"python3\.(1[1-9]|[2-9]\d)")
_PROBE = """
import sys
assert sys.implementation.name == "cpython"
import poplin._core, test.test_poplib
print(sys.version_info[:2], sys.base_prefix)
"""


def run(interpreter: str, path: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program by another interpreter, which finds on its path what is in a folder."""
    return subprocess.run(
        [interpreter, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@cache
def others() -> list[str]:
    """Each of them once, but not the one that runs this: that one has to be complete."""
    seen = {f"{sys.version_info[:2]} {sys.base_prefix}"}
    found = []
    for folder in map(Path, os.get_exec_path()):
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            if not _NAME.fullmatch(file.name):
                continue
            probed = run(str(file), PACKAGE.parent, _PROBE)
            if probed.returncode == 0 and probed.stdout.strip() not in seen:
                seen.add(probed.stdout.strip())
                found.append(str(file))
    return found
