"""How an interpreter that serves is set up: what goes first, and what is not looked at again."""

import gc
import os
import sys
import threading
from contextlib import suppress

_NICENESS = 5
_GC_OBJECTS = 50_000


def spare_collections() -> None:
    """Leave what was imported out of garbage collections, and make those rare.

    A request leaves no cycles. Looking at everything again and again takes a tenth of a busy
    collector's time, with every thread at a stand.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_OBJECTS, 10, 100)


def step_back() -> None:
    """Let the event loop and the writer go before this thread, where threads have a niceness."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
