"""An answer that comes in pieces, followed where the program reads it.

The stream that the program gets keeps its type: the iterator inside it is replaced by one of
these, which hands every chunk on as it came. Chunks that say something (text, reasoning, arguments
of a tool) make the time to the first token and the pace; roles, usage and the like do not count.
A stream that is left is abandoned when it is closed or let go of, at the latest when the process
ends.
"""

import atexit
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Protocol
from weakref import WeakSet

from headway.chunks import Chunks
from headway.contexts import CURRENT, restore
from headway.instruments.model_calls import Fields, ModelCall, attempt
from headway.instruments.plain import plain
from headway.responses import ended_by


class Reader(Protocol):
    """Puts one answer together."""

    def add(self, chunk: Any) -> bool:
        """Take one chunk, as plain data; whether it says something."""

    def fields(self) -> Fields:
        """Return the fields of the span that the chunks so far tell."""


class Texts:
    """A text that comes in pieces, as much of it as a value may hold."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        """Take the next piece; what is surely cut later is not kept."""
        if self._room > 0:
            self._room -= len(piece)
            self._pieces.append(piece)

    def __str__(self) -> str:
        return "".join(self._pieces)


class _Pace(Chunks):
    """Ends the span of a call with what its reader has, however the stream ends."""

    def __init__(self, call: ModelCall, reader: Reader) -> None:
        super().__init__(call.span)
        self._call = call
        self._reader = reader
        _OPEN.add(self)

    def take(self, chunk: Any) -> None:
        """Take one chunk at the moment it came."""
        if attempt("reading a chunk", lambda: self._reader.add(plain(chunk))):
            # The output is what the reader makes of it: here it only counts.
            self.add("")

    def disown(self) -> None:
        """Leave its record to another process."""
        self._is_finished = True

    def finish(self, error: BaseException | None = None) -> None:
        if not self._is_finished:
            self._call.set(self._reader.fields)
        super().finish(error)


class Following:
    """Sees to a stream that somebody else steps through.

    Args:
        call: ends with the stream.
        reader: puts the answer together.
    """

    def __init__(self, call: ModelCall, reader: Reader) -> None:
        self._span = call.span
        self._pace = _Pace(call, reader)
        self._is_stepping = False

    def step(self, step: Callable[[], Any]) -> Any:
        """Take the next chunk from ``step``, which raises StopIteration at the end."""
        token = CURRENT.set(self._span)
        self._is_stepping = True
        try:
            chunk = step()
        except StopIteration:
            self._pace.finish()
            raise
        except BaseException as error:
            self._pace.finish(error)
            raise
        finally:
            self._is_stepping = False
            restore(CURRENT, token)
        self._pace.take(chunk)
        return chunk

    async def step_waited(self, step: Callable[[], Awaitable[Any]]) -> Any:
        """Take the next chunk from ``step``, which raises StopAsyncIteration at the end."""
        token = CURRENT.set(self._span)
        self._is_stepping = True
        try:
            chunk = await step()
        except StopAsyncIteration:
            self._pace.finish()
            raise
        except BaseException as error:
            self._pace.finish(ended_by(error))
            raise
        finally:
            self._is_stepping = False
            restore(CURRENT, token)
        self._pace.take(chunk)
        return chunk

    def leave(self) -> None:
        """End the span where the program reads no further; to be called when it closes."""
        # Some close themselves in the step that comes to their end, which says how they ended.
        if not self._is_stepping:
            self._pace.finish(GeneratorExit())


class FollowedStream(Following):
    """The iterator inside a stream, around the one that stood there."""

    def __init__(self, call: ModelCall, chunks: Iterator[Any], reader: Reader) -> None:
        super().__init__(call, reader)
        self._chunks = chunks

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.step(self._chunks.__next__)


class FollowedAsyncStream(Following):
    """The iterator inside a stream that is waited for, around the one that stood there."""

    def __init__(self, call: ModelCall, chunks: AsyncIterator[Any], reader: Reader) -> None:
        super().__init__(call, reader)
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return await self.step_waited(self._chunks.__anext__)


_OPEN: WeakSet[_Pace] = WeakSet()


def _leave_all() -> None:
    for pace in list(_OPEN):
        pace.finish(GeneratorExit())


def _disown_all() -> None:
    for pace in list(_OPEN):
        pace.disown()
    _OPEN.clear()


# Streams lie in circles, which nothing collects at the end. Registered after the client's own
# last step, and so run before it. A child has no part in the streams of its parent.
atexit.register(_leave_all)
os.register_at_fork(after_in_child=_disown_all)
