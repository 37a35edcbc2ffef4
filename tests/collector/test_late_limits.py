"""Log events whose spans never come: given up after a day, or when more wait than may."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from headway_collector.remapping import Remapper
from headway_collector.store.batches import Batch
from headway_collector.store.connections import Store
from headway_collector.store.late import LateEvents
from tests.collector.late_worlds import (
    DAY_NS,
    HOUR_NS,
    START_NS,
    Commit,
    choice_event,
    list_duplicates,
    log_batch,
    make_commit,
    said,
    span_batch,
    user_event,
    waiting,
)


@pytest.fixture
def commit(store: Store) -> Commit:
    """Write batches in one transaction, as the writer does."""
    return make_commit(store)


@pytest.fixture(autouse=True)
def _no_duplicates(store: Store) -> Iterator[None]:
    """No test may leave a span twice."""
    yield
    assert list_duplicates(store) == []


def test_an_event_without_a_span_is_given_up_after_a_day_and_counted(
    store: Store, commit: Commit, caplog: pytest.LogCaptureFixture
) -> None:
    commit(log_batch(user_event(), choice_event()))
    other = log_batch(user_event(span_id="ee" * 8))
    commit(other, now_ns=START_NS + DAY_NS - HOUR_NS)
    before = waiting(store)
    commit(other, now_ns=START_NS + DAY_NS + HOUR_NS)

    assert before == 2
    assert waiting(store) == 2  # the other one, twice
    assert caplog.messages == ["2 log events of p are lost: their spans never came"]
    assert store.read("SELECT project, reason, count FROM store.losses") == [
        {"project": "p", "reason": "event_without_span", "count": 2}
    ]


def test_only_what_waited_long_enough_is_given_up(store: Store, commit: Commit) -> None:
    commit(log_batch(user_event()))
    commit(log_batch(choice_event()), now_ns=START_NS + DAY_NS - HOUR_NS)
    commit(log_batch(user_event(span_id="ee" * 8)), now_ns=START_NS + DAY_NS + HOUR_NS)
    commit(span_batch(), now_ns=START_NS + DAY_NS + 2 * HOUR_NS)

    assert said(store) == ["on its way"]


def test_what_was_given_up_adds_up(store: Store, commit: Commit) -> None:
    for day in range(0, 9, 2):
        each = user_event(span_id=f"{day + 1:016x}")
        commit(log_batch(each), now_ns=START_NS + day * DAY_NS)

    assert store.read("SELECT count FROM store.losses") == [{"count": 4}]


def test_of_more_than_may_wait_the_oldest_are_given_up_and_counted(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    late = LateEvents(Remapper().reread, DAY_NS, limit_bytes=20_000)
    for number in range(200):
        event = user_event("x" * 100, span_id=f"{number + 1:016x}")
        join(store, late, log_batch(event), START_NS + number)

    kept = store.read("SELECT received_ns, octet_length(events) AS size FROM store.late_events")
    assert 10_000 < sum(row["size"] for row in kept) < 20_000
    assert min(row["received_ns"] for row in kept) == START_NS + 200 - len(kept)
    assert store.read("SELECT project, reason, count FROM store.losses") == [
        {"project": "p", "reason": "event_without_span", "count": 200 - len(kept)}
    ]
    assert "more than 20000 bytes of events wait for their spans" in caplog.text


def test_what_waits_in_the_file_counts_after_a_restart(store: Store, commit: Commit) -> None:
    commit(*[log_batch(user_event("x" * 100, span_id=f"{n:016x}")) for n in range(1, 101)])
    restarted = LateEvents(Remapper().reread, DAY_NS, limit_bytes=5_000)
    join(store, restarted, log_batch(user_event()), START_NS + 1)

    assert waiting(store) == 1
    assert store.read("SELECT count FROM store.losses") == [{"count": 100}]


def test_an_event_far_from_its_stored_span_is_joined_when_its_room_is_needed(
    store: Store, commit: Commit
) -> None:
    commit(span_batch(start_ns=START_NS - 400 * DAY_NS, end_ns=START_NS - 399 * DAY_NS))
    full = LateEvents(Remapper().reread, DAY_NS, limit_bytes=100)
    join(store, full, log_batch(user_event(time_ns=0)), START_NS)

    assert said(store) == ["where is my parcel?"]
    assert store.read("SELECT count FROM store.losses") == []


def test_a_commit_that_failed_leaves_what_waits_within_its_limit(store: Store) -> None:
    late = LateEvents(Remapper().reread, DAY_NS, limit_bytes=5_000)
    for number in range(60):
        event = user_event("x" * 100, span_id=f"{number + 1:016x}")
        with suppress(_FullDiskError), store.transaction() as connection:
            late.join(connection, [log_batch(event)], START_NS + number)
            if number % 2:
                raise _FullDiskError

    (row,) = store.read("SELECT sum(octet_length(events)) AS size FROM store.late_events")
    (lost,) = store.read("SELECT count FROM store.losses")
    assert 0 < row["size"] < 5_000
    assert lost["count"] + waiting(store) == 30


class _FullDiskError(Exception):
    """What makes a commit fail."""


def join(store: Store, late: LateEvents, batch: Batch, now_ns: int) -> None:
    with store.transaction() as connection:
        late.join(connection, [batch], now_ns)
