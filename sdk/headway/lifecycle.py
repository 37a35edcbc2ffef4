"""The process's one client, from ``init`` to exit.

Without ``init`` the first record starts it from the environment. A fork gets a fresh one: the
parent's files, thread and connections are not the child's.

What a client consists of is imported when there is one, so that a program that only imports us
starts as fast as without us.
"""

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from headway.standing_in import StandIn
from headway.tallies import Stats

if TYPE_CHECKING:
    from headway.clients import Client
    from headway.transports import Transport

_FLUSH_TIMEOUT_S = 10.0
_STAND_IN = StandIn()

_lock = threading.RLock()
_current: "Client | None" = None
_is_starting = False


def current_client() -> "Client":
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
    transport: "Transport | None" = None,
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
    with _starting():
        from headway.client_settings import read_settings
        from headway.clients import Client
        from headway.settings import load_sources

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
            _STAND_IN.hand_over(client)
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


def install(client: "Client | None") -> "Client | None":
    """Make ``client`` the process's client, and return the one before."""
    global _current
    with _lock:
        previous, _current = _current, client
    return previous


def _start() -> "Client":
    global _current
    with _lock:
        if _current is None:
            if _is_starting:
                return cast("Client", _STAND_IN)
            with _starting():
                _current = _make_client()
            _STAND_IN.hand_over(_current)
        return _current


def _make_client() -> "Client":
    from headway.client_settings import ClientSettings, read_settings
    from headway.clients import Client
    from headway.errors import SettingsError
    from headway.settings import load_sources

    try:
        return Client(read_settings(load_sources()))
    except SettingsError as error:
        # Nobody called init, so there is nobody to raise to.
        client = Client(ClientSettings(is_disabled=True))
        client.guard.fault("settings", f"nothing is recorded: {error}")
        return client


@contextmanager
def _starting() -> Iterator[None]:
    # Until it is over, what runs in the middle of it in this very thread, a signal handler or a
    # finalizer, cannot have the client and must not import it half.
    global _is_starting
    with _lock:
        _is_starting = True
        try:
            yield
        finally:
            _is_starting = False


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
    global _lock, _is_starting
    _lock = threading.RLock()
    _is_starting = False
    if _current is not None:
        _current.renew()


# At import, so that whatever the application registers later runs earlier and may still record.
atexit.register(_finish)
os.register_at_fork(after_in_child=_renew_in_child)
