"""Imports in threads of ours, and forks that must not come in the middle of one.

A child would find the half-imported module half empty, or locked for ever.
"""

import threading
from contextlib import suppress

IMPORTING = threading.RLock()
"""Held by whoever imports in a thread of ours, and by whoever forks."""


def let_go() -> None:
    """Let imports go on after a fork, which may have held them up once, twice or not at all."""
    with suppress(RuntimeError):
        IMPORTING.release()
