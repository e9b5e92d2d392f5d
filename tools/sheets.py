"""
The requirement sheets as a list: which ids there are, on which sides, how binding each is, and what it is about.

The sheets are kept beside the project, and not everybody has them. tools/conformance_ids.txt is the list made from
them (tools/conformance.py --ids FOLDER), and what everything else reads.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IDS = Path("tools/conformance_ids.txt")
SHEETS = ("protocol.md", "threats.md")
SIDES = {"C": "C", "S": "S", "B": "CS"}
"""What a sheet or a marker says, and the sides that this means: client, server, both."""

HEAD = "# Made by tools/conformance.py --ids from the requirement sheets: id, side, level, title.\n"
TITLE_WIDTH = 80

SECTION = re.compile(r"## (\d+\. [^(]+)")
ID = r"[A-Z0-9]+(?:-[A-Z0-9]+)*-\d+"
REQUIREMENT = re.compile(rf"- ({ID}) (?=\[[CSB]\])")
LEVELS = "MUST NOT|MUST|SHOULD NOT|SHOULD|MAY|DEF|POL"
PART = re.compile(rf"\[([CSB])\] ({LEVELS})\b(?: \([^)]*\))?:?")
LIMIT = re.compile(r"\| (LIM-\d+) \| ([^|]+)")
LIMIT_PART = re.compile(r"\[([CSB])\]()")
VECTOR = re.compile(r"(?:^- |\. )(VEC-[A-Z0-9]+-\d+)(?: |: )")
VECTOR_SOURCE = re.compile(r"^\((.*?)\)(?=[:,](?: |$))")
THREAT = re.compile(rf"\| (T-{ID}) \| ([CSB]) \| ([^|]+)")


@dataclass(frozen=True)
class Requirement:
    """One id on one side."""

    id: str
    side: str
    level: str
    title: str
    section: str


def title_of(text: str) -> str:
    """The first words of a requirement, without its source."""
    text = re.sub(r"(?<=\S)\s*\([^()]*\)[\s.]*$", "", text.strip())
    title = textwrap.shorten(text, TITLE_WIDTH, placeholder="", break_on_hyphens=False)
    if title.count("`") % 2:
        title = title[: title.rindex("`")]
    return title.rstrip(" .;:,(")


def parts(text: str, pattern: re.Pattern[str], level: str = "") -> Iterator[tuple[str, str, str]]:
    """Side, level and text of each part of a requirement that says something to each side, or to both."""
    found = list(pattern.finditer(text))
    covered = ""
    for match, following in zip(found, [*found[1:], None], strict=True):
        if match[1] not in covered:
            yield match[1], match[2] or level, text[match.end() : following.start() if following else len(text)]
        covered += SIDES[match[1]]


def entries(line: str) -> Iterator[tuple[str, str, str, str]]:
    """Id, side, level and text of what a line of a sheet defines."""
    if match := REQUIREMENT.match(line):
        yield from ((match[1], *part) for part in parts(line, PART))
    elif match := LIMIT.match(line):
        yield from ((match[1], *part) for part in parts(match[2], LIMIT_PART, "POL"))
    elif match := THREAT.match(line):
        yield match[1], match[2], "threat", match[3]
    elif line.startswith("- VEC-"):
        for match in VECTOR.finditer(line):
            yield match[1], "B", "vector", VECTOR_SOURCE.sub(r"\1", VECTOR.split(line[match.end() :])[0])


def extract(folder: Path) -> str:
    """The list that the sheets in a folder make."""
    lines = [HEAD]
    for sheet in SHEETS:
        heading, announced = "", ""
        for line in (folder / sheet).read_text("utf-8").splitlines():
            if match := SECTION.match(line):
                heading = f"\n## {Path(sheet).stem} {match[1].strip()}\n"
            for name, side, level, text in entries(line):
                if heading != announced:
                    lines.append(heading)
                    announced = heading
                lines.append(f"{name}\t{side}\t{level}\t{title_of(text)}\n")
    return "".join(lines)


def read(root: Path) -> list[Requirement]:
    """The project's list, in its order; an id of both sides is there twice."""
    requirements, section = [], ""
    for line in (root / IDS).read_text("utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line and not line.startswith("#"):
            name, sides, level, title = line.split("\t")
            requirements += [Requirement(name, side, level, title, section) for side in SIDES[sides]]
    return requirements
