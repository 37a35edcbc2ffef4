"""Files that were to become a database, on a disk that was full or until a process was killed.

DuckDB takes the shortest of them for somebody else's, so that a collector whose first start met a
full disk would never start again. They hold nothing yet: the first row comes after three headers.
"""

import fcntl
import os
from contextlib import suppress

_HEADERS_BYTES = 3 * 4096
# The checksum of the first header stands before it.
_MAGIC_AT = 8
_MAGIC = b"DUCK"


def remove_beginning(path: str) -> None:
    """Remove the file if it is empty or ends within its headers, and nobody is at work on it."""
    with suppress(OSError):  # then it is not ours to remove, and opening it says why
        if os.path.getsize(path) >= _HEADERS_BYTES:
            return
        with open(path, "r+b") as file:
            # Whoever makes it at this moment holds the lock that DuckDB takes, and loses nothing.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            head = file.read(_HEADERS_BYTES + 1)
            if len(head) < _HEADERS_BYTES and _is_ours(head):
                os.unlink(path)


def _is_ours(head: bytes) -> bool:
    # A disk with no room at all leaves a file of no bytes.
    return not head or head[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC
