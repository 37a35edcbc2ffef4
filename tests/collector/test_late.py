"""Log events and their spans: joined in either order, and once."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from headway_collector.originals.envelopes import unpack
from headway_collector.otlp.telemetry import Resource
from headway_collector.remapping import Remapper
from headway_collector.store.batches import Batch
from headway_collector.store.connections import Store
from headway_collector.store.late import LateEvents
from headway_collector.store.rewrites import Place, find_spans
from headway_collector.store.writes import append_batches
from tests.collector.late_worlds import (
    DAY_NS,
    HOUR_NS,
    SPAN,
    START_NS,
    TRACE,
    Commit,
    choice_event,
    list_duplicates,
    log_batch,
    make_commit,
    native_batch,
    row,
    rows,
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


def test_every_order_and_repetition_gives_the_same_row() -> None:
    parts = (span_batch(), log_batch(user_event()), log_batch(choice_event()))
    repeated = [each for order in itertools.permutations(parts) for each in (order, order * 2)]
    together = [[order] for order in itertools.permutations(parts)]
    outcomes = [outcome_of([[batch] for batch in order]) for order in repeated] + [
        outcome_of(groups) for groups in together
    ]

    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert '"where is my parcel?"' in outcomes[0]["input"]
    assert '"on its way"' in outcomes[0]["output"]


def outcome_of(groups: Sequence[Sequence[Batch]]) -> dict[str, Any]:
    """Commit the groups to a new store, and return its one row."""
    store = Store()
    late = LateEvents(Remapper().reread, DAY_NS)
    for group in groups:
        with store.transaction() as connection:
            append_batches(connection, group, START_NS)
            late.join(connection, group, START_NS)
    outcome = row(store)
    assert waiting(store) == 0
    store.close()
    return outcome


def test_events_that_come_first_wait_for_their_span(store: Store, commit: Commit) -> None:
    commit(log_batch(user_event(), choice_event()))
    before = waiting(store)
    commit(span_batch())

    assert before == 1
    assert said(store) == ["where is my parcel?", "on its way"]
    assert waiting(store) == 0


@pytest.mark.parametrize("after_ns", [-HOUR_NS // 2, HOUR_NS * 20])
def test_an_event_of_another_clock_joins_its_stored_span_at_once(
    store: Store, commit: Commit, after_ns: int
) -> None:
    commit(span_batch())
    commit(log_batch(user_event(time_ns=START_NS + after_ns)))

    assert said(store) == ["where is my parcel?"]
    assert waiting(store) == 0


def test_a_joined_row_keeps_the_time_it_arrived(store: Store, commit: Commit) -> None:
    commit(span_batch(), now_ns=START_NS + 5)
    commit(log_batch(user_event()), now_ns=START_NS + 9)

    assert row(store)["received_ns"] == START_NS + 5


def test_events_are_kept_whole_beside_the_row(store: Store, commit: Commit) -> None:
    odd = user_event(attributes={"raw": b"\x00\xff", "ratio": float("inf")}, severity_number=9)
    commit(log_batch(odd))
    commit(span_batch())
    with store.transaction() as connection:
        (stored,) = find_spans(connection, [Place("p", TRACE, SPAN)])

    assert unpack(stored.list_columns()).logs == [odd]


def test_equal_events_from_two_exporters_count_once(store: Store, commit: Commit) -> None:
    commit(span_batch(), log_batch(user_event()))
    commit(log_batch(user_event(resource=Resource({"host.name": "relay"}), observed_ns=7)))

    assert said(store) == ["where is my parcel?"]


def test_the_same_words_twice_are_two_events_when_their_times_differ(
    store: Store, commit: Commit
) -> None:
    # Some emitters give the time of observation alone.
    again = [user_event("hi", time_ns=0, observed_ns=START_NS + n) for n in (1, 2)]
    commit(span_batch(), log_batch(*again))

    assert said(store) == ["hi", "hi"]


def test_events_are_ordered_by_time_not_by_arrival(store: Store, commit: Commit) -> None:
    commit(span_batch())
    commit(log_batch(user_event("second", time_ns=START_NS + 20)))
    commit(log_batch(user_event("first", time_ns=START_NS + 10)))

    assert said(store) == ["first", "second"]


def test_events_of_one_moment_keep_the_order_they_were_sent_in(
    store: Store, commit: Commit
) -> None:
    commit(log_batch(*[user_event(text) for text in ("z", "a", "m")]))
    commit(span_batch())

    assert said(store) == ["z", "a", "m"]


def test_what_our_own_client_logged_stays_as_it_is(store: Store, commit: Commit) -> None:
    commit(native_batch())
    before = row(store)
    commit(log_batch(user_event()))

    assert row(store) == before
    assert waiting(store) == 0


def test_of_two_exporters_of_one_span_the_first_stands(store: Store, commit: Commit) -> None:
    commit(native_batch(), span_batch(), log_batch(user_event()))

    assert (row(store)["name"], row(store)["input"]) == ("mine", '"as we logged it"')


def test_events_of_another_project_or_trace_are_left_alone(store: Store, commit: Commit) -> None:
    commit(span_batch())
    commit(Batch("other", logs=[user_event()]), log_batch(user_event(trace_id="ef" * 16)))

    assert said(store) == []
    assert waiting(store) == 2


def test_many_spans_find_their_own_events(store: Store, commit: Commit) -> None:
    ids = [f"{number:016x}" for number in range(1, 41)]
    early, late = ids[:20], ids[20:]
    commit(log_batch(*[user_event(f"to {each}", span_id=each) for each in early]))
    spans = [span_batch(span_id=each) for each in ids]
    commit(*spans[::2])
    commit(*spans[1::2])
    commit(log_batch(*[user_event(f"to {each}", span_id=each) for each in late]))

    stored = rows(store)
    assert [each["span_id"] for each in stored] == ids
    assert all(f'"to {each["span_id"]}"' in each["input"] for each in stored)
    assert waiting(store) == 0


def test_a_span_finds_what_waits_for_it_however_far_away_in_time(
    store: Store, commit: Commit
) -> None:
    commit(log_batch(user_event(time_ns=0)))
    commit(span_batch(start_ns=START_NS - 400 * DAY_NS, end_ns=START_NS - 399 * DAY_NS))

    assert said(store) == ["where is my parcel?"]


def test_an_event_far_from_a_stored_span_is_joined_before_it_would_be_given_up(
    store: Store, commit: Commit
) -> None:
    commit(span_batch(start_ns=START_NS - 400 * DAY_NS, end_ns=START_NS - 399 * DAY_NS))
    commit(log_batch(user_event(time_ns=0)))
    before = said(store)
    other = span_batch(span_id="ee" * 8, start_ns=START_NS + 2 * DAY_NS)
    commit(other, now_ns=START_NS + 2 * DAY_NS)

    assert before == []
    assert "where is my parcel?" in rows(store)[0]["input"]
    assert waiting(store) == 0


def test_records_of_our_own_clients_leave_waiting_events_alone(
    store: Store, commit: Commit
) -> None:
    commit(log_batch(user_event()))
    commit(native_batch(), now_ns=START_NS + 3 * DAY_NS)

    assert waiting(store) == 1


def test_a_row_whose_original_is_damaged_stays_and_holds_up_no_other(
    store: Store, commit: Commit, caplog: pytest.LogCaptureFixture
) -> None:
    commit(span_batch(), span_batch(span_id="ee" * 8))
    with store.transaction() as connection:
        connection.execute("UPDATE store.spans SET otel = 'torn' WHERE span_id = $1", [SPAN])
    commit(log_batch(user_event(), user_event(span_id="ee" * 8)))

    damaged, whole = rows(store)
    assert (damaged["otel"], damaged["input"]) == ("torn", None)
    assert "where is my parcel?" in whole["input"]
    assert "cannot be mapped again" in caplog.text
