"""The writer: groups, limits, checkpoints, and faults that stay with those who cause them."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from headway.records import IngestAnswer, Span
from headway_collector.decoding import decode_records
from headway_collector.errors import QueueFullError
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.connections import Store
from headway_collector.writing import Limits, Writer

Lines = Callable[..., bytes]
WAIT_S = 30


@contextmanager
def running(store: Store, limits: Limits | None = None) -> Iterator[Writer]:
    writer = Writer(store, limits)
    writer.start()
    try:
        yield writer
    finally:
        writer.close()


@contextmanager
def busy(writer: Writer) -> Iterator[None]:
    """Keep the writer in a task while the block runs."""
    has_begun, may_end = threading.Event(), threading.Event()

    def hold(connection: duckdb.DuckDBPyConnection) -> None:
        has_begun.set()
        assert may_end.wait(WAIT_S)

    done = writer.perform(hold)
    assert has_begun.wait(WAIT_S)
    try:
        yield
    finally:
        may_end.set()
        done.result(WAIT_S)


def batch_of(*lines: bytes, batch_id: str | None = None) -> Batch:
    spans = decode_records(b"\n".join(lines)).spans
    return Batch("p", batch_id, spans, [Derived()] * len(spans))


def count_spans(store: Store) -> int:
    return int(store.read("SELECT count(*) AS n FROM store.spans")[0]["n"])


def test_batches_that_wait_are_committed_together(store: Store, span_line: Lines) -> None:
    with running(store) as writer:
        with busy(writer):
            waiting = [writer.append(batch_of(span_line())) for _ in range(20)]
        answers = [future.result(WAIT_S) for future in waiting]

    assert [answer.accepted for answer in answers] == [1] * 20
    stamps = store.read("SELECT count(DISTINCT received_ns) AS n FROM store.spans")
    assert stamps == [{"n": 1}]


def test_duplicates_inside_one_group_are_found(store: Store, span_line: Lines) -> None:
    line = span_line()
    with running(store) as writer:
        with busy(writer):
            waiting = [
                writer.append(batch_of(line, batch_id="b1")),
                writer.append(batch_of(line, batch_id="b1")),
                writer.append(batch_of(line, span_line(), batch_id="b2")),
                writer.append(batch_of(line)),
            ]
        first, again, other, nameless = [future.result(WAIT_S) for future in waiting]

    assert (first.accepted, first.is_replay) == (1, False)
    assert (again.accepted, again.is_replay) == (1, True)
    assert (other.accepted, other.duplicates, other.is_replay) == (1, 1, False)
    assert (nameless.accepted, nameless.duplicates) == (0, 1)
    assert count_spans(store) == 2


def test_a_batch_that_cannot_be_stored_fails_alone(store: Store, span_line: Lines) -> None:
    beyond = Span(trace_id="t", span_id="s", name="n", start_ns=2**70, end_ns=2**70)
    with running(store) as writer:
        with busy(writer):
            good = writer.append(batch_of(span_line()))
            bad = writer.append(Batch("p", None, [beyond], [Derived()]))
            also_good = writer.append(batch_of(span_line()))

        assert (good.result(WAIT_S).accepted, also_good.result(WAIT_S).accepted) == (1, 1)
        with pytest.raises(OverflowError):
            bad.result(WAIT_S)
        assert writer.append(batch_of(span_line())).result(WAIT_S).accepted == 1


def test_a_full_queue_refuses_and_then_takes_work_again(store: Store, span_line: Lines) -> None:
    with running(store, Limits(queued=2)) as writer:
        with busy(writer):
            waiting = [writer.append(batch_of(span_line())) for _ in range(2)]

            with pytest.raises(QueueFullError, match="2 batches wait: try again later"):
                writer.append(batch_of(span_line()))
            assert writer.fault == "the queue is full"
        assert [future.result(WAIT_S).accepted for future in waiting] == [1, 1]
        assert writer.append(batch_of(span_line())).result(WAIT_S).accepted == 1
        assert writer.fault is None


def test_closing_writes_what_waits(store: Store, span_line: Lines) -> None:
    futures: list[Future[IngestAnswer]] = []
    with running(store) as writer, busy(writer):
        futures = [writer.append(batch_of(span_line())) for _ in range(3)]

    assert [future.result(WAIT_S).accepted for future in futures] == [1, 1, 1]
    with pytest.raises(QueueFullError, match="shutting down"):
        writer.append(batch_of(span_line()))
    assert writer.fault == "the writer is not running"


def test_a_sender_that_goes_away_before_its_turn_stores_nothing(
    store: Store, span_line: Lines
) -> None:
    with running(store) as writer:
        with busy(writer):
            assert writer.append(batch_of(span_line())).cancel()
        writer.append(batch_of(span_line())).result(WAIT_S)

    assert count_spans(store) == 1


def test_checkpoints_keep_the_log_under_one_row_group(tmp_path: Path, span_line: Lines) -> None:
    path = tmp_path / "a.duckdb"
    log = tmp_path / "a.duckdb.wal"
    store = Store(path)
    limits = Limits(checkpoint_rows=100, group_rows=10)
    sizes = []
    with running(store, limits) as writer:
        for _ in range(30):
            writer.append(batch_of(*[span_line() for _ in range(10)])).result(WAIT_S)
            sizes.append(log.stat().st_size if log.exists() else 0)
    shrunk = [after < before for before, after in pairwise(sizes)]

    assert sum(shrunk) == 2
    assert count_spans(store) == 300
    assert not log.exists()
    store.close()


def test_an_idle_writer_checkpoints(tmp_path: Path, span_line: Lines) -> None:
    is_done = threading.Event()

    class Watched(Store):
        def checkpoint(self) -> None:
            super().checkpoint()
            is_done.set()

    store = Watched(tmp_path / "a.duckdb")
    with running(store, Limits(idle_s=0.01)) as writer:
        writer.append(batch_of(span_line())).result(WAIT_S)

        assert is_done.wait(WAIT_S)
        assert not (tmp_path / "a.duckdb.wal").exists()
    store.close()


def test_readers_see_the_state_before_a_transaction_while_it_runs(
    store: Store, span_line: Lines
) -> None:
    with running(store) as writer:
        writer.append(batch_of(span_line())).result(WAIT_S)
        with busy(writer):
            during = count_spans(store)

    assert during == 1


def test_a_stream_of_work_has_the_database_to_its_own_thread_until_it_ends(
    store: Store, span_line: Lines
) -> None:
    usual = count_threads(store)
    with running(store) as writer:
        with busy(writer):
            time.sleep(0.5)  # what fills a quarter of the last second is a stream
        writer.append(batch_of(span_line())).result(WAIT_S)
        wait_until(lambda: count_threads(store) == 1)
        while_streaming = count_threads(store)
        wait_until(lambda: count_threads(store) == usual)

    assert (while_streaming, count_threads(store)) == (1, usual)


def test_single_batches_now_and_then_leave_readers_all_threads(
    store: Store, span_line: Lines
) -> None:
    usual = count_threads(store)
    with running(store) as writer:
        writer.append(batch_of(span_line())).result(WAIT_S)

        assert count_threads(store) == usual > 1


def count_threads(store: Store) -> int:
    return int(store.read("SELECT current_setting('threads') AS n")[0]["n"])


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not is_so() and time.monotonic() < deadline_s:
        time.sleep(0.01)
