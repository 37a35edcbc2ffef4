"""Files that nobody but the collector's user reads: what was logged stands in them in the clear.

DuckDB makes its file, its log and what it puts aside as the process's mask lets it, and makes the
log anew after each checkpoint. So the mask holds for as long as a process has a database open.
"""

import os

_OTHERS = 0o077


def keep_private() -> None:
    """Let no file that this process makes from now on be read by others (mode 0600, or less)."""
    os.umask(os.umask(_OTHERS) | _OTHERS)


def is_readable_by_all(path: str) -> bool:
    """Return whether every user of the machine may read a file that is there."""
    try:
        return bool(os.stat(path).st_mode & 0o004)
    except OSError:
        return False
