"""A limit for the whole of something that waits for the network, whatever it waits for.

A time limit of a socket begins anew at every byte, and looking up a name has none. The commands
end nevertheless: what is late is left to a thread that dies with the process.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from headway.transports import Batch, Reply, Transport

T = TypeVar("T")


def within(timeout_s: float, call: Callable[[], T]) -> T:
    """Return what ``call`` returns.

    Raises:
        TimeoutError: it took longer.
        Exception: whatever ``call`` raises.
    """
    task = _Task(call)
    task.start()
    task.join(timeout_s)
    if task.is_alive():
        raise TimeoutError
    return task.result()


class PunctualTransport:
    """Carries batches as another one does, and gives up on time."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(self, batch: Batch) -> Reply:
        """Send the batch and wait for the answer; every failure is a reply."""
        try:
            return within(batch.timeout_s, lambda: self._transport.send(batch))
        except TimeoutError:
            return Reply(0, message=f"the answer was not whole after {batch.timeout_s:,.1f} s")


class _Task(threading.Thread, Generic[T]):
    def __init__(self, call: Callable[[], T]) -> None:
        super().__init__(name="headway-deadline", daemon=True)
        self._call = call
        self._results: list[T] = []
        self._errors: list[Exception] = []

    def run(self) -> None:
        try:
            self._results.append(self._call())
        except Exception as error:
            self._errors.append(error)

    def result(self) -> T:
        for error in self._errors:
            raise error
        return self._results[0]
