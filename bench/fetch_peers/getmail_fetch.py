"""
getmail, which says "go" when its modules are imported, and "done" at its end. Argument: the folder of its settings and
its memory.

It learns by a signal of the end of the child that delivers a message, and where that comes too early, waits for a
minute and gives up. Here it asks for the child's end; all else is as it was.
"""

import importlib
import os
import pkgutil
import shutil
import signal
import sys
from pathlib import Path

import getmailcore
from getmailcore.baseclasses import ForkingBase

_wait_for_child = ForkingBase._wait_for_child


def wait_for_child(self, childpid):
    """Wait for the child to end, unless the signal's handler has done so; the rest is getmail's own."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        pid, status = os.waitpid(childpid, 0)
    except ChildProcessError:
        pass
    else:
        self._ForkingBase__child_pid = pid
        self._ForkingBase__child_status = status
    self._ForkingBase__child_exited.wait = lambda _timeout: True
    return _wait_for_child(self, childpid)


for module in pkgutil.iter_modules(getmailcore.__path__):
    importlib.import_module(f"getmailcore.{module.name}")
ForkingBase._wait_for_child = wait_for_child
program = shutil.which("getmail")
code = compile(Path(program).read_text("utf-8"), program, "exec")
sys.argv = [program, "--getmaildir", *sys.argv[1:]]
print("go", flush=True)
try:
    exec(code, {"__name__": "__main__"})
finally:
    print("done", flush=True)
