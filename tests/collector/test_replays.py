"""Which batches were answered before: the latest, by a table that outlives the process."""

from collections.abc import Callable

import pytest

from headway.records import IngestAnswer
from headway_collector.decoding import decode_records
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.connections import Store
from headway_collector.store.replays import Replays
from headway_collector.store.writes import append_batches

Lines = Callable[..., bytes]


def batch_of(line: bytes, batch_id: str) -> Batch:
    return Batch("p", batch_id, decode_records(line).spans, [Derived()])


def append(store: Store, batch: Batch, received_ns: int, replays: Replays) -> IngestAnswer:
    with store.transaction() as connection:
        return append_batches(connection, [batch], received_ns, replays)[0]


def find(store: Store, replays: Replays, *batch_ids: str) -> list[str]:
    """Return which of the batches are known."""
    with store.transaction() as connection:
        found = replays.find(connection, [Batch("p", each) for each in batch_ids])
    return [batch_id for _, batch_id in found]


def count(store: Store, table: str) -> int:
    return int(store.read(f"SELECT count(*) AS n FROM store.{table}")[0]["n"])


def test_a_batch_is_a_replay_for_the_next_process_too(store: Store, span_line: Lines) -> None:
    batch = batch_of(span_line(), "b1")
    first = append(store, batch, 1, Replays())

    again = append(store, batch, 2, Replays())

    assert (first.is_replay, again.is_replay) == (False, True)
    assert (again.accepted, again.duplicates) == (1, 0)


def test_at_least_so_many_of_the_latest_are_known_and_twice_as_many_at_most(
    store: Store, span_line: Lines
) -> None:
    replays, names = Replays(kept=3), [f"b{number}" for number in range(20)]
    for number, name in enumerate(names, start=1):
        append(store, batch_of(span_line(), name), number, replays)

        known = sorted(find(store, replays, *names[:number]), key=names.index)
        assert known == names[number - len(known) : number]
        assert min(3, number) <= len(known) <= 6
        assert count(store, "batches") <= 7


def test_a_batch_that_was_forgotten_is_found_span_by_span(store: Store, span_line: Lines) -> None:
    replays, oldest = Replays(kept=1), batch_of(span_line(), "b0")
    append(store, oldest, 1, replays)
    for number in range(2, 6):
        append(store, batch_of(span_line(), f"b{number}"), number, replays)

    again = append(store, oldest, 9, replays)

    assert (again.is_replay, again.accepted, again.duplicates) == (False, 0, 1)
    assert count(store, "spans") == 5


def test_a_batch_whose_commit_failed_is_none(store: Store, span_line: Lines) -> None:
    replays, batch = Replays(), batch_of(span_line(), "b1")

    def append_and_fail() -> None:
        with store.transaction() as connection:
            append_batches(connection, [batch], 1, replays)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        append_and_fail()

    assert find(store, replays, "b1") == []
    assert append(store, batch, 2, replays).accepted == 1
