"""The process's one client, from ``init`` to exit.

Without ``init`` the first record starts it from the environment, and where that fails a later one
tries again. A fork gets a fresh one: the parent's files, thread and connections are not the
child's. It waits for a client that is being made, whose modules would be locked in it for ever.

What a client consists of is imported when there is one, so that a program that only imports us
starts as fast as without us.
"""

import atexit
import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

from headway.children import ChildEndings
from headway.forks import IMPORTING, hold_logging, let_go
from headway.inheritances import leave_to_parent
from headway.interruptions import forgiven, is_from_outside
from headway.standing_in import StandIn
from headway.tallies import Stats
from headway.texts import message_of, name_of

if TYPE_CHECKING:
    from headway.clients import Client
    from headway.redaction.choices import Redact
    from headway.transports import Transport

_RETRY_S = 1.0
_LONGEST_MAKING_S = 5.0
_LATE_MODULES = (
    "inspect",
    "linecache",
    "headway.walking",
    "headway.propagation",
    "headway.outgoing",
)
"""What is imported at a call, the first that needs it."""

_STAND_IN = StandIn()

_lock = threading.RLock()
_current: "Client | None" = None
_starter = 0
"""The thread that makes the client; 0 where none does."""
_due_s = 0.0
"""When the next attempt to make it may be made."""


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
    sample: float | Mapping[str, float] | None = None,
    trace_hosts: str | None = None,
    baggage_hosts: str | None = None,
    is_disabled: bool | None = None,
    redact: "Sequence[str | Redact] | str | None" = None,
    redact_names: Sequence[str] | str | None = None,
    capture_content: bool | None = None,
    silent_spans: Sequence[str] | str | None = None,
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
        capture_limit_bytes: how much of one input or output is kept, up to 8 MB.
        capture_data: write bytes in base64, where they fit, and not only their size and hash.
        environment: for example ``production``.
        release: the version of your application.
        exit_timeout_s: how long the end of the process waits for the collector.
        sample: which share of the traces is recorded, 0 to 1, also by the name of their first span
            (``{"triage": 0.05, "*": 1.0}``); what fails always is.
        trace_hosts: who gets ``traceparent`` from instrumented HTTP clients, for example
            ``*.internal,api.example.org``; all where it is not given.
        baggage_hosts: who also gets the user, the session and the tags; none.
        is_disabled: record nothing.
        redact: what is found in texts and replaced before a record is written: ``email``,
            ``phone``, ``card``, ``iban``, ``ip``, ``api_key``, ``jwt``, or ``all``; and functions
            from a text, or a name and a text, to the text to keep.
        redact_names: of keys, arguments and attributes that lose their values; ``*`` fits any.
        capture_content: False keeps only the sizes of inputs and outputs.
        silent_spans: names of the spans to which that applies; ``*`` fits any.
        transport: how batches travel, for tests.
        clock_ns: the time since the Unix epoch, for tests and simulations.

    Raises:
        SettingsError: a value cannot be used.
    """
    with _starting():
        from headway.client_settings import read_settings
        from headway.clients import Client
        from headway.errors import SettingsError
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
        sample=sample,
        trace_hosts=trace_hosts,
        baggage_hosts=baggage_hosts,
        is_disabled=is_disabled,
        redact=redact,
        redact_names=redact_names,
        capture_content=capture_content,
        silent_spans=silent_spans,
    )
    if clock_ns is not None and not callable(clock_ns):
        raise SettingsError(f"clock_ns is of type {type(clock_ns).__name__}: give a function")
    if transport is not None and not callable(getattr(transport, "send", None)):
        raise SettingsError(f"transport is of type {type(transport).__name__}, without a send()")
    with _lock:
        if _current is None or _current.is_closed or transport is not None or clock_ns is not None:
            client = Client(settings, transport=transport, clock_ns=clock_ns or time.time_ns)
            previous = install(client)
        else:
            client = previous = _current
    # Not in the lock: they may log, and a fork that has the lock of logging waits for ours.
    if client is previous:
        client.configure(settings)
        return
    _STAND_IN.hand_over(client)
    client.tell_strange_keys()
    if previous is not None:
        previous.close()


def flush(timeout_s: float | None = None) -> bool:
    """Wait until everything recorded so far has arrived; False where it has not in time.

    Args:
        timeout_s: None means ten seconds.
    """
    return current_client().flush(timeout_s)


def stats() -> Stats:
    """Return what became of the records of this process."""
    return current_client().stats()


def shutdown(timeout_s: float | None = None) -> bool:
    """Ship what can be shipped in time and stop; what is left waits in the journal.

    Calls that come later are written to the journal, and sent by the next process, or from the next
    ``init`` on. Whether all has arrived is what it returns.

    Args:
        timeout_s: None means ``exit_timeout_s``.
    """
    return current_client().close(timeout_s)


def install(client: "Client | None") -> "Client | None":
    """Make ``client`` the process's client, and return the one before."""
    global _current
    with _lock:
        previous, _current = _current, client
    _CHILDREN.attend()
    return previous


