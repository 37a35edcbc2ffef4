"""What dead processes left in a journal, sent without starting an application.

What belongs to a living process is left to it. Each segment goes to the collector that its
application had; an address that fails gets nothing more, and the others go on.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headway.adoption import adopt
from headway.deliveries import MAX_BYTES, MAX_RECORDS, Receipt, deliver, tell
from headway.errors import SettingsError
from headway.layouts import Header, SegmentError
from headway.leftovers import survey
from headway.losses import Losses, Lost
from headway.segments import Segment
from headway.transports import TIMEOUT_S, Reply, Transport

_FIRST_WAIT_S = 0.5
_BUSY = frozenset({429, 503})


@dataclass(slots=True)
class Outcome:
    """What became of a journal.

    Args:
        told: how many losses of dead processes the collector now knows of.
        dropped: records that the collector does not take, by reason.
        remaining: what is still there and why, a line each.
    """

    records: int = 0
    payload_bytes: int = 0
    told: int = 0
    in_use: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    remaining: list[str] = field(default_factory=list)


class Forwarding:
    """One pass over a folder.

    Args:
        connect: makes the transport to the address that a segment names.
        identity: in whose name it is told what the collector did not take.
        timeout_s: how long all of it may take.
        project: ship only what belongs to this one.
        on_progress: called after each batch.
    """

    def __init__(
        self,
        connect: Callable[[str], Transport],
        identity: Header,
        *,
        timeout_s: float,
        project: str | None = None,
        on_progress: Callable[[Outcome], None] = lambda outcome: None,
        clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._outcome = Outcome()
        self._connect = connect
        self._identity = identity
        self._project = project
        self._on_progress = on_progress
        self._clock_s = clock_s
        self._sleep = sleep
        self._end_s = clock_s() + timeout_s
        self._transports: dict[str, Transport] = {}
        self._losses: dict[str, Losses] = {}
        self._complaints: dict[str, str] = {}
        """Why an address gets nothing more."""

    def run(self, folder: Path) -> Outcome:
        """Ship what can be shipped.

        Raises:
            OSError: the folder may not be looked into.
        """
        for leftover in survey(folder):
            if leftover.is_in_use:
                self._outcome.in_use += 1
            elif leftover.problem:
                self._outcome.remaining.append(leftover.problem)
            else:
                self._take(leftover.path)
        for url, losses in self._losses.items():
            if not self._tell(url, self._identity, losses.untold()):
                self._outcome.remaining.append(f"what was dropped: {self._complaints[url]}")
        return self._outcome

    def _take(self, path: Path) -> None:
        try:
            segment = adopt(path)
        except (SegmentError, OSError) as error:
            self._outcome.remaining.append(str(error))
            return
        if segment is None:
            # An application adopted it since we looked, or there was nothing in it.
            return
        header = segment.header
        if self._project not in (None, header.project):
            segment.close()
        elif self._ship(segment) and self._tell(header.url, header, segment.losses):
            if (aside := segment.discard()) is not None:
                self._outcome.remaining.append(f"{aside} is damaged; what was whole is shipped")
        else:
            count = segment.count_pending()
            segment.close()
            self._outcome.remaining.append(
                f"{count:,} calls of {header.project}: {self._complaints[header.url]}"
            )

    def _ship(self, segment: Segment) -> bool:
        url, failures = segment.header.url, 0
        while segment.pending_bytes:
            transport = self._transport(url)
            if transport is None:
                return False
            extract = segment.read(MAX_RECORDS, MAX_BYTES)
            if not extract.payloads:
                segment.is_damaged = True
                return True
            for receipt in deliver(transport, segment.header, extract, self._timeout_s):
                if isinstance(receipt, Reply):
                    failures += 1
                    self._wait_or_give_up(url, receipt, failures)
                    break
                failures = 0
                segment.acknowledge(receipt.stop)
                self._count(url, segment.header.project, receipt)
            self._on_progress(self._outcome)
        return True

    def _count(self, url: str, project: str, receipt: Receipt) -> None:
        self._outcome.records += receipt.count - receipt.lost
        self._outcome.payload_bytes += receipt.payload_bytes
        if receipt.lost:
            self._outcome.dropped[receipt.reason] += receipt.lost
            losses = self._losses.setdefault(url, Losses(self._identity.client_id))
            losses.add(project, receipt.reason, receipt.lost)

    def _tell(self, url: str, header: Header, losses: Sequence[Lost]) -> bool:
        if not losses:
            return True
        transport = self._transport(url)
        if transport is None:
            return False
        for told in tell(
            transport,
            losses,
            client_id=header.client_id,
            host=header.host,
            pid=header.pid,
            timeout_s=self._timeout_s,
        ):
            if isinstance(told, Reply):
                self._complaints[url] = told.message
                return False
            self._outcome.told += sum(lost.count for lost in told)
        return True

    def _transport(self, url: str) -> Transport | None:
        if url in self._complaints:
            return None
        if self._clock_s() >= self._end_s:
            self._complaints[url] = "the time given by --timeout is over"
            return None
        try:
            if url not in self._transports:
                self._transports[url] = self._connect(url)
            return self._transports[url]
        except SettingsError as error:
            self._complaints[url] = str(error)
            return None

    def _wait_or_give_up(self, url: str, reply: Reply, failures: int) -> None:
        wait_s = max(reply.retry_after_s, _FIRST_WAIT_S * 2 ** min(failures - 1, 5))
        if reply.status in _BUSY and self._clock_s() + wait_s < self._end_s:
            self._sleep(wait_s)
        else:
            self._complaints[url] = reply.message

    def _timeout_s(self) -> float:
        return max(0.01, min(TIMEOUT_S, self._end_s - self._clock_s()))
