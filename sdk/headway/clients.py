"""The process's one client: its settings, its journal and its shipper, from ``init`` to exit.

Without ``init`` the first record starts it from the environment. A fork gets a fresh one: the
parent's files, thread and connections are not the child's.
"""

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from headway.client_settings import ClientSettings, read_settings
from headway.errors import SettingsError
from headway.guards import Guard
from headway.identities import Identities
from headway.journals import Journal
from headway.lasting import encode_lasting
from headway.records import Record, encode_record
from headway.settings import load_sources
from headway.shipping import Shipper
from headway.transports import HttpTransport, Transport

_FLUSH_TIMEOUT_S = 10.0


class Stats(msgspec.Struct, frozen=True):
    """What became of the records of this process.

    ``recorded + adopted == shipped + pending + sum(dropped.values())``, where ``adopted`` counts
    what dead processes had left in the journal. ``faults`` counts what went wrong without a loss.
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
        self.is_closed = False
        self._transport = transport
        self._begin()

    def record(self, record: Record) -> None:
        """Keep one record; never raises, unless told to for tests."""
        try:
            try:
                payload = encode_record(record)
            except Exception:
                # A lone surrogate, a number of thousands of digits: encoded by itself, each is
                # written in another way.
                encode_lasting(record, self.limits)
                payload = encode_record(record)
            if self.is_closed:
                self._journal.refuse("shut_down", "a call came after headway.shutdown()")
                return
            self._journal.append(payload)
            if self._journal.is_unattended:
                self._shipper.wake()
        except Exception as error:
            self._journal.refuse("unencodable", f"a call of {type(record).__name__} was dropped")
            self.guard.catch("recording", error)

    def configure(self, settings: ClientSettings) -> None:
        """Go on with other settings; what is recorded so far keeps its project."""
        if self._transport is None:
            transport: Transport = HttpTransport(settings.url, settings.api_key)
        else:
            # A test's client stays one, also where the program under test calls init.
            kept = self.settings
            settings = msgspec.structs.replace(
                settings, journal_dir=kept.journal_dir, is_raising=kept.is_raising
            )
            transport = self._transport
        self.settings = settings
        self.is_recording = not settings.is_disabled
        self.limits = settings.limits
        self.guard.is_raising = settings.is_raising
        self._journal.move(settings.place)
        self._shipper.transport = transport

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until everything recorded so far has arrived; None means ten seconds."""
        if not self.is_recording or self.is_closed:
            return self._journal.pending == 0
        return self._shipper.flush(self._wait_s(timeout_s, _FLUSH_TIMEOUT_S))

    def stats(self) -> Stats:
        """Return what became of the records so far."""
        is_memory = self._journal.is_in_memory
        return Stats(
            recorded=self._journal.recorded,
            adopted=self._shipper.adopted,
            shipped=self._shipper.shipped,
            pending=self._journal.pending,
            pending_bytes=self._journal.pending_bytes,
            dropped=dict(self.guard.dropped),
            faults=dict(self.guard.faults),
            mode="disabled" if not self.is_recording else "memory" if is_memory else "journal",
            last_error=self.guard.last_error,
            client_id=self.guard.losses.client_id,
        )

    def close(self, timeout_s: float | None = None) -> bool:
        """Ship what can be shipped in time, and leave the rest in the journal."""
        if not self.is_closed and self._journal.recorded and self.is_recording:
            limit_s = self._wait_s(timeout_s, self.settings.exit_timeout_s)
            # What stands in a file is safe, and not worth keeping anybody waiting.
            self._shipper.finish(limit_s, is_patient=self._journal.is_in_memory)
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
                f"{self._journal.pending:,} recorded and not shipped, "
                f"they wait in {self._journal.place.folder}"
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

    def _begin(self) -> None:
        settings = self.settings
        transport = self._transport or HttpTransport(settings.url, settings.api_key)
        self.guard = Guard(is_raising=settings.is_raising)
        self._journal = Journal(settings.place, self.guard, self.identities)
        self._shipper = Shipper(self._journal, transport, self.guard)


_lock = threading.RLock()
_current: Client | None = None


def current_client() -> Client:
    """Return the process's client; the first call starts it from the environment."""
    return _current or _start()


def init(
    *,
    project: str | None = None,
    url: str | None = None,
    api_key: str | None = None,
    journal_dir: str | os.PathLike[str] | None = None,
    journal_limit_bytes: int | None = None,
    capture_limit_bytes: int | None = None,
    capture_data: bool | None = None,
    environment: str | None = None,
    release: str | None = None,
    exit_timeout_s: float | None = None,
    is_disabled: bool | None = None,
    transport: Transport | None = None,
    clock_ns: Callable[[], int] | None = None,
) -> None:
    """Start the client, or change it; what is not given comes from HEADWAY_* or headway.toml.

    Args:
        project: what the calls belong to.
        url: the collector's address.
        api_key: sent as a bearer token.
        journal_dir: the folder of the journal.
        journal_limit_bytes: how much the journal may hold; beyond it the newest are dropped.
        capture_limit_bytes: how much of one input or output is kept.
        capture_data: write bytes in base64, where they fit, and not only their size and hash.
        environment: for example ``production``.
        release: the version of your application.
        exit_timeout_s: how long the end of the process waits for the collector.
        is_disabled: record nothing.
        transport: how batches travel, for tests.
        clock_ns: the time since the Unix epoch, for tests and simulations.

    Raises:
        SettingsError: a value cannot be used.
    """
    settings = read_settings(
        load_sources(),
        project=project,
        url=url,
        api_key=api_key,
        journal_dir=journal_dir,
        journal_limit_bytes=journal_limit_bytes,
        capture_limit_bytes=capture_limit_bytes,
        capture_data=capture_data,
        environment=environment,
        release=release,
        exit_timeout_s=exit_timeout_s,
        is_disabled=is_disabled,
    )
    with _lock:
        if _current is None or _current.is_closed or transport is not None or clock_ns is not None:
            client = Client(settings, transport=transport, clock_ns=clock_ns or time.time_ns)
            previous = install(client)
            if previous is not None:
                previous.close()
        else:
            _current.configure(settings)


def flush(timeout_s: float | None = _FLUSH_TIMEOUT_S) -> bool:
    """Wait until everything recorded so far has arrived; False where it has not in time."""
    return current_client().flush(timeout_s)


def stats() -> Stats:
    """Return what became of the records of this process."""
    return current_client().stats()


def shutdown(timeout_s: float | None = None) -> bool:
    """Ship what can be shipped in time and stop; what is left waits in the journal."""
    return current_client().close(timeout_s)


def install(client: Client | None) -> Client | None:
    """Make ``client`` the process's client, and return the one before."""
    global _current
    with _lock:
        previous, _current = _current, client
    return previous


def _start() -> Client:
    global _current
    with _lock:
        if _current is None:
            try:
                _current = Client(read_settings(load_sources()))
            except SettingsError as error:
                # Nobody called init, so there is nobody to raise to.
                _current = Client(ClientSettings(is_disabled=True))
                _current.guard.fault("settings", f"nothing is recorded: {error}")
        return _current


def _finish() -> None:
    client = _current
    if client is None or not client.is_recording:
        return
    try:
        client.close()
    except Exception as error:
        client.guard.catch("exit", error)
    if sys.stderr is not None:
        sys.stderr.write(client.farewell())


def _renew_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    if _current is not None:
        _current.renew()


# At import, so that whatever the application registers later runs earlier and may still record.
atexit.register(_finish)
os.register_at_fork(after_in_child=_renew_in_child)
