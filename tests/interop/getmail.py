"""
getmail, changed in two places that have nothing to do with POP3:

It parses each message and delivers what it makes of it, with other line breaks in the header and more. Here it delivers
what the server sent.

It learns by a signal of the end of the child that delivers a message, and where that comes too early, waits until its
time-out and gives up. Here it asks for the child's end.
"""

import os
import runpy
import shutil
import signal
import sys

from getmailcore.baseclasses import ForkingBase
from getmailcore.message import Message

_wait_for_child = ForkingBase._wait_for_child


def as_received(self, *_arguments, **_options):
    return self._Message__raw


def wait_for_child(self, childpid):
    """Waits for the child to end, unless the signal's handler has done so; the rest is getmail's own."""
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


Message.flatten = as_received
ForkingBase._wait_for_child = wait_for_child
sys.argv[0] = shutil.which("getmail")
runpy.run_path(sys.argv[0], run_name="__main__")
