"""Which answers a process is at, so that no other on this machine pays for them at the same time.

A claim is a lock on one byte of an empty file, the byte that the answer's key names. It is gone
with its process, however that ends.
"""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

CLAIMS_FILE = "claims.lock"
MOST_CLAIMS = 5_000
"""Of one process: the kernel looks through all locks of a file for each new one."""

# Offsets have 63 bits.
_DIGITS = 15


class Claims:
    """The claims of this process. Where the disk has no locks, everything may be taken.

    Closing lets go of all that this process claimed in the folder.

    Args:
        folder: of the kept answers.
        is_needed: whether others' claims count here; without that, everything may be taken.
    """

    def __init__(self, folder: Path, *, is_needed: bool = True) -> None:
        self._descriptor: int | None = None
        if not is_needed:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(folder / CLAIMS_FILE, flags, 0o644)
        except OSError:
            pass  # whoever cannot write there says so when an answer is to be kept

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def take(self, keys: Sequence[str]) -> list[str]:
        """Return those of the keys that no other process is at, which are now this one's.

        Those behind ``MOST_CLAIMS`` are returned without a claim.
        """
        taken = [key for key in keys[:MOST_CLAIMS] if self._is_free(key)]
        return [*taken, *keys[MOST_CLAIMS:]]

    def _is_free(self, key: str) -> bool:
        if self._descriptor is None:
            return True
        try:
            how = fcntl.LOCK_EX | fcntl.LOCK_NB
            fcntl.lockf(self._descriptor, how, 1, int(key[:_DIGITS], 16))
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True
        return True
