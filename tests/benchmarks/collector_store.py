"""A store of ten million spans: thirty days, twenty projects by Zipf's law, 2 KB of text each.

Made column by column and laid straight into the store, in the order of time, as it would have
come. What stands in a row follows from its number, so that its id and its time are known without
asking. It is built once and kept.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from headway.records import Score
from headway_collector.store.columns import build_scores
from headway_collector.store.connections import Store
from headway_collector.times import format_time
from tests.benchmarks.collector_arrow import INSERT_ROWS, insert
from tests.benchmarks.collector_dashboard import SCORE
from tests.benchmarks.collector_requests import make_id
from tests.benchmarks.collector_spans import MODELS, NAMES, USERS
from tests.benchmarks.prose import piece

PROJECTS = 20
TRACE_ROWS = 5
DAY_NS = 86_400 * 10**9
FIRST_NS = 1_790_000_000 * 10**9
RARE_WORD = "quagga"
"""Stands in one of so many texts, and in no documentation of Python."""

_DAYS = 30
_RARE_EVERY = 50_000
_SCORED_TRACES = 20
_TEXTS = 20_000
_TEXT_CHARS = 1024
_SESSION_TRACES = 8
_SAID_EVERY = 500_000
# Past this many a checkpoint is due, as for the writer.
_CHECKPOINT_ROWS = 10_000

Integers = np.ndarray[tuple[int], np.dtype[np.int64]]
Booleans = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Built:
    """A store that lies there, and how to find its rows."""

    database: Path
    rows: int

    def span_id(self, row: int) -> str:
        """Return the id of a span."""
        return f"{make_id(row + 1):016x}"

    def trace_id(self, row: int) -> str:
        """Return the id of the trace of a span."""
        trace = row // TRACE_ROWS
        return f"{make_id(trace + 1):016x}{make_id(trace + 2):016x}"

    def time(self, row: int) -> str:
        """Return when a span began."""
        return format_time(int(_starts_ns(np.array([row]), self.rows)[0]))

    def before_end(self, length_ns: int) -> str:
        """Return the beginning of the last stretch of that length."""
        return format_time(FIRST_NS + _DAYS * DAY_NS - length_ns)


def find_store(folder: Path, rows: int) -> Path:
    """Return where the store of so many rows lies, or would."""
    return folder / f"spans-{rows}.duckdb"


def build_store(folder: Path, rows: int) -> Built:
    """Return the store of so many rows, built where it is missing."""
    database = find_store(folder, rows)
    if not database.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = database.with_suffix(".partial")
        for leftover in (partial, partial.with_name(f"{partial.name}.wal")):
            leftover.unlink(missing_ok=True)
        _fill(partial, rows)
        partial.rename(database)
    return Built(database, rows)


def _fill(path: Path, rows: int) -> None:
    store = Store(path)
    chance = np.random.default_rng(5)
    questions = _encode_texts(lambda number: {"message": _make_text(2 * number)})
    answers = _encode_texts(lambda number: _make_text(2 * number + 1))
    for first in range(0, rows, INSERT_ROWS):
        numbers = np.arange(first, min(first + INSERT_ROWS, rows))
        spans = _make_spans(numbers, rows, chance, questions, answers)
        insert(store, "spans", spans)
        insert(store, "scores", _make_scores(spans, chance))
        if (first + INSERT_ROWS) % _CHECKPOINT_ROWS == 0:
            store.checkpoint()
        if first % _SAID_EVERY == 0:
            sys.stdout.write(f"building {path.name}: {first:,} of {rows:,} spans\n")
            sys.stdout.flush()
    store.checkpoint()
    store.close()


def _make_spans(
    numbers: Integers,
    rows: int,
    chance: np.random.Generator,
    questions: pa.Array,
    answers: pa.Array,
) -> pa.Table:
    count = len(numbers)
    traces = numbers // TRACE_ROWS
    is_root = numbers % TRACE_ROWS == 0
    starts_ns = _starts_ns(numbers, rows)
    durations_ns = chance.lognormal(19.5, 0.8, count).astype(np.int64)
    projects = pa.array([f"project-{n:02d}" for n in range(PROJECTS)])
    users = pa.array([f"user-{n}" for n in range(USERS)])
    is_error = chance.random(count) < 0.02
    tokens_in, tokens_out = chance.integers(150, 400, (2, count))
    texts = chance.integers(0, _TEXTS, (2, count))
    # Tags are lists; every span has one of two, some both.
    tags = pa.array([["beta"], ["mobile"], ["beta", "mobile"]], pa.list_(pa.string()))
    return pa.table(
        {
            "project": projects.take(_zipf(PROJECTS, traces)),
            "trace_id": _hex_ids(np.stack([traces, traces + 1], axis=1)),
            "span_id": _hex_ids(numbers[:, None]),
            "span_key": _ids(numbers).view(np.int64),
            "parent_span_id": pa.array(
                _hex_ids((numbers - numbers % TRACE_ROWS)[:, None]).to_pylist(),
                pa.string(),
                mask=is_root,
            ),
            "name": pa.array(NAMES).take(chance.integers(0, len(NAMES), count)),
            "kind": _choose(is_root, "chain", "llm"),
            "status": _choose(is_error, "error", "ok"),
            "error_type": pa.array(["RateLimitError"] * count, mask=~is_error),
            "start_time": pa.array(starts_ns // 1000, pa.timestamp("us", tz="UTC")),
            "start_ns": starts_ns,
            "end_ns": starts_ns + durations_ns,
            "received_ns": starts_ns + durations_ns + 10**9,
            "provider": pa.array(["openai"]).take(np.zeros(count, np.int64)),
            "request_model": pa.array(MODELS).take(chance.integers(0, len(MODELS), count)),
            "input_tokens": tokens_in,
            "output_tokens": tokens_out,
            "cache_read_tokens": tokens_in // 2,
            "cost_usd": (tokens_in * 0.15 + tokens_out * 0.6) / 1e6,
            "ttft_ms": durations_ns / 4e6,
            "user_id": users.take(_zipf(USERS, traces + 7)),
            "session_id": pa.array([f"session-{n}" for n in traces // _SESSION_TRACES]),
            "tags": tags.take(chance.integers(0, 3, count)),
            "environment": pa.array(["production"]).take(np.zeros(count, np.int64)),
            "release": pa.array([f"2026.{n}" for n in numbers * 8 // rows]),
            "prompt_name": pa.array(NAMES).take(chance.integers(0, len(NAMES), count)),
            "prompt_version": pa.array(["9f8e7d6c", "5b4a3928"]).take(numbers * 2 // rows),
            "attributes": pa.array(['{"app.region":"eu"}', '{"app.region":"us"}']).take(traces % 2),
            "input": questions.take(texts[0]),
            "output": _sprinkle(answers.take(texts[1]), numbers),
        }
    )


def _make_scores(spans: pa.Table, chance: np.random.Generator) -> pa.Table:
    identities = spans.select(["project", "trace_id", "span_id", "start_ns"])
    picked = identities.take(np.arange(1, len(spans), TRACE_ROWS * _SCORED_TRACES)).to_pylist()
    scores = [
        Score(
            score_id=row["span_id"] * 2,
            name=SCORE,
            value=bool(chance.random() < 0.8),
            time_ns=row["start_ns"] + 10**9,
            source="human",
            trace_id=row["trace_id"],
            span_id=row["span_id"],
        )
        for row in picked
    ]
    return build_scores(scores, [row["project"] for row in picked])


def _starts_ns(numbers: Integers, rows: int) -> Integers:
    # A trace's spans follow one another within the time that passes until the next begins.
    step_ns = _DAYS * DAY_NS // rows
    return numbers * step_ns + FIRST_NS


def _zipf(count: int, seeds: Integers) -> Integers:
    """Return which of ``count`` things each seed falls to, the n-th 1/n times as often."""
    shares = np.cumsum(1 / np.arange(1, count + 1))
    spread = (_ids(seeds) >> np.uint64(11)).astype(np.float64) / 2**53
    chosen: Integers = np.searchsorted(shares, spread * shares[-1]).astype(np.int64)
    return chosen


def _ids(numbers: Integers) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Return ``make_id`` of each number, which begin with 0 here."""
    return (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(make_id(1))


def _hex_ids(numbers: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> pa.Array:
    """Return the ids as text, those of one row in a row."""
    text = _ids(numbers.ravel()).astype(">u8").tobytes().hex().encode()
    width = 16 * numbers.shape[1]
    ends = np.arange(len(numbers) + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(ends), pa.py_buffer(text))


def _choose(is_first: Booleans, first: str, other: str) -> pa.Array:
    return pa.array([other, first]).take(is_first.astype(np.int64))


def _encode_texts(make: Callable[[int], object]) -> pa.Array:
    return pa.array([msgspec.json.encode(make(number)).decode() for number in range(_TEXTS)])


def _make_text(number: int) -> str:
    return piece(number, _TEXT_CHARS)


def _sprinkle(texts: pa.Array, numbers: Integers) -> pa.Array:
    rare = np.flatnonzero(numbers % _RARE_EVERY == 0)
    if not len(rare):
        return texts
    plain = texts.to_pylist()
    for place in rare:
        plain[place] = plain[place][:-1] + f' {RARE_WORD}"'
    return pa.array(plain)
