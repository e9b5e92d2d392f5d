"""
What Python's email package says of the headers of messages, for header_spec.lua: header_reference.py FOLDER...

For each file in the folders, in order of their names: its path, the number of its fields, and of each field name and
value, as strings with their length before them (string.pack's s4) and numbers as I4. Every field is read as
unstructured text, as poplin reads it: of From and its like the package would make addresses, and write them anew.
"""

import email
import struct
import sys
from email import policy
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from pathlib import Path

FACTORY = HeaderRegistry(default_class=UnstructuredHeader, use_default_map=False)
POLICY = policy.default.clone(header_factory=FACTORY)


def packed(text: str | bytes) -> bytes:
    octets = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return struct.pack("<I", len(octets)) + octets


def main() -> None:
    for folder in sys.argv[1:]:
        for file in sorted(Path(folder).rglob("*.eml")):
            message = email.message_from_bytes(file.read_bytes(), policy=POLICY)
            fields = message.items()
            sys.stdout.buffer.write(packed(str(file)) + struct.pack("<I", len(fields)))
            for name, value in fields:
                sys.stdout.buffer.write(packed(name) + packed(str(value)))


main()
