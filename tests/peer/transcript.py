"""What went over one connection, kept so that a failed test can show it."""

_SHOWN = 400  # octets of one entry that are shown from its start, and as many from its end


def visible(data: bytes) -> str:
    """The octets as text on one line: line ends, control and 8-bit octets as escapes."""
    if len(data) > 2 * _SHOWN:
        left_out = len(data) - 2 * _SHOWN
        return f"{visible(data[:_SHOWN])} ... {left_out} octets ... {visible(data[-_SHOWN:])}"
    return repr(data)[2:-1].replace('\\"', '"').replace("\\'", "'")


class Transcript:
    """Notes, and the octets of both directions, in the order in which they came."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, bytes | str]] = []

    def sent(self, data: bytes) -> None:
        self._entries.append(("peer sends", data))

    def got(self, data: bytes) -> None:
        if self._entries and self._entries[-1][0] == "peer gets":
            _, before = self._entries.pop()
            assert isinstance(before, bytes)
            data = before + data
        self._entries.append(("peer gets", data))

    def note(self, text: str) -> None:
        self._entries.append(("", text))

    def __str__(self) -> str:
        lines = []
        for label, content in self._entries:
            text = visible(content) if isinstance(content, bytes) else f"({content})"
            lines.append(f"    {label:>10}  {text}")
        return "\n".join(lines)
