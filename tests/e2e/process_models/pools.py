"""Programs whose work is done in processes of multiprocessing: ``pools.py WHAT START_METHOD``."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import headway
from tests.e2e.process_models.ledgers import call, note


def work(number: int) -> int:
    call(f"work {number}")
    return number


def processes(method: str) -> None:
    """Do nothing but start children, which end at once."""
    context: Any = multiprocessing.get_context(method)
    children = [context.Process(target=work, args=(number,)) for number in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0


def calling_processes(method: str) -> None:
    """Log, and start children meanwhile."""
    call("before")
    processes(method)
    call("after")


def pool(method: str) -> None:
    """End workers as ``with`` does: they are killed."""
    call("before")
    with multiprocessing.get_context(method).Pool(2, maxtasksperchild=3) as workers:
        assert workers.map(work, range(8), chunksize=1) == list(range(8))


def executor(method: str) -> None:
    """Hand on the span that is open."""
    context = multiprocessing.get_context(method)
    with (
        headway.context(user="u1"),
        headway.span("open") as span,
        ProcessPoolExecutor(2, mp_context=context) as workers,
    ):
        assert list(workers.map(headway.propagate(work), range(4))) == list(range(4))
    note(span.span_id)


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
