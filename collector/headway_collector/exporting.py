"""An export on its way to a client: read as fast as the client takes it, and no faster.

A piece is asked of the database when the one before has left. A client that goes away ends the
query, and so does one that takes nothing for long. What ends before its time is cut off in the
middle of the HTTP message, which every client can tell from a whole one: the last chunk is missing.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio
import pyarrow as pa
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from headway.errors import HeadwayError
from headway_collector.budgets import Turns
from headway_collector.export_columns import Form
from headway_collector.export_formats import MEDIA_TYPES, PIECE_BYTES, make_writer
from headway_collector.protocols import ABORT
from headway_collector.store.connections import Store
from headway_collector.store.exporting import Selection, open_rows
from headway_collector.tuning import step_back

T = TypeVar("T")

PATIENCE_S = 60.0
"""For a client that takes not one piece."""

_AT_ONCE = 2
_AGAIN_S = 0.1

_log = logging.getLogger(__name__)


class CutOffError(Exception):
    """The export ended before its time, and the client is to notice."""


@dataclass(frozen=True, slots=True)
class Exports:
    """What all exports share.

    Args:
        turns: who may export; a scan has no limit of time, so there are few.
        threads: where the rows are written, behind the writer and the event loop.
        patience_s: how long a client may take nothing.
    """

    turns: Turns = field(default_factory=lambda: Turns(_AT_ONCE, 2))
    threads: Executor = field(
        default_factory=lambda: ThreadPoolExecutor(_AT_ONCE, "headway-export", step_back)
    )
    patience_s: float = PATIENCE_S


class Export:
    """One export as pieces of bytes. Only ``interrupt`` may be called from another thread."""

    def __init__(self, store: Store, selection: Selection, form: Form) -> None:
        self._store = store
        self._selection = selection
        self._form = form
        self._writer = make_writer(selection.what, form)
        self._stack = ExitStack()
        self._pieces: deque[memoryview] = deque()
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._interrupt: Callable[[], None] = lambda: None
        self._is_interrupted = self._is_whole = False
        self.rows = 0

    def start(self) -> None:
        """Begin to read, so far that a query that cannot be answered is known.

        Raises:
            InvalidRequestError: a filter cannot be understood.
            StoreUnavailableError: the database cannot be read.
        """
        self._batches = self._stack.enter_context(
            open_rows(self._store, self._selection, self._form, self._keep_interrupt)
        )
        self._push(self._writer.begin())
        self._advance()

    def read(self) -> memoryview | None:
        """Return the next piece, or None after the last.

        Raises:
            StoreUnavailableError: the query was ended.
        """
        while not self._pieces and not self._is_whole:
            self._advance()
        return self._pieces.popleft() if self._pieces else None

    def interrupt(self) -> None:
        """End the query, which runs in another thread."""
        self._is_interrupted = True
        self._interrupt()

    def close(self) -> None:
        """Give back what the query holds."""
        with suppress(HeadwayError):  # reads were stopped; there is nobody to tell
            self._stack.close()

    def _keep_interrupt(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        if self._is_interrupted:
            raise CutOffError("the client has left")

    def _advance(self) -> None:
        batch = next(self._batches, None)
        if batch is None:
            self._is_whole = True
            self._push(self._writer.end())
        else:
            self.rows += batch.num_rows
            self._push(self._writer.write(batch))

    def _push(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            view = memoryview(piece)
            self._pieces.extend(
                view[first : first + PIECE_BYTES] for first in range(0, len(view), PIECE_BYTES)
            )


class ExportResponse(Response):
    """The answer to ``GET /v1/export``; what is refused is refused before its first byte."""

    def __init__(self, store: Store, exports: Exports, selection: Selection, form: Form) -> None:
        name = f"headway-{selection.what}.{form}"
        super().__init__(
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
            media_type=MEDIA_TYPES[form],
        )
        del self.headers["content-length"]  # nobody knows it, so it goes out in chunks
        self._exports = exports
        self._export = Export(store, selection, form)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, piece by piece.

        Raises:
            RequestError: it cannot be begun.
            CutOffError: it ended before its time, on a server that cannot cut a connection.
        """
        with ExitStack() as turn:
            await anyio.to_thread.run_sync(turn.enter_context, self._exports.turns.take())
            leaving = asyncio.create_task(_wait_for_end(receive))
            try:
                await self._send_all(send, leaving)
            except CutOffError as error:
                _log.warning("an export was cut off after %d rows: %s", self._export.rows, error)
                await _cut(scope, leaving, error)
            finally:
                leaving.cancel()
                await _finish(self._exports.threads, self._export.close)

    async def _send_all(self, send: Send, leaving: "asyncio.Task[None]") -> None:
        await self._work(self._export.start, leaving)
        head: Message = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await self._hand_over(send, head, leaving)
        while (piece := await self._read(leaving)) is not None:
            body = {"type": "http.response.body", "body": bytes(piece), "more_body": True}
            await self._hand_over(send, body, leaving)
        await self._hand_over(send, {"type": "http.response.body", "body": b""}, leaving)

    async def _read(self, leaving: "asyncio.Task[None]") -> memoryview | None:
        try:
            return await self._work(self._export.read, leaving)
        except HeadwayError as error:
            raise CutOffError(str(error)) from error

    async def _work(self, job: Callable[[], T], leaving: "asyncio.Task[None]") -> T:
        """Return what the job in a thread returns; if the client leaves, end it."""
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(self._exports.threads, job)
        try:
            awaited: set[asyncio.Future[Any]] = {working, leaving}
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise CutOffError("the client has left")
        finally:
            while not working.done():
                # What had not quite begun when it was interrupted is interrupted again.
                self._export.interrupt()
                await asyncio.wait({working}, timeout=_AGAIN_S)
            if not working.cancelled():
                working.exception()  # looked at, or asyncio complains

    async def _hand_over(self, send: Send, message: Message, leaving: "asyncio.Task[None]") -> None:
        """Wait until the connection has room for what comes after the message."""
        sending = asyncio.ensure_future(send(message))
        patience_s = self._exports.patience_s
        try:
            await asyncio.wait(
                {sending, leaving}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not sending.done():
                why = "has left" if leaving.done() else f"took nothing for {patience_s:g} s"
                raise CutOffError(f"the client {why}")
            sending.result()
            if leaving.done() and message.get("more_body"):
                raise CutOffError("the client has left")
        finally:
            sending.cancel()


async def _wait_for_end(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cut(scope: Scope, leaving: "asyncio.Task[None]", error: CutOffError) -> None:
    if leaving.done():
        return
    abort = scope.get("extensions", {}).get(ABORT, {}).get("abort")
    if abort is None:
        raise error
    abort()
    await leaving


async def _finish(threads: Executor, close: Callable[[], None]) -> None:
    """Close in the thread of the reads, also where this task is being ended."""
    loop = asyncio.get_running_loop()
    with suppress(RuntimeError):  # the threads are gone, and the process goes too
        await asyncio.shield(loop.run_in_executor(threads, close))
