"""
The demonstration's client: fetches all messages over TLS and shows how it goes on, with rich where that is installed.

python fetch.py URL CA_FILE
"""

import contextlib
import sys
from collections.abc import Callable, Iterator

import poplin

Advance = Callable[[poplin.Message], None]


def subject_of(message: poplin.Message) -> str:
    """What stands in the list. Anybody may have written it: nothing of it may steer the terminal."""
    subject = str(message.email()["subject"] or "(no subject)")
    return "".join(letter if letter.isprintable() else "?" for letter in subject)


@contextlib.contextmanager
def plain_lines(count: int, octets: int) -> Iterator[Advance]:
    """Progress for any terminal, or none."""

    def advance(message: poplin.Message) -> None:
        print(f"{message.number:3}/{count}  {message.octets:7} octets  {subject_of(message)}")

    yield advance


@contextlib.contextmanager
def progress_bar(count: int, octets: int) -> Iterator[Advance]:
    """Progress as rich draws it."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn()) as progress:
        task = progress.add_task(f"{count} messages", total=octets)

        def advance(message: poplin.Message) -> None:
            progress.console.print(f"{message.number:3}  {subject_of(message)}", highlight=False, markup=False)
            progress.advance(task, message.octets)

        yield advance


def main(url: str, ca_file: str) -> None:
    """Lists, fetches, leaves."""
    try:
        import rich  # noqa: F401

        display = progress_bar
    except ImportError:
        display = plain_lines
    with poplin.connect(url, user="demo", password="demo", ca_file=ca_file) as pop:
        print(f"Python: {url} says {pop.greeting!r}, {pop.tls}, logged in by {pop.mechanism}")
        messages = pop.messages()
        with display(len(messages), sum(message.octets for message in messages)) as advance:
            for message in pop.retr_all(messages):
                advance(message)
    print(f"Python: {len(messages)} messages fetched")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except poplin.Error as error:
        sys.exit(f"fetch: {error}")
