"""
Both ends of POP3 by poplin's machines alone, over plain sockets, with TLS by Python's own ssl module.

POPLIN_PASSWORD=... python protocol_sockets.py serve FOLDER USER [CERTIFICATE_AND_KEY]
POPLIN_PASSWORD=... python protocol_sockets.py fetch pop3://alice@mail.example.org FOLDER [CA_FILE]

The server serves the files of a folder, a client at a time and a thread for each, and starts TLS when it is asked to.
The client fetches all mail into files and deletes nothing; pop3:// means STLS, and pop3s:// TLS from the first octet.
"""

import contextlib
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import poplin
from poplin import protocol

TIMEOUT = 60.0  # a client waits so long for a server
INACTIVITY = 600.0  # and a server for a client: RFC 1939 wants ten minutes


class Line:
    """A connection: a socket, and TLS from the moment on when it is started."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def start_tls(self, context: ssl.SSLContext, host: str | None = None) -> str | None:
        """Shakes hands. host: the name that a server's certificate must be good for; None: this is the server."""
        self._socket = context.wrap_socket(
            self._socket, server_side=host is None, server_hostname=host, suppress_ragged_eofs=False
        )
        return self._socket.version()

    def send(self, end: protocol.ClientConnection | protocol.ServerConnection) -> bool:
        """Sends what there is to send. False: nothing."""
        data = end.data_to_send()
        self._socket.sendall(data)
        return bool(data)

    def receive(self, end: protocol.ClientConnection | protocol.ServerConnection) -> None:
        """Waits for octets, or for their end."""
        try:
            data = self._socket.recv(65536)
        except (ConnectionError, ssl.SSLEOFError):
            end.receive_eof(clean=False)
        else:
            if data:
                end.receive_data(data)
            else:
                end.receive_eof()

    def close(self) -> None:
        """Ends it."""
        self._socket.close()


# ---- the client ----


def conversation(pop: protocol.ClientConnection, line: Line, tls: ssl.SSLContext) -> Iterator[protocol.ClientEvent]:
    """The events of a session, one after the other. Whoever takes them may ask for more between any two."""
    while True:
        for event in pop.events():
            if isinstance(event, protocol.StartTLS):
                pop.tls_started(version=line.start_tls(tls, event.host))
                continue
            yield event
            if isinstance(event, protocol.Closed):
                return
        if not line.send(pop):
            line.receive(pop)


def fetch(text: str, folder: str, ca_file: str | None = None) -> int:
    """Returns how many messages came."""
    url = poplin.URL.parse(text)
    tls = ssl.create_default_context(cafile=ca_file)
    implicit = url.scheme == "pop3s"
    pop = protocol.ClientConnection(tls="implicit" if implicit else "stls", host=url.host, port=url.port)
    line = Line(socket.create_connection((url.host, url.port), TIMEOUT))
    with contextlib.closing(line):
        if implicit:
            pop.tls_started(version=line.start_tls(tls, url.host))
        pop.open(url.user, os.environ["POPLIN_PASSWORD"])
        return save_all(pop, conversation(pop, line, tls), Path(folder))


def save_all(pop: protocol.ClientConnection, events: Iterator[protocol.ClientEvent], folder: Path) -> int:
    """Lists, retrieves all that is listed, leaves; each event says what comes next."""
    listing = 0
    messages: list[protocol.Listing] = []
    file: BinaryIO | None = None
    with contextlib.ExitStack() as files:
        for event in events:
            match event:
                case protocol.Opened(error=None):
                    listing = pop.list()
                case protocol.Reply(error=Exception() as error) | protocol.Opened(error=Exception() as error):
                    raise error
                case protocol.Listing():
                    messages.append(event)
                case protocol.End(tag) if tag == listing:
                    pop.retr_all(messages)  # as many ahead of their answers as the server allows
                    if not messages:
                        pop.quit()
                case protocol.Reply(verb="RETR", number=number):
                    file = files.enter_context((folder / f"{number}.eml").open("wb"))
                case protocol.Body(data=data) if file is not None:
                    file.write(data)
                case protocol.End():
                    files.close()
                    if not pop.outstanding:
                        pop.quit()
    return len(messages)


# ---- the server ----


def serve_one(session: protocol.ServerConnection, line: Line, mail: "Mail", tls: ssl.SSLContext | None) -> None:
    """One session, from the greeting to its end."""
    while True:
        for event in session.events():
            match event:
                case protocol.StartTLS():
                    assert tls is not None
                    line.send(session)  # the answer to STLS, still in clear
                    session.tls_started(version=line.start_tls(tls))
                case protocol.SessionClosed():
                    line.send(session)
                    return
                case _:
                    mail.answer(session, event)
        if not line.send(session):
            try:
                line.receive(session)
            except TimeoutError:
                session.timeout()


class Mail:
    """What a session's questions are answered from: a folder's files, each a message, for one user."""

    def __init__(self, folder: Path, user: str, password: str) -> None:
        self.folder = folder
        self.user = user
        self.secret = password

    def answer(self, session: protocol.ServerConnection, event: protocol.ServerEvent) -> None:
        """Here at once; a session can also go on waiting while the answer is made elsewhere."""
        match event:
            case protocol.FindSecret(user=self.user):
                session.password(event, self.secret)
            case protocol.FindSecret():
                session.refuse(event, poplin.AuthError)
            case protocol.OpenMaildrop():
                names = sorted(file.name for file in self.folder.iterdir() if file.is_file())
                session.open(event, [(name, None) for name in names])  # None: counted when a client asks
            case protocol.SendBody(uid=uid):
                session.body(event, (self.folder / uid).read_bytes())
            case protocol.Commit(uids=uids):
                for uid in uids:
                    (self.folder / uid).unlink()
                session.accept(event)


def accept(listener: socket.socket, mail: Mail, tls: ssl.SSLContext | None) -> None:
    """Gives each client a session and a thread."""

    def run(connection: socket.socket) -> None:
        connection.settimeout(INACTIVITY)
        # Clients on this machine need no TLS: nobody else can listen.
        session = protocol.ServerConnection(tls="stls" if tls else "never", protected=True, asks="password")
        with contextlib.closing(Line(connection)) as line, contextlib.suppress(OSError):
            serve_one(session, line, mail, tls)

    while True:
        threading.Thread(target=run, args=(listener.accept()[0],), daemon=True).start()


def serve(folder: str, user: str, certificate: str | None = None) -> None:
    """Serves until Ctrl-C."""
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.suppress(KeyboardInterrupt):
        print(f"pop3://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        accept(listener, Mail(Path(folder), user, os.environ["POPLIN_PASSWORD"]), tls)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", folder, user, *certificate] if len(certificate) < 2:
            serve(folder, user, *certificate)
        case ["fetch", url, folder, *ca_file] if len(ca_file) < 2:
            try:
                print(fetch(url, folder, *ca_file), "messages")
            except (poplin.Error, OSError) as error:
                sys.exit(f"fetch: {error}")
        case _:
            sys.exit(__doc__)
