"""The standard library's poplib: one RETR after the other, each a list of lines, dropped."""

import poplib
import ssl

import job


def session(what: job.Job) -> tuple[int, int]:
    """Fetch everything once."""
    if what.tls:
        context = ssl.create_default_context(cafile=what.ca_file)
        pop: poplib.POP3 = poplib.POP3_SSL(what.host, what.port, context=context)
    else:
        pop = poplib.POP3(what.host, what.port)
    pop.user(job.USER)
    pop.pass_(job.PASSWORD)
    count, _ = pop.stat()
    octets = 0
    for number in range(1, count + 1):
        octets += pop.retr(number)[2]
    pop.quit()
    return count, octets


job.run(session)
