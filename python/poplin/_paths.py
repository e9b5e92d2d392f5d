"""Paths as a script gives them."""

from __future__ import annotations

import os
from pathlib import Path


def path_of(what: str, path: str | os.PathLike[str]) -> str:
    """The path as a str. ValueError: it can name nothing, or was meant for a shell, and would make a folder named ~."""
    text = os.fsdecode(path)
    if not text or "\0" in text:
        raise ValueError(f"{what} is an empty path, or one with a NUL")
    if text.startswith("~"):
        raise ValueError(f"{what}: only a shell knows what ~ is; say os.path.expanduser({text!r:.80})")
    return text


def is_folder(path: Path) -> bool:
    """Whether there is one, and it can be seen."""
    try:
        return path.is_dir()
    except OSError:  # the name is too long, or what leads there is closed
        return False
