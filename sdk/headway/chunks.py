"""What a stream gave and how fast: time to the first chunk, the gaps between them, the whole."""

import math
from collections.abc import Sequence

import msgspec

from headway.tracing import ActiveSpan

_MS = 1_000_000
_TIMED_CHUNKS = 10_000
"""Of longer streams the quantiles are those of the first so many chunks."""


class Chunks:
    """Follows one stream; keeps as much of it as one value may hold."""

    def __init__(self, span: ActiveSpan) -> None:
        self._span = span
        self._room = span.limits.max_bytes
        self._pieces: list[str | msgspec.Raw] = []
        self._count = 0
        self._last_ns = span.record.start_ns
        self._gaps_ns: list[int] = []

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
            piece = chunk if type(chunk) is str else self._span.capture(chunk)
            self._room -= len(piece if isinstance(piece, str) else bytes(piece)) + 1
            self._pieces.append(piece)

    def finish(self, error: BaseException | None = None) -> None:
        """Write on the span what came, and record it."""
        record = self._span.record
        record.chunk_count = self._count
        if self._gaps_ns:
            gaps_ns = sorted(self._gaps_ns)
            record.chunk_p50_ms = _quantile(gaps_ns, 0.5) / _MS
            record.chunk_p95_ms = _quantile(gaps_ns, 0.95) / _MS
        if self._pieces and not self._span.has_output:
            record.output = self._joined()
        self._span.close(error)

    def _joined(self) -> msgspec.Raw:
        cut = self._count - len(self._pieces)
        said = [f"…[cut {cut:,} of {self._count:,} chunks]"] if cut else []
        texts = [piece for piece in self._pieces if isinstance(piece, str)]
        if len(texts) == len(self._pieces):
            return self._span.capture("".join((*texts, *said)))
        whole = [
            self._span.capture(piece) if isinstance(piece, str) else piece
            for piece in (*self._pieces, *said)
        ]
        return msgspec.Raw(msgspec.json.encode(whole))


def _quantile(ordered: Sequence[int], share: float) -> int:
    # The smallest value that at least this share of all values does not exceed.
    return ordered[math.ceil(share * len(ordered)) - 1]
