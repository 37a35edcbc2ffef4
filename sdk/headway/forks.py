"""Imports in threads of ours, and forks that must not come in the middle of one.

A child would find the half-imported module half empty, or locked for ever.
"""

import importlib
import sys
import threading
from contextlib import suppress

IMPORTING = threading.RLock()
"""Held by whoever imports in a thread of ours, and by whoever forks."""

_HAD_LOGGING = "logging" in sys.modules


def let_go() -> None:
    """Let imports go on after a fork, which may have held them up once, twice or not at all."""
    with suppress(RuntimeError):
        IMPORTING.release()


def hold_logging(timeout_s: float) -> None:
    """Take the lock of ``logging`` where that was imported while this fork waited.

    It lets go of its lock after each fork, also after one that began before it was there.
    """
    if _HAD_LOGGING or "logging" not in sys.modules:
        return
    with suppress(ImportError, AttributeError):
        lock = importlib.import_module("logging")._lock
        if not lock._is_owned():
            lock.acquire(timeout=timeout_s)
