"""What became of a process's records, in numbers."""

from collections.abc import Mapping
from typing import Literal

import msgspec


class Tally(msgspec.Struct, frozen=True):
    """The counts of one moment."""

    recorded: int
    adopted: int
    shipped: int
    pending: int
    pending_bytes: int
    dropped: Mapping[str, int]


class Stats(msgspec.Struct, frozen=True):
    """What became of the records of this process.

    ``recorded + adopted == shipped + pending + sum(dropped.values())``, where ``adopted`` counts
    what dead processes had left in the journal. ``faults`` counts what went wrong without a loss.
    ``sampled_out`` counts spans that were not to be recorded, and stands in no sum.
    The collector shows the same ``dropped`` under ``client_id``.
    """

    recorded: int
    adopted: int
    shipped: int
    pending: int
    pending_bytes: int
    dropped: Mapping[str, int]
    faults: Mapping[str, int]
    mode: Literal["journal", "memory", "disabled"]
    last_error: str | None
    client_id: str
    sampled_out: int = 0
