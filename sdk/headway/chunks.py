"""What a stream gave and how fast: time to the first chunk, the gaps between them, the whole.

The whole of a stream of texts is one text, and so is that of bytes that are UTF-8; of other bytes
it is a description, and of anything else a list. Where ``observe`` was given a reducer, it is what
that makes of the chunks.
"""

import codecs
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from headway.descriptions import bulk_of
from headway.texts import clip
from headway.tracing import ActiveSpan

Reduce = Callable[[list[Any]], object]
"""Makes one output of the chunks of a stream."""

_MS = 1_000_000
_TIMED_CHUNKS = 10_000
"""Of longer streams the quantiles are those of the first so many chunks."""
_HELD_CHUNKS = 10_000
"""More are not held for a reducer."""


class Chunks:
    """Follows one stream; keeps as much of it as one value may hold.

    Args:
        span: ends with the stream.
        reduce: makes the output of the chunks themselves, which are held for it.
    """

    def __init__(self, span: ActiveSpan, reduce: Reduce | None = None) -> None:
        self._span = span
        self._is_finished = False
        self._room = span.limits.max_bytes
        self._pieces: list[str | bytes | msgspec.Raw] = []
        self._count = 0
        self._last_ns = span.record.start_ns
        self._gaps_ns: list[int] = []
        self._reduce = reduce
        self._held: list[Any] = []
        self._held_room = span.limits.max_bytes

    def __del__(self) -> None:
        # A stream that nobody ended and nobody holds any more; who read it had enough.
        if not self._is_finished:
            if self._count:
                self._span.end_ns = self._last_ns
            self.finish(GeneratorExit())

    def add(self, chunk: object) -> None:
        """Take one chunk at the moment it came; it is encoded at once."""
        now_ns = self._span.now_ns
        if self._count == 0:
            self._span.record.ttft_ms = max(0, now_ns - self._last_ns) / _MS
        elif self._count <= _TIMED_CHUNKS:
            self._gaps_ns.append(max(0, now_ns - self._last_ns))
        self._last_ns = now_ns
        self._count += 1
        if self._room > 0:
            piece = self._piece(chunk)
            weight = len(piece if isinstance(piece, (str, bytes)) else bytes(piece)) + 1
            self._room -= weight
            self._pieces.append(piece)
            if self._reduce is not None:
                self._hold(chunk, weight)

    def finish(self, error: BaseException | None = None) -> None:
        """Write on the span what came, and record it; once."""
        if self._is_finished:
            return
        self._is_finished = True
        record = self._span.record
        record.chunk_count = self._count
        if self._gaps_ns:
            gaps_ns = sorted(self._gaps_ns)
            record.chunk_p50_ms = _quantile(gaps_ns, 0.5) / _MS
            record.chunk_p95_ms = _quantile(gaps_ns, 0.95) / _MS
        try:
            reduce, span = self._reduce, self._span
            if reduce is not None and self._held and self._is_held_whole and not span.has_output:
                # A reducer that raises is a fault, as is a field that cannot be set.
                span.assign("output", lambda held: span.capture(reduce(held)), self._held)
        finally:
            if self._pieces and not self._span.has_output:
                record.output = self._joined()
            self._span.close(error)

    @property
    def _is_held_whole(self) -> bool:
        return len(self._held) == self._count

    def _piece(self, chunk: Any) -> str | bytes | msgspec.Raw:
        kind = type(chunk)
        if kind is str:
            return clip(chunk, self._room) if len(chunk) > self._room else chunk
        if kind is bytearray or kind is memoryview:
            with suppress(ValueError):  # it was released
                # A larger one is not copied only to be described.
                if memoryview(chunk).nbytes <= self._room:
                    chunk = bytes(chunk)
        if type(chunk) is bytes and len(chunk) <= self._room:
            return chunk
        return self._span.capture(chunk)

    def _hold(self, chunk: Any, weight: int) -> None:
        self._held_room -= max(weight, bulk_of(chunk))
        if self._held_room >= 0 and len(self._held) < _HELD_CHUNKS:
            self._held.append(chunk)
        else:
            self._held.clear()
            self._held_room = -1

    def _joined(self) -> msgspec.Raw:
        cut = self._count - len(self._pieces)
        said = [f"…[cut {cut:,} of {self._count:,} chunks]"] if cut else []
        if self._reduce is not None and not self._is_held_whole:
            said.append(f"…[not reduced: {self._count:,} chunks are more than are held]")
        plain = [piece for piece in self._pieces if not isinstance(piece, msgspec.Raw)]
        if len(plain) == len(self._pieces):
            text = _text_of(plain)
            whole = b"".join(map(_bytes_of, plain)) if text is None else "".join((text, *said))
            if text is not None or not said:
                return self._span.capture(whole)
        listed = [
            piece if isinstance(piece, msgspec.Raw) else self._captured(piece)
            for piece in (*self._pieces, *said)
        ]
        return msgspec.Raw(msgspec.json.encode(listed))

    def _captured(self, piece: str | bytes) -> msgspec.Raw:
        text = _text_of([piece])
        return self._span.capture(piece if text is None else text)


def _text_of(pieces: Sequence[str | bytes]) -> str | None:
    # None where the bytes among them are not UTF-8. A character at the end may be incomplete.
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(piece for piece in pieces if isinstance(piece, str))
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(b"".join(map(_bytes_of, pieces)))
    except UnicodeDecodeError:
        return None


def _bytes_of(piece: str | bytes) -> bytes:
    return piece.encode("utf-8", "backslashreplace") if isinstance(piece, str) else piece


def _quantile(ordered: Sequence[int], share: float) -> int:
    # The smallest value that at least this share of all values does not exceed.
    return ordered[math.ceil(share * len(ordered)) - 1]
