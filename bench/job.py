"""What the Python clients share: the job as bench/run describes it, and the report that it reads back (see job.h)."""

import json
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

USER = PASSWORD = "bench"


class Job(NamedTuple):
    """Where to fetch, and how often."""

    host: str
    port: int
    tls: bool
    ca_file: str
    sessions: int


def run(session: Callable[[Job], tuple[int, int]]) -> None:
    """Run the sessions; each returns how many messages and octets of content it received."""
    host, port, security, ca_file, sessions = sys.argv[1:]
    job = Job(host, int(port), security == "tls", ca_file, int(sessions))
    print("go", flush=True)
    cpu = time.process_time()
    messages = octets = 0
    for _ in range(job.sessions):
        received = session(job)
        messages += received[0]
        octets += received[1]
    print(json.dumps({"messages": messages, "octets": octets, "cpu": time.process_time() - cpu}))
