"""Objects that hold something of which there is only one: a connection, a port, a thread."""

from typing import NoReturn


class Alone:
    """
    An object that can be neither copied nor pickled, and says so at once. A copy would be half of two objects, and end
    for both what one of them ends.
    """

    __slots__ = ()

    _alone = "is one end of a connection"
    """Why, as the message of the TypeError says it behind the object's kind."""

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} {self._alone}: it can be neither copied nor pickled")
