"""What was lost and whom it was told: one tally a project and reason, which only grows.

A loss is told in cumulative counts, so that a report may get lost or come twice: the largest one
of a client stands. Until the collector has confirmed it, it also stands in a slot of the journal,
where whoever ships for a dead process finds it:

    length u32, crc32 u32,
    [{"project":"support-bot","reason":"journal_full","count":37,"time_ns":1763800000000000000}]
"""

import os
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from zlib import crc32

import msgspec

from headway.records import Loss, encode_record

SLOT_BYTES = 2048
_PREFIX = struct.Struct("=II")


class Lost(msgspec.Struct, frozen=True, omit_defaults=True):
    """How many records of a project are lost for one reason, and when the latest of them was.

    Args:
        client_id: under which it is told; empty means that of the process.
    """

    project: str
    reason: str
    count: int
    time_ns: int
    client_id: str = ""


class _Tally(msgspec.Struct):
    count: int = 0
    told: int = 0
    time_ns: int = 0


class Losses:
    """The losses of one process.

    Args:
        client_id: 32 hex digits, by which the collector tells processes apart.
        clock_ns: the time since the Unix epoch.
    """

    def __init__(
        self, client_id: str | None = None, *, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.client_id = client_id or os.urandom(16).hex()
        self.changes = 0
        """Grows whenever what is untold changes."""
        self._clock_ns = clock_ns
        self._tallies: dict[tuple[str, str], _Tally] = {}
        # Reentrant: a garbage collection inside may run an observed generator's last lines.
        self._lock = threading.RLock()

    @property
    def total(self) -> int:
        """How many records are lost."""
        with self._lock:
            return sum(tally.count for tally in self._tallies.values())

    @property
    def told(self) -> int:
        """How many of them the collector knows of."""
        with self._lock:
            return sum(tally.told for tally in self._tallies.values())

    def add(self, project: str, reason: str, count: int) -> None:
        """Count ``count`` more lost records."""
        with self._lock:
            tally = self._tallies.setdefault((project, reason), _Tally())
            tally.count += count
            tally.time_ns = self._clock_ns()
            self.changes += 1

    def by_reason(self) -> Counter[str]:
        """Return the counts of all projects together."""
        counts: Counter[str] = Counter()
        with self._lock:
            for (_, reason), tally in self._tallies.items():
                counts[reason] += tally.count
        return counts

    def untold(self) -> list[Lost]:
        """Return what the collector does not know, in counts from the beginning."""
        with self._lock:
            return [
                Lost(project, reason, tally.count, tally.time_ns)
                for (project, reason), tally in self._tallies.items()
                if tally.count > tally.told
            ]

    def confirm(self, told: Iterable[Lost]) -> None:
        """Note that the collector knows so much."""
        with self._lock:
            for lost in told:
                tally = self._tallies[lost.project, lost.reason]
                tally.told = max(tally.told, lost.count)
            self.changes += 1


class Report(msgspec.Struct, frozen=True):
    """The losses of one client in one project, as they travel."""

    project: str
    batch_id: str
    lines: Sequence[bytes]
    losses: Sequence[Lost]


def make_reports(losses: Iterable[Lost], *, client_id: str, host: str, pid: int) -> list[Report]:
    """Return a report for each project and id among ``losses``."""
    groups: dict[tuple[str, str], list[Lost]] = {}
    for lost in losses:
        groups.setdefault((lost.project, lost.client_id or client_id), []).append(lost)
    return [
        Report(
            project,
            f"loss:{teller}:{sum(lost.count for lost in group)}",
            [
                encode_record(
                    Loss(
                        client_id=teller,
                        reason=lost.reason,
                        count=lost.count,
                        time_ns=lost.time_ns,
                        host=host,
                        pid=pid,
                    )
                )
                for lost in group
            ],
            group,
        )
        for (project, teller), group in groups.items()
    ]


def encode_slot(losses: Sequence[Lost]) -> bytes:
    """Return the losses as they stand in a slot; the largest ones, where not all have room."""
    for count in range(len(losses), -1, -1):
        kept = sorted(losses, key=lambda lost: -lost.count)[:count]
        encoded = msgspec.json.encode(kept)
        if _PREFIX.size + len(encoded) <= SLOT_BYTES:
            break
    return _PREFIX.pack(len(encoded), crc32(encoded)) + encoded


def decode_slot(slot: bytes) -> list[Lost]:
    """Return the losses of a slot; none where it is empty or damaged."""
    length, checksum = _PREFIX.unpack_from(slot)
    encoded = slot[_PREFIX.size : _PREFIX.size + length]
    if not length or len(encoded) < length or crc32(encoded) != checksum:
        return []
    try:
        return msgspec.json.decode(encoded, type=list[Lost])
    except msgspec.DecodeError:
        return []
