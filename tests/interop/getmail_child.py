"""
getmail learns by a signal of the end of the child that delivers a message, and where that comes too early, it waits for
a minute and gives up. Behind `ask()` it asks for the child's end. Copied beside the script that runs getmail, in the
tests and in the benchmark, since that runs as a user who may not read here.
"""

import os
import signal

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


def ask():
    """From now on."""
    ForkingBase._wait_for_child = wait_for_child
