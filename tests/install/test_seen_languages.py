"""One seen store in the hands of both languages: Python's own SQLite, and the library's under Lua."""

import os
import subprocess
from pathlib import Path

import pytest

import poplin

ROOT = Path(__file__).resolve().parents[2]
WRITES = """
local poplin = require "poplin"
local seen <close> = assert(poplin.seen(arg[1]))
for i = 1, tonumber(arg[2]) do
  assert(seen:mark("both", { "lua-" .. i }))
end
"""
SHOWS = """
local poplin = require "poplin"
local seen <close> = assert(poplin.seen(arg[1]))
for account, count in pairs(assert(seen:accounts())) do print(account, count) end
for _, r in ipairs(assert(seen:messages("alice"))) do
  print(r.uid, r.copy, r.step, r.octets, r.first_seen, r.changed, r.gone)
end
assert(seen:record("alice", {
  { uid = "b", copy = 3, step = "confirmed", octets = 9, first_seen = 1, changed = 2, gone = 3 },
  { uid = "a", step = "deleted", first_seen = 4, changed = 5 },
}))
"""


def lua(*arguments: object) -> subprocess.Popen[str]:
    paths = {
        "LUA_PATH": f"{ROOT}/lua/?.lua;{ROOT}/lua/?/init.lua;;",
        "LUA_CPATH": f"{ROOT}/build/cmake/lua/?.so;;",
    }
    return subprocess.Popen(
        ["lua5.4", "-", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**paths, **os.environ},
    )


@pytest.mark.holds("POP-UIDL-5", "C")
def test_each_reads_what_the_other_wrote(tmp_path: Path) -> None:
    path = tmp_path / "seen.db"
    with poplin.seen(path) as store:
        store.record("alice", [("a", 0, "taken", None, 1763800000, 1763800001, None), ("b", 3, "deleted", 7, 1, 2, 3)])
        with lua(path) as other:  # while Python has it open
            output, problem = other.communicate(SHOWS, timeout=60)
        assert problem == ""
        assert output.splitlines() == [
            "alice\t2",
            "a\t0\ttaken\tnil\t1763800000\t1763800001\tnil",
            "b\t3\tdeleted\t7\t1\t2\t3",
        ]
        assert store.recall("alice") == [("a", 0, "deleted", None, 4, 5, None), ("b", 3, "confirmed", 9, 1, 2, 3)]


def test_both_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "seen.db"
    with lua(path, 60) as other, poplin.seen(path) as store:
        assert other.stdin
        assert other.stderr
        other.stdin.write(WRITES)
        other.stdin.close()
        for number in range(60):
            store.mark("both", [f"python-{number}"])
        assert other.stderr.read() == ""
        assert other.wait(timeout=60) == 0
        assert store.accounts() == {"both": 120}
