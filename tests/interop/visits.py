"""A visit to a server by either face: it asks for everything, deletes, and leaves."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import poplin
from interop.messages import ROOT

LINES = 3
"""How much of a body TOP is to bring."""


@dataclass
class Visit:
    """What was seen, by message number."""

    count: int = 0
    octets: int = 0
    sizes: dict[int, int] = field(default_factory=dict)
    uids: dict[int, str] = field(default_factory=dict)
    tops: dict[int, bytes] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Way:
    """How to get there."""

    url: str
    tls: str
    ca_file: Path
    user: str
    password: str


def by_python(way: Way, _folder: Path, delete: tuple[int, ...] = ()) -> Visit:
    visit = Visit()
    settings = {"tls": way.tls, "ca_file": way.ca_file, "user": way.user, "password": way.password}
    with poplin.connect(way.url, timeout=60, **settings) as pop:  # type: ignore[arg-type]
        visit.uids = {entry.number: entry.uid for entry in pop.uidl()}
        visit.count, visit.octets = pop.stat()
        for number, octets in pop.list():
            visit.sizes[number] = octets
            visit.tops[number] = pop.top(number, LINES)
        for message in pop.retr_all():
            visit.bodies[message.number] = message.data
        for number in delete:
            pop.dele(number)
    return visit


def lua(script: str, *words: str | Path) -> str:
    """Runs one of the scripts beside this file."""
    environment = {
        **os.environ,
        "LUA_PATH": f"{ROOT}/lua/?.lua;{ROOT}/lua/?/init.lua",
        "LUA_CPATH": f"{ROOT}/build/cmake/lua/?.so",
    }
    command = ["lua5.4", Path(__file__).with_name(script), *words]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    return done.stdout


def by_lua(way: Way, folder: Path, delete: tuple[int, ...] = ()) -> Visit:
    where = [way.url, way.tls, way.ca_file, way.user, way.password, folder, str(LINES)]
    first, *rest = lua("visit.lua", *where, *map(str, delete)).splitlines()
    visit = Visit(*map(int, first.split()))
    for line in rest:
        number, octets, uid = line.split()
        visit.sizes[int(number)] = int(octets)
        visit.uids[int(number)] = uid
        visit.tops[int(number)] = (folder / f"{number}.top").read_bytes()
        visit.bodies[int(number)] = (folder / number).read_bytes()
    return visit


FACES = {"Python": by_python, "Lua": by_lua}
