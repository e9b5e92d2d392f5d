"""
`python -m poplin serve`: the test server on the command line, for clients in any language.

Standard output gets what a program wants to read (the address in the first line, then the CA's file), standard error
what a person does: how to connect, the conversation as it goes on, a summary.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import poplin
from poplin import testing
from poplin._command import Problem
from poplin._connecting import TLS
from poplin._offers import Languages, ServerLimits
from poplin._serve_log import Log, Stop, Terminal, counted

PASSWORD_VARIABLE = "POPLIN_PASSWORD"


def run(options: argparse.Namespace) -> int:
    """Serves until Ctrl-C or SIGTERM; returns the exit status."""
    stop = Stop()
    terminal = Terminal(sys.stderr.fileno(), stop)
    users = _users(options)
    server = _listen(options, users)
    log = Log(server._kit, None if options.quiet else terminal)
    faults: list[testing.Fault] = []
    try:
        faults += _misbehave(server, options)
        mail = _load(server, options)
        server.start()
        announcement = _announcement(server)
        with _written(options.ready_file, announcement):
            terminal.write(_introduction(server, options, mail))
            Terminal(sys.stdout.fileno(), stop).write(announcement)
            log.follow(stop)
    except KeyboardInterrupt:
        terminal.patient = False  # whoever ends it may have stopped reading
    finally:
        server.stop()
    log.catch_up()
    fired = "".join(f"; {fault.name}: {counted(fault.fired, 'time')}" for fault in faults)
    terminal.write(f"stopped: {log.summary()}{fired}\n")
    return os.EX_OK


# ---- what the options ask for ----


def _users(options: argparse.Namespace) -> dict[str, str]:
    users: dict[str, str] = {}
    for name, secret in options.user or [("alice", "secret")]:
        if name in users:
            raise Problem(os.EX_USAGE, f"--user {name} is given twice")
        users[name] = _shared_secret(options, name) if secret is None else secret
    for name, _ in options.mail:
        if name not in users:
            raise Problem(os.EX_USAGE, f"--mail {name}=...: there is no --user {name}")
    return users


def _shared_secret(options: argparse.Namespace, user: str) -> str:
    """The secret of a user for whom --user names none."""
    if options.password_file is not None:
        lines = _read(options.password_file).splitlines()
        if not lines or not lines[0]:
            raise Problem(os.EX_DATAERR, f"{options.password_file}: the first line is empty, it should be a password")
        return lines[0]
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    raise Problem(
        os.EX_USAGE, f"--user {user} has no secret: NAME:SECRET, or --password-file, or ${PASSWORD_VARIABLE} gives it"
    )


def _listen(options: argparse.Namespace, users: dict[str, str]) -> testing.Server:
    try:
        return testing.Server(
            users,
            host=options.host,
            port=options.port,
            path=options.unix_socket,
            tls=_tls(options),
            certificate=_certificate(options),
            inactivity=options.inactivity,
            allow_cleartext=options.cleartext == "always",
            loopback_protected=options.cleartext != "never",
            auth=options.auth,
            failed_login_delay=options.failed_login_delay,
            login_delay=options.login_delay,
            lock=options.lock,
            lock_wait=options.lock_wait,
            utf8=options.utf8,
            languages=_languages(options),
            expire=options.expire,
            max_sessions=options.max_sessions,
            limits=_limits(options),
            client_ca_file=options.client_ca_file,
        )
    except poplin.CertificateError as error:
        raise Problem(os.EX_DATAERR, str(error)) from error
    except poplin.NetworkError as error:
        raise Problem(os.EX_UNAVAILABLE, str(error)) from error
    except (TypeError, ValueError, OverflowError) as error:
        raise Problem(os.EX_USAGE, str(error)) from error


def _limits(options: argparse.Namespace) -> ServerLimits:
    limits: dict[str, float] = {}
    for name, value in options.limit:
        if name in limits:
            raise Problem(os.EX_USAGE, f"--limit {name} is given twice")
        limits[name] = value
    return cast(ServerLimits, limits)


def _languages(options: argparse.Namespace) -> Languages | None:
    """What the file says; whether it makes sense is the server's to say."""
    if options.languages is None:
        return None
    try:
        languages: Languages = json.loads(_read(options.languages))
    except (ValueError, RecursionError) as error:
        raise Problem(os.EX_DATAERR, f"{options.languages}: this is no JSON: {error}") from error
    return languages


