"""The floor: the least that a call in a crash-proof journal can cost in Python.

It names one argument, makes two ids, keeps the current span, encodes with msgspec, and writes
length, checksum and payload into a mapped file under a lock. It captures nothing but plain data,
bounds nothing, follows nothing, ships nothing. What it costs is this machine's, not ours.
"""

import mmap
import os
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from zlib import crc32

import msgspec

_SIZE = 256 << 20
_POPULATE_WRITE = 23
_IDS = 200_000
_MILLISECOND_NS = 1_000_000


class _Record(msgspec.Struct, tag="span", omit_defaults=True, gc=False):
    trace_id: str
    span_id: str
    name: str
    start_ns: int
    end_ns: int
    kind: str = "span"
    input: object = None
    output: object = None


class Floor:
    """A function's calls, journalled in a file of ``folder``."""

    def __init__(self, name: str, folder: str) -> None:
        self._name = name
        self._current: ContextVar[_Record | None] = ContextVar("current", default=None)
        descriptor = os.open(f"{folder}/floor", os.O_RDWR | os.O_CREAT)
        os.posix_fallocate(descriptor, 0, _SIZE)
        self._map = mmap.mmap(descriptor, _SIZE)
        self._map.madvise(_POPULATE_WRITE)
        self._words = memoryview(self._map).cast("I")
        self._end = 0
        self._lock = threading.Lock()
        self._span_ids = [os.urandom(8).hex() for _ in range(_IDS)]
        self._tails = [os.urandom(10).hex() for _ in range(_IDS)]
        self._encode = msgspec.json.Encoder().encode

    def observe(self, function: Callable[[str], str]) -> Callable[[str], str]:
        """Journal the calls of a function."""

        def call(question: str) -> str:
            record = self._begin(question)
            token = self._current.set(record)
            try:
                answer = function(question)
            finally:
                self._current.reset(token)
            self._append(record, answer)
            return answer

        return call

    def aobserve(
        self, function: Callable[[str], Awaitable[str]]
    ) -> Callable[[str], Awaitable[str]]:
        """Journal the calls of an asynchronous function."""

        async def call(question: str) -> str:
            record = self._begin(question)
            token = self._current.set(record)
            try:
                answer = await function(question)
            finally:
                self._current.reset(token)
            self._append(record, answer)
            return answer

        return call

    def _begin(self, question: str) -> _Record:
        now_ns = time.time_ns()
        trace_id = hex(now_ns // _MILLISECOND_NS)[2:].zfill(12) + self._tails.pop()
        span_id = self._span_ids.pop()
        return _Record(trace_id, span_id, self._name, now_ns, now_ns, "llm", {"question": question})

    def _append(self, record: _Record, answer: str) -> None:
        record.output, record.end_ns = answer, time.time_ns()
        payload = self._encode(record)
        checksum = crc32(payload)
        with self._lock:
            start = self._end
            stop = start + 8 + len(payload)
            self._map[start + 8 : stop] = payload
            self._words[(start >> 2) + 1] = checksum
            self._words[start >> 2] = len(payload)
            self._end = (stop + 3) & ~3
