"""
Counts the mail of several accounts at once, on one event loop, and gives each account a minute.

POPLIN_PASSWORD=... python aio_fetch.py CA_FILE URL...

A URL is pop3s://user@host. CA_FILE may be "" for the system's.
"""

import asyncio
import os
import sys

import poplin
import poplin.aio


async def count(url: str, ca_file: str | None) -> str:
    """A line about one account."""
    try:
        async with (
            asyncio.timeout(60),
            await poplin.aio.connect(url, password=os.environ["POPLIN_PASSWORD"], ca_file=ca_file) as pop,
        ):
            octets = 0
            messages = 0
            async for message in pop.retr_all():
                assert message.data is not None
                messages += 1
                octets += len(message.data)
    except (poplin.Error, TimeoutError) as error:
        return f"{url}: {error or 'no answer in time'}"
    return f"{url}: {messages} messages, {octets} octets"


async def main(ca_file: str, *urls: str) -> None:
    for line in asyncio.as_completed([count(url, ca_file or None) for url in urls]):
        print(await line)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
