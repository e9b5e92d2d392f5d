#!/usr/bin/env python3
"""
Checks that #include points down only: csrc/wire knows nobody, csrc/loop knows all below it, the bindings know only the
public headers; and that a foreign library is known to one layer. Prints each line that breaks this, and fails.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

BELOW = {
    "wire": [],
    "header": ["wire"],
    "sasl": ["wire", "header"],
    "client": ["wire", "header", "sasl"],
    "server": ["wire", "header", "sasl"],
    "tls": ["wire", "header", "sasl", "client", "server"],
}
for upper in ("loop", "maildrop", "fetch", "testkit"):
    BELOW[upper] = [*BELOW]
"""Each layer of csrc, with the layers that it may include."""

PUBLIC = {
    "types": "wire",
    "status": "wire",
    "url": "wire",
    "discover": "wire",
    "header": "header",
    "scram": "sasl",
    "client": "client",
    "session": "server",
    "tls": "tls",
    "loop": "loop",
    "link": "loop",
    "server": "loop",
    "questions": "loop",
    "tap": "loop",
    "trace": "loop",
    "background": "loop",
    "memory": "maildrop",
    "maildir": "maildrop",
    "fetch": "fetch",
    "seen": "fetch",
    "delivery": "fetch",
    "places": "fetch",
    "testkit": "testkit",
}
"""Each public header, with the layer that it belongs to."""

FOREIGN = {
    r"gnutls/(?!crypto\.h)": ["tls"],
    r"gnutls/crypto\.h": ["tls", "sasl", "maildrop", "fetch"],
    r"stringprep\.h": ["sasl"],
    r"uv\.h": ["loop"],
    r"iconv\.h": ["header"],
    r"sqlite3\.h": ["fetch"],
    r"lua|lauxlib\.h": ["bindings/lua"],
    r"Python\.h": ["bindings/python"],
    r"sys/socket\.h|netdb\.h|netinet/|sys/un\.h": ["loop", "bindings/lua", "bindings/python"],
    r"poll\.h": ["loop", "testkit", "bindings/lua", "bindings/python"],
    r"pthread\.h": ["loop", "maildrop", "testkit", "tls", "bindings/lua", "bindings/python"],
}
"""Headers that only these layers may include."""

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def layer_of(file: Path) -> str:
    """The layer that a source file belongs to; of a public header, the one that it is the face of."""
    parts = file.relative_to(ROOT).parts
    if parts[0] == "bindings":
        return "/".join(parts[:2])
    return PUBLIC[file.stem] if parts[1] == "include" else parts[1]


def problem(layer: str, name: str, quoted: bool) -> str | None:
    """What is wrong with a file of the layer including this, or None."""
    for pattern, allowed in FOREIGN.items():
        if re.match(pattern, name) and layer not in allowed:
            return f"only {', '.join(allowed)} may include it"
    public = re.fullmatch(r"poplin/(\w+)\.h", name)
    if public and public[1] not in PUBLIC:
        return "tools/check_layers.py does not know this public header"
    if layer.startswith("bindings/"):
        return "a binding includes public headers only" if quoted and "/" in name else None
    target = PUBLIC[public[1]] if public else name.split("/")[0] if quoted else layer
    if target != layer and target not in BELOW[layer]:
        return f"{target} is not below {layer}"
    return None


def main() -> int:
    wrong = 0
    files = [file for top in ("csrc", "bindings") for file in sorted((ROOT / top).rglob("*.[ch]"))]
    for file in files:
        if file.name == "poplin.h":
            continue
        text = file.read_text("utf-8")
        for match in INCLUDE.finditer(text):
            if why := problem(layer_of(file), match[2], match[1] == '"'):
                line = text.count("\n", 0, match.start(2)) + 1
                print(f"{file.relative_to(ROOT)}:{line}: includes {match[2]}: {why}")
                wrong += 1
    print(f"layers: {len(files)} files, {wrong} includes that do not point down")
    return 1 if wrong or not files else 0


if __name__ == "__main__":
    sys.exit(main())
