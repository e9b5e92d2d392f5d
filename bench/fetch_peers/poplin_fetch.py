"""poplin.fetch from Python. Arguments: PORT plain|tls KEEP CA_FILE FOLDER. It says "go" and "done"."""

import sqlite3  # noqa: F401
import sys
from pathlib import Path

import poplin

port, security, keep, ca_file, folder = sys.argv[1:]
scheme = "pop3s" if security == "tls" else "pop3"
fetch = poplin.fetch
print("go", flush=True)
fetch(
    f"{scheme}://127.0.0.1:{port}",
    user="bench",
    password="bench",
    ca_file=ca_file,
    into=Path(folder, "mail"),
    seen=Path(folder, "seen.sqlite"),
    keep=keep,
)
print("done", flush=True)
