"""
getmail, changed in two places that have nothing to do with POP3:

It parses each message and delivers what it makes of it, with other line breaks in the header and more. Here it delivers
what the server sent.

It asks for the end of the child that delivers a message: see getmail_child.py, which lies beside this.
"""

import runpy
import shutil
import sys

import getmail_child
from getmailcore.message import Message


def as_received(self, *_arguments, **_options):
    return self._Message__raw


Message.flatten = as_received
getmail_child.ask()
sys.argv[0] = shutil.which("getmail")
runpy.run_path(sys.argv[0], run_name="__main__")
