"""Files that are there for a while."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path


class Files:
    """
    Files in a temporary folder, which is removed by `remove`, with this object, or at exit; and by nobody but the
    process that made it: a child after fork has a copy of this object, and the parent goes on with the files.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="poplin-"))
        self.remove = weakref.finalize(self, _remove, self.folder, os.getpid())
        for name, text in texts.items():
            (self.folder / name).write_text(text)


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
