"""What is independent of each other in a window, and what of it a p-value may count.

Calls of one session resemble each other, so that a test that counts each of them is too sure.
Where units have several calls, a p-value rests on one call of each, drawn by a digest and not by
its place; effects and words rest on all.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headway_measures.clusters import Floats

Ints = NDArray[np.int64]

# Up to this share of calls in units of several, counting them all changes no p-value to speak of.
_FEW_REPEATED = 0.05


@dataclass(frozen=True, slots=True)
class Units:
    """The unit of each call, counted over both windows, so that a number names one unit.

    Args:
        ref: (calls of the reference,).
        cur: (calls of the current window,).
    """

    ref: Ints
    cur: Ints

    @property
    def is_repeated(self) -> bool:
        """Return whether so many calls share units that a p-value must not count them all."""
        # Sorting is many times quicker than `np.unique`, and asked for with every column.
        both = np.sort(np.concatenate([self.ref, self.cur]))
        again = int((both[1:] == both[:-1]).sum())
        return again > _FEW_REPEATED * both.size


@dataclass(frozen=True, slots=True)
class Pairs:
    """What both windows make of the same prompts, the mean of each prompt's calls.

    Args:
        ref: (prompts,).
        cur: (prompts,).
        prompts: what names each, (prompts,).
    """

    ref: Floats
    cur: Floats
    prompts: Ints


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of one window.

    Args:
        texts: one a call.
        prompts: what names each one's prompt, (calls,).
        units: each one's unit, counted over both windows, (calls,).
    """

    texts: list[str]
    prompts: Ints
    units: Ints


def draw_one_a_unit(units: Ints, names: list[str], seed: int) -> Ints:
    """Return the places of one call of each unit, rising.

    Args:
        units: (calls,).
        names: of the calls, such as span ids; whose digest is the smallest is drawn, so that
            the draw does not depend on order or on what else is in the window.
        seed: of the digest.
    """
    key = seed.to_bytes(8, "big", signed=True)
    drawn: dict[int, tuple[bytes, int]] = {}
    for place, (unit, name) in enumerate(zip(units.tolist(), names, strict=True)):
        digest = hashlib.blake2b(name.encode(), key=key, digest_size=8).digest()
        if unit not in drawn or (digest, place) < drawn[unit]:
            drawn[unit] = digest, place
    return np.asarray(sorted(place for _, place in drawn.values()), np.int64)
