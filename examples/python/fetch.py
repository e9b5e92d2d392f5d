"""
Fetches the new mail of an account into a Maildir, for cron: what is safely there is deleted on the server after two
weeks, or at once with KEEP "none". It may be stopped at any instant; the next run goes on from there.

POPLIN_PASSWORD=... python fetch.py pop3s://alice@mail.example.org ~/Maildir [KEEP [CA_FILE]]
"""

import os
import sys

import poplin


def fetch(url: str, folder: str, keep: str = "14d", ca_file: str | None = None) -> poplin.Report:
    return poplin.fetch(url, password=os.environ["POPLIN_PASSWORD"], into=folder, keep=keep, ca_file=ca_file)


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    try:
        report = fetch(*sys.argv[1:])
    except poplin.Error as error:
        sys.exit(f"fetch: {error}")
    print(report)
    sys.exit(report.failed > 0)