def _tls(options: argparse.Namespace) -> TLS:
    certified = options.cert is not None or options.blemish is not None
    if certified and options.tls == "never":
        raise Problem(os.EX_USAGE, "--tls never with a certificate: which of the two is meant?")
    if options.tls in (None, "auto"):
        return "implicit" if certified or options.tls else "never"
    mode: TLS = options.tls
    return mode


def _certificate(options: argparse.Namespace) -> testing.Certificate | None:
    if options.cert is None:
        if options.key is not None:
            raise Problem(os.EX_USAGE, "--key without --cert")
        if options.blemish is None:
            return None
        if options.blemish not in testing.BLEMISHES:
            raise Problem(os.EX_USAGE, f"--blemish {options.blemish}: there is none of this name (--list-blemishes)")
        return testing.CA().certificate(blemish=options.blemish)
    if options.blemish is not None:
        raise Problem(os.EX_USAGE, "--blemish makes a certificate, --cert names one: which of the two is meant?")
    return testing.Certificate("", _read(options.cert), _read(options.key or options.cert), None, blemish="none")


def _misbehave(server: testing.Server, options: argparse.Namespace) -> Iterator[testing.Fault]:
    asked = (
        ("--fault", options.fault, server.fault_text),
        ("--quirk", options.quirk, server.quirk),
        ("--attack", options.attack, server.attack),
    )
    for option, texts, add in asked:
        for text in texts:
            try:
                yield add(text)
            except (ValueError, poplin.Error) as error:
                raise Problem(os.EX_USAGE, f"{option} {text}: {error}") from error


def _load(server: testing.Server, options: argparse.Namespace) -> dict[str, int]:
    """Delivers what is asked for; how many messages for whom."""
    counts = dict.fromkeys(server.users, 0)
    paths = [(user, options.path) for user in counts if options.path is not None]
    for user, path in [*paths, *options.mail]:
        try:
            counts[user] += len(server.load(user, path))
        except OSError as error:
            raise Problem(os.EX_NOINPUT, str(error)) from error
        except (ValueError, poplin.Error) as error:
            raise Problem(os.EX_DATAERR, str(error)) from error
    return counts


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise Problem(os.EX_NOINPUT, f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Problem(os.EX_DATAERR, f"{path}: this is no text") from error


# ---- what is told ----


def _announcement(server: testing.Server) -> str:
    lines = [f"listening on {server.path or server.url}"]
    if server.ca_pem:
        lines.append(f"ca file {server.ca_file}")
    return "".join(f"{line}\n" for line in lines)


@contextlib.contextmanager
def _written(path: Path | None, text: str) -> Iterator[None]:
    """A file that is there meanwhile, if it is wanted; nobody sees half of it."""
    if path is None:
        yield
        return
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        half.write_text(text, "utf-8")
        half.replace(path)
    except OSError as error:
        raise Problem(os.EX_CANTCREAT, f"{path}: {error.strerror}") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _introduction(server: testing.Server, options: argparse.Namespace, mail: dict[str, int]) -> str:
    lines = [f"{counted(count, 'message')} for {user}" for user, count in mail.items()]
    if not options.user:
        lines.append('the password of alice is "secret"')
    lines += [f"fault: {text}" for text in options.fault]
    lines += [f"quirk: {name}: {testing.QUIRKS[name]}" for name in options.quirk]
    lines += [f"attack: {name}: {testing.ATTACKS[name]}" for name in options.attack]
    if options.blemish:
        lines.append(f"certificate: {options.blemish}: {testing.BLEMISHES[options.blemish]}")
    lines += ["to connect:", *(f"  {example}" for example in _examples(server, next(iter(mail))))]
    lines.append("Ctrl-C ends it.")
    return "".join(f"{line}\n" for line in lines)


def _examples(server: testing.Server, user: str) -> Iterable[str]:
    """How to reach it with curl and with poplin; neither shows a password."""
    trust = f" --cacert {server.ca_file}" if server.ca_pem else ""
    if server.path is not None:
        yield f"curl --user {user}{trust} --unix-socket {server.path} pop3://localhost/"
        yield f"poplin.connect(path={str(server.path)!r}, user={user!r}, password=...)"
        return
    stls = server.certificate is not None and server.url.startswith("pop3:")
    yield f"curl --user {user}{trust}{' --ssl-reqd' if stls else ''} {server.url}/"
    settings = f", ca_file={str(server.ca_file)!r}" if server.ca_pem else ""
    settings += ", tls='stls'" if stls else ""
    yield f"poplin.connect({server.url!r}, user={user!r}, password=...{settings})"
