"""Log events and their spans: joined in either order, once; given up after a day, or when full."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from headway.records import Span
from headway_collector.dialects.mapping import map_span
from headway_collector.originals.envelopes import unpack
from headway_collector.otlp.telemetry import OtelLog, OtelSpan, Resource
from headway_collector.remapping import Remapper
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.connections import Store
from headway_collector.store.late import LateEvents
from headway_collector.store.rewrites import Place, find_spans
from headway_collector.store.writes import append_batches

DAY_NS = 86_400_000_000_000
HOUR_NS = DAY_NS // 24
START_NS = 1_763_800_000_000_000_000
TRACE, SPAN = "ab" * 16, "cd" * 8

Commit = Callable[..., None]


@pytest.fixture
def commit(store: Store) -> Commit:
    """Write batches in one transaction, as the writer does."""
    late = LateEvents(Remapper().reread, DAY_NS)

    def write(*batches: Batch, now_ns: int = START_NS) -> None:
        with store.transaction() as connection:
            append_batches(connection, batches, now_ns)
            late.join(connection, batches, now_ns)

    return write


def span_batch(**fields: Any) -> Batch:
    otel = OtelSpan(
        **{
            "trace_id": TRACE,
            "span_id": SPAN,
            "name": "chat gpt-4o",
            "start_ns": START_NS,
            "end_ns": START_NS + HOUR_NS,
            "attributes": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"},
            **fields,
        }
    )
    mapped = map_span(otel)
    return Batch("p", None, [mapped.span], [mapped.derived])


def native_batch() -> Batch:
    span = Span(trace_id=TRACE, span_id=SPAN, name="mine", start_ns=START_NS, end_ns=START_NS + 1)
    span.input = msgspec.Raw(b'"as we logged it"')
    return Batch("p", None, [span], [Derived()])


def user_event(text: str = "where is my parcel?", **fields: Any) -> OtelLog:
    return OtelLog(
        **{
            "time_ns": START_NS + 1,
            "event_name": "gen_ai.user.message",
            "body": {"content": text},
            "trace_id": TRACE,
            "span_id": SPAN,
            **fields,
        }
    )


def choice_event(text: str = "on its way", **fields: Any) -> OtelLog:
    message = {"role": "assistant", "content": text}
    return user_event(
        event_name="gen_ai.choice",
        time_ns=START_NS + 2,
        body={"index": 0, "finish_reason": "stop", "message": message},
        **fields,
    )


def log_batch(*logs: OtelLog) -> Batch:
    return Batch("p", logs=logs)


def rows(store: Store) -> list[dict[str, Any]]:
    return store.read("SELECT * EXCLUDE start_time FROM store.spans ORDER BY start_ns, span_id")


def row(store: Store) -> dict[str, Any]:
    (only,) = rows(store)
    return only


def said(store: Store) -> list[Any]:
    """Return the texts of the one span's messages, in order."""
    only = row(store)
    messages = [msgspec.json.decode(only[name] or "[]") for name in ("input", "output")]
    return [part["content"] for each in messages for m in each for part in m["parts"]]


def waiting(store: Store) -> int:
    return int(store.read("SELECT count(*) AS n FROM store.late_events")[0]["n"])


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


@pytest.fixture(autouse=True)
def _no_duplicates(store: Store) -> Iterator[None]:
    """No test may leave a span twice."""
    yield
    assert (
        store.read(
            "SELECT project, trace_id, span_id FROM store.spans GROUP BY ALL HAVING count(*) > 1"
        )
        == []
    )
