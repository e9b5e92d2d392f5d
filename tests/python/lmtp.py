"""A small LMTP server for the tests: it takes what it is given, or answers as it is told."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self


class LMTPServer:
    """
    One connection after the other, on loopback or on a Unix socket. answers: what it says to a command ("RCPT",
    "RCPT bob@x", "DATA", "end alice" for alice's answer behind the message) where that is not its usual answer; ""
    drops the connection.
    """

    def __init__(self, path: Path | None = None, **answers: str) -> None:
        self.answers = answers
        self.received: list[bytes] = []
        self.commands: list[str] = []
        self.connections = 0
        self.arrived = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        family = socket.AF_INET if path is None else socket.AF_UNIX
        self._listener = socket.socket(family)
        self._listener.bind(("127.0.0.1", 0) if path is None else str(path))
        self._listener.listen()
        self.port = self._listener.getsockname()[1] if path is None else 0
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, connection.makefile("rb") as lines:
                try:
                    self._converse(lines.readline, connection)
                except (EOFError, OSError):
                    continue

    def _converse(self, line: Callable[[], bytes], connection: socket.socket) -> None:
        def say(key: str, usual: str) -> bool:
            answer = self.answers.get(key, self.answers.get(key.partition(" ")[0] if " " in key else "", usual))
            if not answer:
                raise EOFError
            connection.sendall(answer.encode("latin-1") + b"\r\n")
            return answer.startswith(("2", "3"))

        recipients: list[str] = []
        say("greeting", "220 here")
        while command := line().decode().rstrip("\r\n"):
            self.commands.append(command)
            verb = command[:4].upper()
            if verb == "QUIT":
                say(verb, "221 bye")
                return
            if verb == "LHLO":
                say(verb, "250 hello")
            elif verb == "MAIL":
                recipients = []
                say(verb, "250 sender")
            elif verb == "RCPT":
                name = command[command.index("<") + 1 : command.index(">")]
                if say(f"RCPT {name}", "250 recipient"):
                    recipients.append(name)
            elif verb == "DATA" and say(verb, "354 go on"):
                data = b""
                while (text := line()) != b".\r\n":
                    data += text.removeprefix(b".")
                self.received.append(data)
                self.arrived.set()
                self.may_answer.wait(60)
                for name in recipients:
                    say(f"end {name}", f"250 {name} has it")
