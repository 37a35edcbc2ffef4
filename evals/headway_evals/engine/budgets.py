"""How much of a model's work is done at once, and what happens when that was too much.

A budget counts tokens. Work that runs out of memory halves it for good, so that one batch pays
for the lesson and not every batch after it::

    while True:
        try:
            return within_memory(lambda: run(batch))
        except OutOfMemory:
            budget.halve()
            batch = smaller(batch)
"""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

_Done = TypeVar("_Done")

# What the allocators say that have no exception of their own: the CPU's, and mmap's behind it.
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


class OutOfMemory(Exception):
    """Work did not fit in memory; what it held is free again."""


class Budget:
    """The most tokens that one batch may hold, padding included.

    Args:
        tokens: to begin with.
        least: fewer are never tried.
    """

    def __init__(self, tokens: int, *, least: int = 1) -> None:
        if not 1 <= least <= tokens:
            raise ValueError(f"a budget of {tokens} tokens with at least {least} of them is none")
        self._tokens = tokens
        self._least = least
        self._halvings = 0

    @property
    def tokens(self) -> int:
        """Return what a batch may hold from now on."""
        return self._tokens

    @property
    def halvings(self) -> int:
        """Return how often it was halved."""
        return self._halvings

    def halve(self) -> None:
        """Take half from now on.

        Raises:
            OutOfMemory: half would be less than the least.
        """
        if self._tokens // 2 < self._least:
            raise OutOfMemory(f"a batch of {self._tokens} tokens does not fit in memory")
        self._tokens //= 2
        self._halvings += 1


def within_memory(work: Callable[[], _Done]) -> _Done:
    """Return what the work returns.

    Raises:
        OutOfMemory: it did not fit, whatever the device's allocator calls that.
    """
    try:
        return work()
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0]
    # Only here is the error gone, and with it the frames whose tensors filled the memory.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    raise OutOfMemory(reason)


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(each in str(error) for each in _OUT_OF_MEMORY)
