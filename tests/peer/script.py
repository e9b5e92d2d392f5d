r"""
Scripts as text, for tests that start the peer as a program. A line is a step: its name, then its arguments.

    # a comment
    send "+OK hi\r\n"
    expect "CAPA\r\n"
    send "+OK\r\nTOP\r\n.\r\n" cuts 3,5      or: cuts each; then, perhaps: wire
    match "AUTH PLAIN .*\r\n"                a line that the regular expression matches in full
    starttls                                 or: starttls fails
    send "+OK\r\n" "x"*100000 "\r\n.\r\n"    strings side by side are joined, and may be repeated
    expect-eof clean                         or: cut, or nothing
    next                                     what follows is for the next connection

The other steps: taken, send-until-closed "...", silence, shutdown, close [cut], reset, mark NAME, hold NAME. In a
string stand the escapes of C: \r \n \t \0 \\ \" \xNN.
"""

import re

from peer import steps
from peer.steps import Step

_TOKEN = re.compile(r'\s+|"((?:[^"\\]|\\.)*)"(?:\*(\d+))?|([^\s"#]+)|#.*')
_ESCAPE = re.compile(r'\\(x[0-9a-fA-F]{2}|[rnt0\\"])')
_ESCAPED = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\", '"': '"'}


class ScriptError(ValueError):
    """A line that is no step."""


def parse(text: str) -> list[list[Step]]:
    """The scripts in the text, one for each connection."""
    scripts: list[list[Step]] = [[]]
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words, data = _tokens(line)
            if words == ["next"]:
                scripts.append([])
            elif words:
                scripts[-1].append(_step(words[0], words[1:], data))
        except ScriptError as error:
            raise ScriptError(f"line {number}: {error}") from None
    return scripts


def _tokens(line: str) -> tuple[list[str], bytes]:
    """The words of a line, and all its strings joined."""
    words, data, at = [], b"", 0
    while at < len(line):
        token = _TOKEN.match(line, at)
        if not token:
            raise ScriptError(f"cannot read {line[at:]}")
        string, times, word = token.groups()
        if string is not None:
            data += _unescape(string) * int(times or 1)
        elif word is not None:
            words.append(word)
        at = token.end()
    return words, data


def _unescape(string: str) -> bytes:
    def octet(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if code[0] == "x" else _ESCAPED[code]

    if re.search(r"\\", _ESCAPE.sub("", string)):
        raise ScriptError(f"unknown escape in {string}")
    return _ESCAPE.sub(octet, string).encode("latin-1")


def _step(name: str, words: list[str], data: bytes) -> Step:
    match name, words:
        case "send", _:
            return _send(words, data)
        case "expect", []:
            return steps.expect(data)
        case "match", []:
            return steps.expect(re.compile(data, re.DOTALL))
        case "send-until-closed", []:
            return steps.send_until_closed(data)
        case "starttls", [] | ["fails"]:
            return steps.starttls(fails=bool(words))
        case "expect-eof", [] | ["clean"] | ["cut"]:
            return Step("expect_eof", {"how": words[0] if words else "any"})
        case "close", [] | ["cut"]:
            return Step("close", {"how": words[0] if words else "clean"})
        case "mark" | "hold", [where]:
            return Step(name, {"name": where})
        case "taken" | "silence" | "shutdown" | "reset", []:
            return Step(name)
    raise ScriptError(f"no such step: {name} {' '.join(words)}")


def _send(words: list[str], data: bytes) -> Step:
    wire = words[-1:] == ["wire"]
    match words[:-1] if wire else words:
        case []:
            return steps.send(data, layer="wire" if wire else "text")
        case ["cuts", where]:
            cuts = "each" if where == "each" else tuple(int(offset) for offset in where.split(","))
            return Step("send", {"data": data, "cuts": cuts, "layer": "wire" if wire else "text"})
    raise ScriptError(f"send what? {' '.join(words)}")
