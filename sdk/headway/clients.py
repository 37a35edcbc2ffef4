"""A client: its settings, its journal and its shipper, from its first record to its last."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from headway.client_settings import ClientSettings
from headway.guards import Guard
from headway.identities import Identities
from headway.interruptions import is_from_outside
from headway.journals import Journal
from headway.lasting import encode_lasting
from headway.layouts import largest_payload
from headway.records import Record, encode_record
from headway.redaction.choices import NO_CHOICES
from headway.sampling import LeftOut, Sampler
from headway.shipping import Shipper
from headway.tallies import Stats
from headway.transports import Transport

if TYPE_CHECKING:
    from headway.redaction.records import RecordRedactor

_FLUSH_TIMEOUT_S = 10.0


class Client:
    """Takes records, and gives them to the journal and the shipper.

    Args:
        transport: how batches travel; None sends them over HTTP to ``settings.url``.
        clock_ns: the time since the Unix epoch, for every start and end.
    """

    def __init__(
        self,
        settings: ClientSettings,
        *,
        transport: Transport | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.settings = settings
        self.is_recording = not settings.is_disabled
        self.limits = settings.limits
        self.identities = Identities()
        self.clock_ns = clock_ns
        self.prompts: set[tuple[str, str]] = set()
        """Name and version of those whose template is recorded."""
        self._left_out = LeftOut()
        self.is_closed = False
        self._has_silence = False
        self._transport = transport
        self._begin()

    def record(self, record: Record) -> None:
        """Keep one record; never raises, unless told to for tests."""
        try:
            if self._redactor is not None:
                record = self._redactor.redact(record)
            try:
                payload = encode_record(record)
            except Exception as error:
                if is_from_outside(error):
                    raise
                # A lone surrogate, a number of thousands of digits: encoded by itself, each is
                # written in another way.
                encode_lasting(record, self.limits)
                payload = encode_record(record)
            if len(payload) > self._largest_bytes:
                payload = self._shorten(record, payload)
            self._journal.append(payload)
            if self._journal.is_unattended:
                self._shipper.wake()
        except Exception as error:
            if is_from_outside(error):
                raise
            self._journal.refuse("unencodable", f"a call of {type(record).__name__} was dropped")
            self.guard.catch("recording", error)

    def _shorten(self, record: Record, payload: bytes) -> bytes:
        from headway.shortening import shorten  # hardly any program needs it

        self.guard.warn(
            "shortened",
            f"a call of {len(payload):,} bytes was cut, the journal takes up to "
            f"{self._largest_bytes:,}: lower HEADWAY_CAPTURE_LIMIT_BYTES",
        )
        return shorten(record, self._largest_bytes) or payload

    def refuse(self, reason: str, message: str) -> None:
        """Count a record as lost that never got here."""
        self._journal.refuse(reason, message)

    def configure(self, settings: ClientSettings) -> None:
        """Go on with other settings; what is recorded so far keeps its project."""
        if self._transport is None:
            transport = settings.make_transport()
        else:
            # A test's client stays one, also where the program under test calls init.
            kept = self.settings
            settings = msgspec.structs.replace(
                settings, journal_dir=kept.journal_dir, is_raising=kept.is_raising
            )
            transport = self._transport
        # What was recorded before anybody named a collector was meant for the one named now.
        takes_over = not self.settings.is_url_chosen
        self.settings = settings
        self.prompts.clear()
        self.sampler = self._make_sampler()
        self.is_recording = not settings.is_disabled
        self.limits = settings.limits
        self._largest_bytes = largest_payload(settings.place.segment_bytes)
        self.tell_strange_keys()
        self.guard.is_raising = settings.is_raising
        self._redactor = self._make_redactor()
        # First: what is recorded there may be shipped at once.
        self._shipper.turn_to(transport, settings.place, takes_over=takes_over)
        self._journal.move(settings.place)

    def tell_strange_keys(self) -> None:
        """Count a fault for each key of ``headway.toml`` that nobody knows."""
        for said in self.settings.strange_keys:
            self.guard.fault("settings", said)

    def heed_silence(self) -> None:
        """Look at each record from now on, since the content of some is not to be kept."""
        self._has_silence = True
        if self._redactor is None:
            self._redactor = self._make_redactor()

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until everything recorded so far has arrived; None means ten seconds."""
        if self.is_closed and self._journal.pending:
            self.guard.warn(
                "shut_down",
                f"Headway was shut down: {self._journal.pending:,} calls wait in the journal for "
                "the next process; call init() to go on sending",
            )
        if not self.is_recording or self.is_closed:
            return self._journal.pending == 0
        return self._shipper.flush(self._wait_s(timeout_s, _FLUSH_TIMEOUT_S))

    def stats(self) -> Stats:
        """Return what became of the records so far."""
        is_memory = self._journal.is_in_memory
        tally = self._journal.tally()
        return Stats(
            recorded=tally.recorded,
            adopted=tally.adopted,
            shipped=tally.shipped,
            pending=tally.pending,
            pending_bytes=tally.pending_bytes,
            dropped=dict(tally.dropped),
            faults=dict(self.guard.faults),
            mode="disabled" if not self.is_recording else "memory" if is_memory else "journal",
            last_error=self.guard.last_error,
            client_id=self.guard.losses.client_id,
            sampled_out=self._left_out.count,
        )

    def close(self, timeout_s: float | None = None) -> bool:
        """Ship what can be shipped in time, and leave the rest in the journal."""
        # Also where it was disabled meanwhile: what was recorded before still wants to arrive.
        if not self.is_closed and self._journal.recorded:
            limit_s = self._wait_s(timeout_s, self.settings.exit_timeout_s)
            # What stands in a file is safe, and not worth keeping anybody waiting.
            self._shipper.finish(limit_s, is_patient=self._journal.is_at_risk)
        self.is_closed = True
        self._shipper.stop()
        # Again after the first time: calls may have come, and been lost, since then.
        self._journal.close()
        return self._journal.pending == 0

    def farewell(self) -> str:
        """Return one line about what did not arrive, or nothing."""
        parts = []
        if self._journal.pending:
            parts.append(
                f"{self._journal.pending:,} recorded and not shipped, they wait in "
                f"{' and '.join(map(str, self._journal.folders)) or 'files that somebody moved'}"
            )
        if dropped := self.guard.dropped:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in dropped.items())
            parts.append(f"{dropped.total():,} dropped ({reasons})")
        return f"headway: {'; '.join(parts)}\n" if parts else ""

    def renew(self) -> None:
        """Start anew in a forked child, which shares nothing with its parent."""
        self._shipper.abandon()
        self._journal.abandon()
        self.identities.forget()
        self._begin()

    def _wait_s(self, given_s: float | None, default_s: float) -> float:
        try:
            wait_s = default_s if given_s is None else float(given_s)
        except (TypeError, ValueError):
            self.guard.fault("timeout", f"the timeout is {given_s!r}: give a number of seconds")
            wait_s = default_s
        # Not a number is below and above nothing; what is endless still has to fit into a wait.
        return min(wait_s, threading.TIMEOUT_MAX) if wait_s > 0 else 0.0

    def _make_sampler(self) -> Sampler | None:
        rates = self.settings.sample
        return None if rates.are_whole else Sampler(rates, self._left_out)

    def _make_redactor(self) -> "RecordRedactor | None":
        choices = self.settings.choices
        self.guard.redact = None
        self.guard.is_quoting = choices.is_content_kept
        if choices == NO_CHOICES and not self._has_silence:
            return None
        from headway.redaction.records import RecordRedactor  # only who wants it pays for it

        redactor = RecordRedactor(choices, self.guard)
        if choices.has_redaction:
            self.guard.redact = redactor.message
        return redactor

    def _begin(self) -> None:
        settings = self.settings
        transport = self._transport or settings.make_transport()
        self.guard = Guard(is_raising=settings.is_raising)
        self._redactor = self._make_redactor()
        self.prompts.clear()
        self._left_out.begin()
        self.sampler = self._make_sampler()
        self._largest_bytes = largest_payload(settings.place.segment_bytes)
        self._journal = Journal(settings.place, self.guard, self.identities)
        self._shipper = Shipper(self._journal, transport, self.guard)
