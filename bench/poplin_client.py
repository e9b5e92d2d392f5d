"""poplin from Python: all messages as bytes, handed over and dropped."""

import job

import poplin


def session(what: job.Job) -> tuple[int, int]:
    """Fetch everything once."""
    scheme = "pop3s" if what.tls else "pop3"
    messages = octets = 0
    with poplin.connect(
        f"{scheme}://{what.host}:{what.port}", user=job.USER, password=job.PASSWORD, ca_file=what.ca_file
    ) as pop:
        for message in pop.retr_all():
            messages += 1
            octets += len(message.data)
    return messages, octets


job.run(session)
