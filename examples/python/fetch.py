"""
Fetches all mail of an account into a Maildir, and deletes on the server what is safely there.

POPLIN_PASSWORD=... python fetch.py pop3s://alice@mail.example.org ~/Maildir [CA_FILE]
"""

import mailbox
import os
import sys

import poplin


def fetch(url: str, folder: str, ca_file: str | None = None) -> int:
    """Returns how many messages came."""
    maildir = mailbox.Maildir(folder)
    count = 0
    with poplin.connect(url, password=os.environ["POPLIN_PASSWORD"], ca_file=ca_file) as pop:
        for message in pop.retr_all():
            assert message.data is not None
            maildir.add(message.data)  # on the disk when this returns
            message.dele()  # made at the end of the block, and only if it ends well
            count += 1
    return count


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    try:
        print(fetch(*sys.argv[1:]), "messages")
    except poplin.Error as error:
        sys.exit(f"fetch: {error}")
