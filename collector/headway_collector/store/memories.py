"""How much memory DuckDB may take: little as a rule, and more where long texts ask for it.

DuckDB reads and writes a text column 2,048 rows at a time, so that where a prompt is 320 KB each of
these steps takes 650 MB, however few rows are wanted. Under the usual limit such a read fails, and
a checkpoint that fails so takes the whole database down. What may meet such rows is therefore done
under a wider limit, and only for as long as it takes. What is wide open must not fill up with pages
of the file meanwhile: these are let go by ``trim``.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

USUAL = "640MB"
"""The limit; pages of the file that were read are kept in it."""

CACHE_BYTES = 32 * 1024 * 1024
"""As many bytes of pages stay when they are trimmed.

It is also what running reads may take in the moment of it, since pages make room.
"""

_SLACK_BYTES = 8 * 1024 * 1024

_HELD = (
    "SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT, "
    "coalesce(sum(memory_usage_bytes) FILTER (tag = 'BASE_TABLE'), 0)::BIGINT FROM duckdb_memory()"
)
# What DuckDB says where its limit is too narrow, also in the midst of a commit or a checkpoint.
_SIGNS = ("Out of Memory", "failed to pin block", "failed to allocate data", "could not allocate")

_log = logging.getLogger(__name__)


class Memory:
    """The limit of one DuckDB instance. Its methods may be called from any thread.

    Args:
        connection: to the instance.
        usual: the limit as a rule, as DuckDB writes sizes.
        most: the wide one; None is DuckDB's own, four fifths of what the machine or the container
            has.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, usual: str = USUAL, most: str | None = None
    ) -> None:
        self._usual = usual
        self._connection = connection.cursor()
        self._lock = threading.Lock()
        self._holders = self._pins = 0
        self.shortages = 0
        """How often something had to be done again with more memory."""
        if most is None:
            row = self._connection.execute("SELECT current_setting('memory_limit')").fetchone()
            most = str(row[0]) if row else usual
        self._most = most
        self._limit(usual)

    @property
    def is_wide(self) -> bool:
        """Whether the wide limit holds at the moment."""
        return self._holders > 0

    @contextmanager
    def widened(self, *, is_trimmed: bool = True) -> Iterator[None]:
        """Let the wide limit hold while the block runs, or several of them do.

        Args:
            is_trimmed: whether pages may be let go meanwhile, for which the limit is low for a
                moment; what must not fail then says no.
        """
        self._change(1, 0 if is_trimmed else 1)
        try:
            yield
        finally:
            self._change(-1, 0 if is_trimmed else -1)

    def note_shortage(self, what: str, error: BaseException) -> None:
        """Count what failed under the usual limit, and say so."""
        self.shortages += 1
        said = str(error).partition("\n")[0]
        _log.warning("%s needs more than %s, and is done again: %s", what, self._usual, said)

    def trim(self) -> None:
        """Let go of pages of the file that were read, where there are many."""
        with self._lock:
            row = self._connection.execute(_HELD).fetchone()
            held, pages = row or (0, 0)
            if pages <= CACHE_BYTES + _SLACK_BYTES or self._pins:
                return
            # Pages go first of all, so that nothing else has to leave memory. In one call, since
            # what runs meanwhile fails where it finds no room under the lower limit.
            low = f"{held - pages + CACHE_BYTES} bytes"
            self._limit(low, self._most if self._holders else self._usual)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _change(self, holders: int, pins: int) -> None:
        with self._lock:
            was_wide = self.is_wide
            self._holders += holders
            self._pins += pins
            if self.is_wide != was_wide:
                self._limit(self._most if self.is_wide else self._usual)

    def _limit(self, *sizes: str) -> None:
        settings = "; ".join(f"SET GLOBAL memory_limit = '{size}'" for size in sizes)
        try:
            self._connection.execute(settings)
        except duckdb.Error:
            # A read holds more at the moment. All that could go has gone, and the next one who
            # narrows it tries again.
            _log.debug("the limit of memory cannot be %s yet", sizes[0])


def is_short_of_memory(error: BaseException) -> bool:
    """Return whether DuckDB failed for want of memory, and may succeed with more."""
    return any(sign in str(error) for sign in _SIGNS)
