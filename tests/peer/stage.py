"""Where a script and its test meet: a script marks how far it is, and holds until the test lets it go on."""

import threading


class Stage:
    """Named events in both directions. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._marks: set[str] = set()
        self._released: set[str] = set()
        self._abandoned = False

    def mark(self, name: str) -> None:
        """The script got here."""
        with self._changed:
            self._marks.add(name)
            self._changed.notify_all()

    def wait_for(self, name: str, deadline: float) -> bool:
        """Waits until the script has marked the name; False: it has not, within so many seconds, or never will."""
        with self._changed:
            self._changed.wait_for(lambda: name in self._marks or self._abandoned, deadline)
            return name in self._marks

    def release(self, name: str) -> None:
        """Lets a script that holds at the name go on, now or when it gets there."""
        with self._changed:
            self._released.add(name)
            self._changed.notify_all()

    def hold(self, name: str, deadline: float) -> bool:
        """Waits until the name is released; False: it was not, within so many seconds, or never will be."""
        with self._changed:
            self._changed.wait_for(lambda: name in self._released or self._abandoned, deadline)
            return name in self._released

    def abandon(self) -> None:
        """Nobody will come any more: ends every wait."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()
