"""A context that is made once and entered often: by itself inside, by threads and by tasks.

    ANN = headway.context(user="ann")

Each entry is kept apart from the others. Whoever leaves is found by what is current where he
leaves, which is as it was when he entered; only where that is not so, it is the last to have come.
``entries`` does the same for spans.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ContextDecorator
from types import TracebackType


class Reentrant(ContextDecorator, AbstractContextManager[None]):
    """A context manager that begins anew at each entry, also while others are open.

    Args:
        make: what each entry consists of.
        place: what is current here; another object after each entry that changes anything.
    """

    def __init__(
        self, make: Callable[[], AbstractContextManager[None]], place: Callable[[], object]
    ) -> None:
        self._make = make
        self._place = place
        self._entries: list[tuple[object, AbstractContextManager[None]]] = []

    def __enter__(self) -> None:
        entry = self._make()
        entry.__enter__()
        self._entries.append((self._place(), entry))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        place, entries = self._place(), self._entries
        # The others come and go meanwhile, in other threads.
        for found in entries[::-1]:
            if found[0] is place:
                entries.remove(found)
                return found[1].__exit__(kind, error, trace)
        return entries.pop()[1].__exit__(kind, error, trace) if entries else None
