"""``propagate``: what runs here is the parent, and its labels hold, where else work is done.

    pool.submit(headway.propagate(triage), message)

Only our own context goes along, not that of other libraries, and the worker has its own again
after each piece of work. Asyncio's tasks inherit by themselves. A pool of processes gets the ids
and the labels, because nothing else of a span can travel.
"""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import msgspec

from headway.contexts import ARRIVAL, CURRENT, LABELS, Ancestor, Labels, Remote
from headway.interruptions import forgiven
from headway.otel_parents import innermost
from headway.wrapping import is_coroutine_function

P = ParamSpec("P")
R = TypeVar("R")


def propagate(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` as one that runs, wherever it is called, as if it were called here.

    Args:
        function: also a coroutine function; it can be pickled where it could be before.
    """
    return Handover(function, handed_on(), is_dressed=True)


class Surroundings(msgspec.Struct, frozen=True, gc=False):
    """What a call inherits where it is made."""

    current: Ancestor | None
    labels: Labels
    arrival: Remote | None


def handed_on() -> Surroundings:
    """Return what a call inherits that is made here."""
    around = surroundings()
    parent = innermost(around.current)
    if parent is not around.current:
        around = msgspec.structs.replace(around, current=parent)
    return around


def surroundings() -> Surroundings:
    """Return what is set here."""
    return Surroundings(CURRENT.get(), LABELS.get(), ARRIVAL.get())


def settle_in(around: Surroundings) -> None:
    """Make ``around`` what calls inherit from now on."""
    CURRENT.set(around.current)
    LABELS.set(around.labels)
    ARRIVAL.set(around.arrival)


class Handover:
    """A function that runs in surroundings of its own.

    Args:
        function: what runs.
        around: where it was handed over.
        is_dressed: it is to have the name and the attributes of the function.
    """

    def __init__(
        self, function: Callable[..., Any], around: Surroundings, *, is_dressed: bool = False
    ) -> None:
        if is_dressed:
            with forgiven():
                functools.update_wrapper(self, function)
        # Only now: a function that is handed over twice has these, too.
        self._function = function
        self._around = around

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, and leave the worker as it was."""
        if is_coroutine_function(self._function):
            return self._wait(args, kwargs)
        before = surroundings()
        try:
            settle_in(self._around)
            return self._function(*args, **kwargs)
        finally:
            settle_in(before)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the process as a function and a few ids."""
        around = self._around
        current = around.current
        parent = None if current is None else Remote(current.trace_id, current.span_id)
        return Handover, (self._function, Surroundings(parent, around.labels, around.arrival))

    async def _wait(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        before = surroundings()
        try:
            settle_in(self._around)
            return await self._function(*args, **kwargs)
        finally:
            settle_in(before)
