"""
getmail, which says "go" when its modules are imported, and "done" at its end. Argument: the folder of its settings and
its memory.

It asks for the end of the child that delivers a message: see tests/interop/getmail_child.py, which lies beside this.
All else is as it was.
"""

import importlib
import pkgutil
import shutil
import sys
from pathlib import Path

import getmail_child
import getmailcore

for module in pkgutil.iter_modules(getmailcore.__path__):
    importlib.import_module(f"getmailcore.{module.name}")
getmail_child.ask()
program = shutil.which("getmail")
code = compile(Path(program).read_text("utf-8"), program, "exec")
sys.argv = [program, "--getmaildir", *sys.argv[1:]]
print("go", flush=True)
try:
    exec(code, {"__name__": "__main__"})
finally:
    print("done", flush=True)
