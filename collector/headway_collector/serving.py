"""One process that serves a database: the socket, the signals, and the way out."""

import asyncio
import errno
import logging
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from headway.errors import CommandError
from headway_collector.apps import create_app
from headway_collector.costs.pricing import Prices
from headway_collector.disks import Disk
from headway_collector.faults import was_told
from headway_collector.housekeeping import NIGHTLY
from headway_collector.limits import CAPS, Caps
from headway_collector.mappers import count_processes
from headway_collector.origins import is_loopback
from headway_collector.own_functions import OwnFunctions
from headway_collector.own_settings import FunctionSetting
from headway_collector.protocols import PatientProtocol
from headway_collector.store.connections import Store
from headway_collector.store.keys import read_keys
from headway_collector.store.sql import SqlBounds
from headway_collector.tuning import spare_collections

# Requests that wait for their commit are given this long before they are cut off; supervisors
# kill after ten seconds, and the last checkpoint is still to come.
_GRACE_S = 4
_SWITCH_S = 0.0005


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int


class Server(uvicorn.Server):
    """A server that says when it listens, and when it ends.

    Args:
        announce: called once it listens.
        stop: called in a thread of its own once no new requests are taken.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        announce: Callable[[], None],
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._announce = announce
        self._stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what was taken, and end."""
        threading.Thread(target=self._stop, name="headway-stop", daemon=True).start()
        await super().shutdown(sockets)


def serve(
    path: Path,
    address: Address,
    *,
    label: str = "",
    prices: Prices | None = None,
    is_insecure: bool = False,
    mapper_count: int | None = None,
    sql_bounds: SqlBounds | None = None,
    functions: Sequence[FunctionSetting] = (),
    caps: Caps = CAPS,
    disk_reserve_bytes: int | None = None,
    has_access_log: bool = False,
    nightly: str = NIGHTLY,
) -> None:
    """Serve the database until SIGTERM or SIGINT, then write what waits and close it.

    Args:
        path: the database.
        address: where to listen.
        label: a word that the dashboard shows.
        prices: what calls cost where they do not say so themselves.
        is_insecure: whether other machines, and any Host and Origin, are answered where there are
            no keys.
        mapper_count: how many processes map foreign spans; None takes what the cores are good for.
        sql_bounds: what a question in SQL may take.
        functions: the user's own, which describe calls.
        caps: how large a record and its fields may be.
        disk_reserve_bytes: what has to stay free on the disk; None takes what ``disks`` says.
        has_access_log: whether each request is a line in the log.
        nightly: when the house is kept, in UTC.

    Raises:
        CommandError: the address cannot be listened on, or is open to others without keys; or a
            function cannot be imported.
        StoreError: the database cannot be opened.
    """
    _check_known(address.host)
    is_local = is_loopback(address.host)
    needs_keys = not is_insecure and not is_local
    if needs_keys and not path.exists():  # and a refusal makes no file
        raise CommandError(_explain_open(address, path))
    with _listen(address) as listener:
        store = Store(path)
        own = OwnFunctions(functions)
        try:
            if needs_keys and not read_keys(store):
                raise CommandError(_explain_open(address, path))
            own.start()
            is_guarded = is_local and not is_insecure
            app = create_app(
                store,
                label=label,
                prices=prices,
                is_local=is_guarded,
                own=own,
                mapper_count=count_processes() if mapper_count is None else mapper_count,
                sql_bounds=sql_bounds,
                caps=caps,
                disk=Disk(store.path, disk_reserve_bytes),
                has_access_log=has_access_log,
                nightly=nightly,
            )
            _tune()
            _run(app, listener, path, store.stop_reading)
        finally:
            own.close()
            store.close()


def _explain_open(address: Address, path: Path) -> str:
    return (
        f"{address.host} can be reached from other machines, and {path} has no keys, so anybody "
        "could read it. Make the first key and start again:\n"
        f"    headway keys create --db {shlex.quote(str(path))} --scope admin --all-projects\n"
        "or use --host 127.0.0.1, or --insecure where every machine that reaches this is trusted"
    )


def _tune() -> None:
    """Set the interpreter up for one writer thread beside an event loop and decoders."""
    # DuckDB gives the interpreter up a dozen times in a commit; a busy thread hands it back only
    # when it must, by default after 5 ms each time.
    sys.setswitchinterval(_SWITCH_S)
    spare_collections()


def _check_known(host: str) -> None:
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        raise CommandError(
            f"there is no host {host!r}: use --host 127.0.0.1, or a name or address of this machine"
        ) from error


def _run(
    app: FastAPI, listener: socket.socket, path: Path, stop_reading: Callable[[], None]
) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host

    def announce() -> None:
        sys.stdout.write(f"Headway collector at http://{shown}:{port} (database {path})\n")
        sys.stdout.flush()

    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    # After a graceful end uvicorn raises the signal again; by then there is nothing left to do.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    Server(config, announce, stop_reading).run(sockets=[listener])


def _is_news(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    # Those that are cut off at the end are counted in its line; where they stood helps nobody.
    return error is None or not (isinstance(error, asyncio.CancelledError) or was_told(error))


def _ignore(number: int, frame: FrameType | None) -> None:
    pass


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A restart must not wait for the connections of the process before.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        raise CommandError(_explain(address, error)) from error
    return listener


def _explain(address: Address, error: OSError) -> str:
    where = f"{address.host}:{address.port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where} is in use: another collector may run there already; "
            "stop it, or choose another port with --port (0 takes a free one)"
        )
    return f"cannot listen on {where}: {error.strerror}; choose another --host or --port"
