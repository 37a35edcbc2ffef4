"""Threads and pools whose work belongs to what handed it to them.

A thread inherits where it is started, as a task of asyncio does. The workers of a pool inherit
nothing: they outlive what started them, so it is each piece of work that carries its own, and one
that was handed over outside of everything runs outside of everything.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any, cast

from headway.contexts import NO_LABELS
from headway.handovers import Handover, Surroundings, handed_on
from headway.instruments.patches import Patches
from headway.interruptions import is_from_handler
from headway.lifecycle import current_client

_POOLS = frozenset(
    {"concurrent.futures.thread", "multiprocessing.pool", "anyio._backends._asyncio"}
)
"""Where threads come from that serve whoever comes."""

_WITH_FUNCTION = 2
"""An executor and what it is to run; with less than that its own error is the right one."""


def install_threads(patches: Patches) -> None:
    """Let threads inherit where they are started."""

    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def start(thread: threading.Thread) -> Any:
            try:
                _hand_over(thread)
            except Exception as error:
                # A thread of somebody's own making, or one that was never initialised.
                if is_from_handler(error):
                    raise
                current_client().guard.catch("handing over", error)
            return original(thread)

        return start

    patches.wrap(threading.Thread, "start", make)


def install_executors(patches: Patches) -> None:
    """Let work in pools of threads inherit where it is submitted."""
    executors: Any = sys.modules["concurrent.futures.thread"]
    patches.wrap(executors.ThreadPoolExecutor, "submit", _submitting(is_always=True))


def install_process_pools(patches: Patches) -> None:
    """Let work in pools of processes inherit the ids and labels of where it is submitted."""
    executors: Any = sys.modules["concurrent.futures.process"]
    # What is handed over outside of everything need not import us there.
    patches.wrap(executors.ProcessPoolExecutor, "submit", _submitting(is_always=False))


def _submitting(*, is_always: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        def submit(*given: Any, **named: Any) -> Any:
            around = _around()
            is_needed = around is not None and (is_always or _says(around))
            if not is_needed or len(given) < _WITH_FUNCTION or _is_elsewhere(given[0]):
                return original(*given, **named)
            executor, function, *args = given
            return original(
                executor, Handover(function, cast(Surroundings, around)), *args, **named
            )

        return submit

    return make


def _hand_over(thread: threading.Thread) -> None:
    around = _around()
    if around is None or not _says(around) or _serves_everybody(thread):
        return
    run = Handover(thread.run, around)

    def run_once() -> None:
        # Not to be there twice, and so that the thread does not hold itself.
        vars(thread).pop("run", None)
        run()

    vars(thread)["run"] = run_once


def _serves_everybody(thread: threading.Thread) -> bool:
    target: Any = getattr(thread, "_target", None)
    sources = {getattr(target, "__module__", None), type(thread).__module__}
    return any(str(each).startswith("headway.") or each in _POOLS for each in sources)


def _around() -> Surroundings | None:
    try:
        return handed_on()
    except Exception as error:
        if is_from_handler(error):
            raise
        current_client().guard.catch("handing over", error)
        return None


def _is_elsewhere(executor: object) -> bool:
    # A pool of interpreters is one of threads, too, but not every interpreter can import us.
    return type(executor).__module__ == "concurrent.futures.interpreter"


def _says(around: Surroundings) -> bool:
    return around.current is not None or around.labels is not NO_LABELS
