"""
Finds the POP3 servers of a mail address by DNS, and tells which of them need a second look.

python discover.py alice@example.org [NAME_SERVER [PORT]]

Asking DNS needs dnspython: pip install 'poplin[discover]'.
"""

import sys

import dns.resolver

import poplin


def resolver_of(host: str, port: str = "53") -> dns.resolver.Resolver:
    """One that asks this name server, instead of the system's."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [host]
    resolver.port = int(port)
    return resolver


def main(address: str, *name_server: str) -> int:
    candidates = poplin.discover(address, resolver=resolver_of(*name_server) if name_server else None)
    for candidate in candidates:
        print(candidate.url, f"tls={candidate.tls}", "" if candidate.verified else "(ask the user whether he knows it)")
    if candidates and candidates[0].users:
        print("user names to try:", " ".join(candidates[0].users))
    return 0 if candidates else 1


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3, 4):
        sys.exit(__doc__)
    try:
        sys.exit(main(*sys.argv[1:]))
    except (poplin.Error, ValueError) as error:
        sys.exit(f"discover: {error}")
