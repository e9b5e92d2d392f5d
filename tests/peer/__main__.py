"""
The raw peer as a program:

    python3 tests/peer listen  [--path SOCKET] [TLS...] SCRIPT
    python3 tests/peer connect HOST PORT [TLS...] SCRIPT

SCRIPT is a file, or the text itself after -c (script.py says what stands in it). listen prints "port N" once it
listens. Each mark is printed as "mark NAME"; a hold waits for its name as a line on standard input. Ends with 0 where
all went as the script says; else with 1 and, on standard error, the transcript.

TLS: --cert FILE and --key FILE (PEM) say who the peer is; --ca FILE whom it trusts as a client; --make-ca FILE makes a
throw-away authority, writes its certificate there, and is issued by it. With --tls, TLS starts at once; else at the
step starttls. --name is the server name that a client expects.
"""

import argparse
import ssl
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from peer.link import DEADLINE, Failure
from peer.script import ScriptError, parse
from peer.server import Server, connect
from peer.stage import Stage
from peer.steps import Step, run


class Console(Stage):
    """Marks go to standard output, releases come from standard input."""

    def mark(self, name: str) -> None:
        print(f"mark {name}", flush=True)
        super().mark(name)

    def listen(self) -> None:
        for line in sys.stdin:
            self.release(line.strip())


def _server_context(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.make_ca:
        from peer.authority import Authority

        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(Path(folder))
            Path(arguments.make_ca).write_bytes(authority.file.read_bytes())
            return authority.issue().server_context()
    if arguments.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.cert, arguments.key)
        return context
    return None


def _client_context(arguments: argparse.Namespace) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=arguments.ca)
    if arguments.cert:
        context.load_cert_chain(arguments.cert, arguments.key)
    return context


def _listen(arguments: argparse.Namespace, scripts: list[list[Step]], stage: Stage) -> None:
    with Server(
        *scripts,
        context=_server_context(arguments),
        implicit=arguments.tls,
        path=arguments.path,
        deadline=arguments.deadline,
        stage=stage,
    ) as server:
        print(f"port {server.port}", flush=True)


def _connect(arguments: argparse.Namespace, scripts: list[list[Step]], stage: Stage) -> None:
    for script in scripts:
        link = connect(
            arguments.host,
            arguments.port,
            context=_client_context(arguments),
            implicit=arguments.tls,
            server_name=arguments.name,
            deadline=arguments.deadline,
            stage=stage,
        )
        run(script, link)


def main() -> int:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("script", nargs="?")
    common.add_argument("-c", dest="text")
    common.add_argument("--deadline", type=float, default=DEADLINE)
    for name in ("--cert", "--key", "--ca", "--make-ca", "--name", "--path"):
        common.add_argument(name)
    common.add_argument("--tls", action="store_true")
    parser = argparse.ArgumentParser(prog="peer", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("listen", parents=[common]).set_defaults(run=_listen)
    client = argparse.ArgumentParser(add_help=False)
    client.add_argument("host")
    client.add_argument("port", type=int)
    commands.add_parser("connect", parents=[client, common]).set_defaults(run=_connect)
    arguments = parser.parse_args()
    if (arguments.script is None) == (arguments.text is None):
        parser.error("either a script's file or its text after -c")
    stage = Console()
    threading.Thread(target=stage.listen, daemon=True).start()
    try:
        scripts = parse(arguments.text if arguments.text is not None else Path(arguments.script).read_text("ascii"))
        arguments.run(arguments, scripts, stage)
    except (Failure, ScriptError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
