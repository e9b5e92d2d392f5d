"""A name server on the loopback that answers with what a test gives it."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset

Zone = dict[str, list[str] | dns.rcode.Rcode | None]
"""Names to what is answered: records as text, a refusal, or nothing at all; names that are not there do not exist."""


class NameServer:
    """Answers until it is closed. `asked` are the names, and whether the AD bit was set in the question."""

    def __init__(self, zone: Zone, signed: bool = False) -> None:
        self.asked: list[tuple[str, bool]] = []
        self._zone = zone
        self._signed = signed
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def resolver(self) -> dns.resolver.Resolver:
        """A resolver that asks this server and nobody else."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self.port
        return resolver

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, client = self._socket.recvfrom(4096)
            if not data:
                return
            answer = self._answer(dns.message.from_wire(data))
            if answer is not None:
                self._socket.sendto(answer.to_wire(), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        name = query.question[0].name.to_text()
        self.asked.append((name, bool(query.flags & dns.flags.AD)))
        known = self._zone.get(name, dns.rcode.NXDOMAIN)
        if known is None:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if isinstance(known, dns.rcode.Rcode):
            response.set_rcode(known)
        elif known:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", *known))
        if self._signed:
            response.flags |= dns.flags.AD
        return response


@contextlib.contextmanager
def name_server(zone: Zone, signed: bool = False) -> Iterator[NameServer]:
    with contextlib.closing(NameServer(zone, signed)) as server:
        yield server
