"""Which servers a mail domain names for POP3: SRV look-ups (RFC 6186), and what comes of the answers."""

import copy
import random as random_numbers
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from poplin import _core
from poplin._errors import NetworkError, Timeout
from poplin._url import URL

if TYPE_CHECKING:
    import dns.resolver
    from dns.rdtypes.IN.SRV import SRV as Answer  # noqa: N811  (a class)


class SRV(NamedTuple):
    """
    One answer of DNS, for `discover`'s resolve=: (priority, weight, port, target), and whether it is signed.

    >>> poplin.SRV(10, 1, 995, "pop.example.org")
    SRV(priority=10, weight=1, port=995, target='pop.example.org', signed=False)
    """

    priority: int
    """Lower ones are tried first."""

    weight: int
    """Among those of one priority, how large a share of the clients is wanted."""

    port: int
    """The server's port; a record with 0 is skipped."""

    target: str
    """The server's name; "." says that there is none."""

    signed: bool = False
    """True only where a resolver that you trust has validated it by DNSSEC."""


class _Random(Protocol):
    def randbytes(self, n: int, /) -> bytes: ...


class Candidate(NamedTuple):
    """
    A server to try, as `discover` found it. Plain data: keep the one that worked, and look it up no more.

    >>> found = poplin.Candidate("pop.example.org", 995, "implicit", True, ("alice@example.org", "alice"))
    >>> found.url  # for poplin.connect(found.url, tls=found.tls, user=found.users, password=...)
    'pop3s://pop.example.org'
    """

    host: str
    """The server's name."""

    port: int
    """Its port."""

    tls: Literal["implicit", "stls", "never"]
    """What to give to `connect` as tls=. "never" only where cleartext was asked for."""

    verified: bool
    """
    True where the server lies in the mail domain, or the answer is signed. False: whoever can forge DNS may have put it
    there, and it will have a good certificate of its own. Show `host` to the user and go on only if he knows it.
    """

    users: tuple[str, ...]
    """The names to try: the address, then what stands before its @. Empty where only a domain was given."""

    @property
    def url(self) -> str:
        """What to give to `connect`."""
        return str(URL(self.host, scheme="pop3s" if self.tls == "implicit" else "pop3", port=self.port))


def discover(
    address: str,
    *,
    resolve: Callable[[str], Iterable[SRV | tuple[int, int, int, str]]] | None = None,
    resolver: "dns.resolver.Resolver | None" = None,
    dnssec: bool = False,
    cleartext: bool = False,
    timeout: float = 10.0,
    random: _Random | None = None,
) -> list[Candidate]:
    """
    The servers that a mail domain names for POP3, the one to try first in front; none where it names none.

        for candidate in poplin.discover("alice@example.org"):
            print(candidate.url, candidate.verified)

    For setting an account up: look once, have the user confirm what is not `verified`, and keep what worked. Servers
    with TLS from the first octet come before those with STLS, whatever their priorities; among equals the order is by
    chance, as the domain's owner weighted it (RFC 2782). Records that make no sense are skipped.

    address: "alice@example.org", or only a domain, in ASCII.
    resolve: looks up instead of DNS: called with each of the two names, it returns the SRV records, as `SRV` or as
        (priority, weight, port, target); none where there is no such name. Without it `dnspython` is used, which
        `pip install poplin[discover]` brings.
    resolver: dnspython's resolver to ask, instead of the system's.
    dnssec: True believes this resolver when it says that an answer is signed (the AD bit). Only for one that validates,
        on this machine or over a way that nobody else can touch.
    cleartext: True lists the servers without TLS from the first octet once more, behind all others, with tls="never".
        A password sent there can be read on the way.
    timeout: seconds for each look-up.
    random: where the chance comes from; default: the operating system.

    Raises Timeout and NetworkError where a look-up fails, which is not the same as a domain that names no server;
    ModuleNotFoundError without dnspython; ValueError where the address is none.

    >>> records = {"_pop3s._tcp.example.org": [(10, 1, 995, "pop.example.org")]}
    >>> [found] = poplin.discover("alice@example.org", resolve=lambda name: records.get(name, []))
    >>> found.url, found.tls, found.users
    ('pop3s://pop.example.org', 'implicit', ('alice@example.org', 'alice'))
    """
    domain, users, pop3s_name, pop3_name = _core.account(address)
    ask = _dns(resolver, dnssec, timeout) if resolve is None else resolve
    records = [_counted(True, record) for record in ask(pop3s_name)]
    records += [_counted(False, record) for record in ask(pop3_name)]
    numbers = (random or random_numbers.SystemRandom()).randbytes(4 * len(records))
    return [Candidate(*found, users) for found in _core.discover(domain, records, numbers, cleartext)]


def _counted(implicit: bool, record: Iterable[Any]) -> tuple[bool, int, int, int, str, bool]:
    priority, weight, port, target, signed = SRV(*record)
    return implicit, priority, weight, port, target, signed


def _dns(resolver: "dns.resolver.Resolver | None", dnssec: bool, timeout: float) -> Callable[[str], Iterable[SRV]]:
    """A function that asks DNS."""
    try:
        import dns.exception
        import dns.flags
        import dns.name
        import dns.resolver
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "poplin.discover needs dnspython to ask DNS: pip install 'poplin[discover]', or give resolve=", name="dns"
        ) from error

    def ask(name: str) -> Iterator[SRV]:
        try:
            asked = copy.copy(resolver or dns.resolver.Resolver())
            if dnssec:
                asked.set_flags(dns.flags.RD | dns.flags.AD)
            full_name = dns.name.from_text(name + ".")
            answer = asked.resolve(full_name, "SRV", lifetime=timeout, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return
        except dns.resolver.LifetimeTimeout as error:
            raise Timeout(f"look-up of {name}: no answer within {timeout:g} s", doing=f"look-up of {name}") from error
        except dns.exception.DNSException as error:
            raise NetworkError(f"look-up of {name}: {error}", doing=f"look-up of {name}", reason=str(error)) from error
        signed = dnssec and bool(answer.response.flags & dns.flags.AD)
        record: Answer
        for record in answer:
            yield SRV(record.priority, record.weight, record.port, str(record.target), signed)

    return ask
