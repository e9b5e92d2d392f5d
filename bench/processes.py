"""Runs what is measured: compiles the programs, starts the servers, and times a client's sessions."""

import dataclasses
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Protocol

import setting
from setting import BENCH, BUILD, LIBRARY, TOP


def compile_programs() -> list[str]:
    """Compile the C programs that are out of date; name those that cannot be for want of a library."""
    without = []
    for name, (packages, links_poplin) in setting.PROGRAMS.items():
        target, source = BUILD / name, setting.SOURCES.get(name, BENCH / f"{name}.c")
        target.parent.mkdir(parents=True, exist_ok=True)
        inputs = [source, *BENCH.glob("*.h"), *([LIBRARY] if links_poplin else [])]
        if target.exists() and all(path.stat().st_mtime < target.stat().st_mtime for path in inputs):
            continue
        flags: list[str] = []
        if packages:
            found = subprocess.run(["pkg-config", "--cflags", "--libs", *packages], capture_output=True, text=True)
            if found.returncode != 0:
                without.append(name)
                continue
            flags = found.stdout.split()
        library = [f"-I{TOP}/csrc/include", str(LIBRARY)] if links_poplin else []
        command = [
            "cc",
            "-std=c17",
            "-O2",
            "-D_GNU_SOURCE",
            str(source),
            *library,
            *flags,
            "-lpthread",
            "-o",
            str(target),
        ]
        subprocess.run(command, check=True)
    return without


def cpu_of(process: int) -> float:
    """Give the seconds of processor time that the threads of a process have used."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


class Server:
    """A server for one load, on loopback, and a relay before it where the load is far away."""

    def __init__(self, row: setting.Row) -> None:
        self.ca_file = BUILD / f"ca-{row.server}-{row.messages}.pem"
        program: list[str | Path] = [BUILD / row.server, str(row.messages), str(row.octets), self.ca_file]
        program += [str(row.large), str(row.large_octets)] if row.large else []
        self.process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.ports: dict[str, int] = json.loads(self.process.stdout.readline())
        self.relays: list[subprocess.Popen[str]] = []

    def port(self, row: setting.Row) -> int:
        """Give the port to connect to, for this load."""
        port = self.ports["tls" if row.tls else "plain"]
        if row.delay_ms == 0:
            return port
        command: list[str | Path] = [BUILD / "relay", "127.0.0.1", str(port), str(row.delay_ms)]
        relay = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.relays.append(relay)
        assert relay.stdout is not None
        return int(relay.stdout.readline())

    def cpu(self) -> float:
        """Give the seconds of processor time that it has used."""
        return cpu_of(self.process.pid)

    def stop(self) -> None:
        """End it."""
        for process in [self.process, *self.relays]:
            process.kill()
            process.communicate()


@dataclasses.dataclass
class Sample:
    """What one session cost, in seconds; wall clock, the client's processor time and the server's."""

    wall: float
    cpu: float
    server: float


class Measured(Protocol):
    """What a client's sessions need to know of a server."""

    ca_file: Path

    def cpu(self) -> float:
        """Give the seconds of processor time that it has used."""
        ...


class WrongError(Exception):
    """A client failed, or did not receive what it should have."""


def run_client(client: setting.Client, row: setting.Row, server: Measured, port: int, sessions: int) -> Sample:
    """Have a client run sessions, check that everything arrived, and divide the cost by their number."""
    before = server.cpu()
    if client.name == "mpop":
        wall, cpu = run_mpop(row, server, port, sessions)
    else:
        wall, cpu = run_reporting(client, row, server, port, sessions)
    return Sample(wall / sessions, cpu / sessions, (server.cpu() - before) / sessions)


def run_reporting(
    client: setting.Client, row: setting.Row, server: Measured, port: int, sessions: int
) -> tuple[float, float]:
    """Run a client that says "go" when it is ready and reports at the end, so that its start is not counted."""
    security = "tls" if row.tls else "plain"
    command = [*client.command, "127.0.0.1", str(port), security, server.ca_file, str(sessions)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=setting.environment_of(client))
    assert process.stdout is not None
    ready = process.stdout.readline()
    begin = time.perf_counter()
    report = process.stdout.readline()
    wall = time.perf_counter() - begin
    if process.wait() != 0 or ready != "go\n":
        raise WrongError(f"{client.name} failed")
    got = json.loads(report)
    if (got["messages"], got["octets"]) != (sessions * row.messages, sessions * row.messages * row.octets):
        raise WrongError(f"{client.name} received {got['messages']} messages, {got['octets']} octets")
    return wall, got["cpu"]


MPOP_CONFIGURATION = """account bench
host 127.0.0.1
port {port}
user bench
password bench
auth plain
tls {tls}
tls_starttls off
tls_trust_file {ca_file}
keep on
only_new off
received_header off
uidls_file {folder}/uidls
delivery exchange {folder}/new
"""


def run_mpop(row: setting.Row, server: Measured, port: int, sessions: int) -> tuple[float, float]:
    """Run mpop, whole processes. It must deliver: a file a message, in memory, is what it does fastest."""
    memory = Path("/dev/shm")
    wall = cpu = 0.0
    for _ in range(sessions):
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else BUILD) as folder:
            delivered = Path(folder, "new")
            delivered.mkdir()
            configuration = Path(folder, "configuration")
            configuration.touch(mode=0o600)
            configuration.write_text(
                MPOP_CONFIGURATION.format(
                    port=port, tls="on" if row.tls else "off", ca_file=server.ca_file, folder=folder
                )
            )
            begin = time.perf_counter()
            process = subprocess.Popen(["mpop", "--quiet", f"--file={configuration}", "bench"])
            _, status, used = os.wait4(process.pid, 0)
            wall += time.perf_counter() - begin
            cpu += used.ru_utime + used.ru_stime
            process.returncode = os.waitstatus_to_exitcode(status)
            sizes = [file.stat().st_size for file in delivered.iterdir()]
            if process.returncode != 0 or len(sizes) != row.messages or sum(sizes) != row.messages * row.octets:
                raise WrongError(f"mpop received {len(sizes)} messages, {sum(sizes)} octets")
    return wall, cpu


def tool_missing() -> str | None:
    """Name a tool that nothing works without, or None."""
    return next((tool for tool in ("cc", "pkg-config") if shutil.which(tool) is None), None)