def _start() -> "Client":
    global _current, _due_s
    with _lock:
        if _current is not None:
            return _current
        if _starter or time.monotonic() < _due_s:
            return cast("Client", _STAND_IN)
        try:
            with _starting():
                client = _make_client()
        except Exception as error:
            if is_from_outside(error):
                raise
            # No file can be opened, or the stack is full.
            said = f"{name_of(type(error))}: {message_of(error)}"
            _STAND_IN.excuse("starting", f"Headway could not start: {said}")
            _due_s = time.monotonic() + _RETRY_S
            return cast("Client", _STAND_IN)
        _current = client
    # Not in the lock, either.
    _CHILDREN.attend()
    _STAND_IN.hand_over(client)
    client.tell_strange_keys()
    return client


def _make_client() -> "Client":
    from headway.client_settings import ClientSettings, read_usable_settings
    from headway.clients import Client
    from headway.errors import SettingsError
    from headway.settings import load_sources

    try:
        settings, problems = read_usable_settings(load_sources())
        if problems:
            # Nobody called init, so there is nobody to raise to.
            _STAND_IN.excuse("settings", "; ".join(problems.values()))
        return Client(settings)
    except SettingsError as error:
        # A headway.toml that cannot be read may say that nothing is to be recorded.
        _STAND_IN.excuse("settings", f"nothing is recorded: {error}")
        return Client(ClientSettings(is_disabled=True))


@contextmanager
def _starting() -> Iterator[None]:
    # Until it is over, what runs in the middle of it in this very thread, a signal handler or a
    # finalizer, cannot have the client and must not import it half.
    global _starter
    with _lock:
        _starter = threading.get_ident()
        try:
            yield
        finally:
            _starter = 0


def _finish() -> None:
    global _due_s
    if _current is None and _STAND_IN.is_needed:
        # The last attempt: what waits is in memory only.
        _due_s = 0.0
        _start()
    client = _current or _STAND_IN
    try:
        client.close()
    except Exception as error:
        client.guard.catch("exit", error)
    if sys.stderr is not None:
        sys.stderr.write(client.farewell())


def _finish_child() -> None:
    # The last line is told where atexit's handlers are run after it.
    client = _current
    if client is not None:
        try:
            client.close()
        except Exception as error:
            client.guard.catch("exit", error)


_CHILDREN = ChildEndings(_finish_child)


def _wait_for_client() -> None:
    # First, for a client that is made while we wait begins to import at once, and the hook of
    # ``transports`` came too late for this fork.
    IMPORTING.acquire(timeout=_LONGEST_MAKING_S)
    # Not for ever: whoever makes it may wait for a lock that this thread has.
    _lock.acquire(timeout=_LONGEST_MAKING_S)
    for name in _LATE_MODULES:
        if name in sys.modules:
            # Where another thread is in the middle of it, this waits for that thread.
            with suppress(ImportError):
                importlib.import_module(name)
    hold_logging(_LONGEST_MAKING_S)


def _let_go() -> None:
    let_go()
    with suppress(RuntimeError):  # it waited in vain
        _lock.release()


def _renew_in_child() -> None:
    global _lock, _starter
    let_go()
    _lock = threading.RLock()
    if _starter != threading.get_ident():
        _starter = 0
    _STAND_IN.renew()
    _CHILDREN.renew()
    if _current is not None:
        _current.renew()
    with forgiven():
        leave_to_parent()


# At import, so that whatever the application registers later runs earlier and may still record.
atexit.register(_finish)
os.register_at_fork(
    before=_wait_for_client, after_in_parent=_let_go, after_in_child=_renew_in_child
)
