"""The nightly thread: when it runs, what it does, and that the writer goes on beside it."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from headway_collector.decoding import decode_records
from headway_collector.errors import StoreUnavailableError
from headway_collector.housekeeping import Housekeeper, find_next, parse_nightly
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.clearings import is_worth_rewriting, note_clearing
from headway_collector.store.connections import Store
from headway_collector.store.copies import save_rewrite
from headway_collector.store.receipts import Receipt, save_receipt
from headway_collector.store.retention import Rule, save_rule
from headway_collector.writing import Writer

DAY_NS = 86_400 * 10**9
MIDNIGHT_NS = 20_000 * DAY_NS
NIGHT_NS = MIDNIGHT_NS + 3 * 3_600 * 10**9


@dataclass(frozen=True, slots=True)
class Done:
    fault: str | None = None


class Recorder:
    """Says which rewrites were asked for, and waits for one."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.asked = threading.Event()

    def run(self, reason: str) -> Done:
        self.reasons.append(reason)
        self.asked.set()
        return Done()


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    writer = Writer(store)
    writer.start()
    yield writer
    writer.close()


def make_batch(count: int, start_ns: int, name: str = "old") -> Batch:
    lines = [
        {
            "type": "span",
            "trace_id": f"{start_ns + number:032x}",
            "span_id": f"{start_ns + number:016x}",
            "name": name,
            "kind": "llm",
            "start_ns": start_ns + number,
            "end_ns": start_ns + number + 1,
            "input": "asked " * 50,
        }
        for number in range(count)
    ]
    decoded = decode_records(b"\n".join(json.dumps(line).encode() for line in lines))
    return Batch("p", spans=decoded.spans, derived=[Derived() for _ in decoded.spans])


def test_the_next_night_is_today_or_tomorrow() -> None:
    nightly_ns = parse_nightly("03:00")

    assert find_next(nightly_ns, MIDNIGHT_NS) == NIGHT_NS
    assert find_next(nightly_ns, NIGHT_NS) == NIGHT_NS + DAY_NS
    for text in ("24:00", "3:00", "03:60", "night"):
        with pytest.raises(ValueError, match="time of the day"):
            parse_nightly(text)


def test_at_night_the_rules_are_applied_and_the_file_is_rewritten(
    store: Store, writer: Writer
) -> None:
    writer.append(make_batch(10, NIGHT_NS - 9 * DAY_NS)).result()
    writer.perform(lambda c: save_rule(c, Rule(None, None, 1.0), 0)).result()
    times = iter([NIGHT_NS - 10**7, NIGHT_NS - 10**7])
    recorder = Recorder()
    keeper = Housekeeper(store, writer, recorder, clock_ns=lambda: next(times, NIGHT_NS + 10**9))

    keeper.start()
    assert recorder.asked.wait(30)
    keeper.close()

    assert recorder.reasons == ["nightly"]
    assert store.read("SELECT count(*) AS n FROM store.spans") == [{"n": 0}]


def test_a_rewrite_that_is_asked_for_runs_at_once_and_only_where_bytes_wait(
    store: Store, writer: Writer
) -> None:
    recorder = Recorder()
    keeper = Housekeeper(store, writer, recorder, clock_ns=lambda: MIDNIGHT_NS)
    keeper.start()
    keeper.ask_for_rewrite()
    receipt = Receipt("p", "r1", "user", None, MIDNIGHT_NS, {})
    writer.perform(lambda c: save_receipt(c, receipt)).result()
    keeper.ask_for_rewrite()

    assert recorder.asked.wait(30)
    keeper.close()
    assert set(recorder.reasons) == {"asked for"}


def test_a_missed_night_is_made_up_for_soon_after_the_start(store: Store, writer: Writer) -> None:
    receipt = Receipt("p", "r1", "user", None, MIDNIGHT_NS - 2 * DAY_NS, {})
    writer.perform(lambda c: save_receipt(c, receipt)).result()
    recorder = Recorder()
    keeper = Housekeeper(store, writer, recorder, clock_ns=lambda: MIDNIGHT_NS, first_s=0.0)

    keeper.start()
    assert recorder.asked.wait(30)
    keeper.close()


def test_batches_come_in_between_the_chunks_of_a_rule(store: Store, writer: Writer) -> None:
    writer.append(make_batch(20_000, MIDNIGHT_NS - 9 * DAY_NS)).result()
    writer.perform(lambda c: save_rule(c, Rule(None, None, None, 1.0), 0)).result()
    keeper = Housekeeper(store, writer, Recorder(), clock_ns=lambda: MIDNIGHT_NS)
    applying = threading.Thread(target=keeper.apply_rules)

    applying.start()
    between = 0
    while applying.is_alive():
        writer.append(make_batch(1, MIDNIGHT_NS + between, "new")).result()
        between += applying.is_alive()
    applying.join()

    assert between >= 5
    (row,) = store.read("SELECT count(*) AS n FROM store.spans WHERE input IS NOT NULL")
    assert row["n"] <= between + 1


def test_what_is_cut_off_goes_on_where_it_was(store: Store, writer: Writer) -> None:
    writer.append(make_batch(6_000, MIDNIGHT_NS - 9 * DAY_NS)).result()
    writer.perform(lambda c: save_rule(c, Rule(None, None, 1.0), 0)).result()
    keeper = Housekeeper(store, writer, Recorder(), clock_ns=lambda: MIDNIGHT_NS)

    first = keeper.apply_rules(limit_s=0.0)
    rest = keeper.apply_rules()

    assert not first.is_done
    assert rest.is_done
    assert sum(term.count for term in (*first.terms, *rest.terms)) == 6_000


def test_at_its_end_it_stops_between_two_chunks(store: Store, writer: Writer) -> None:
    writer.append(make_batch(6_000, MIDNIGHT_NS - 9 * DAY_NS)).result()
    writer.perform(lambda c: save_rule(c, Rule(None, None, 1.0), 0)).result()
    keeper = Housekeeper(store, writer, Recorder(), clock_ns=lambda: MIDNIGHT_NS)
    keeper.start()
    keeper.close()

    with pytest.raises(StoreUnavailableError, match="shutting down"):
        keeper.apply_rules()
    (row,) = store.read("SELECT count(*) AS n FROM store.spans")
    assert 0 < row["n"] < 6_000


def test_the_file_is_worth_a_rewrite_once_a_tenth_went_or_a_week_after_anything_did(
    store: Store, writer: Writer
) -> None:
    writer.append(make_batch(95, MIDNIGHT_NS)).result()

    def clear(time_ns: int, spans: int, others: int) -> None:
        writer.perform(lambda c: note_clearing(c, time_ns, spans, others)).result()

    assert not is_worth_rewriting(store, NIGHT_NS)
    clear(MIDNIGHT_NS, 5, 0)
    assert not is_worth_rewriting(store, NIGHT_NS)
    assert is_worth_rewriting(store, MIDNIGHT_NS + 7 * DAY_NS)
    clear(MIDNIGHT_NS, 6, 0)
    assert is_worth_rewriting(store, NIGHT_NS)

    done = {"started_ns": NIGHT_NS, "ended_ns": NIGHT_NS + 1, "bytes_before": 2, "bytes_after": 1}
    writer.perform(lambda c: save_rewrite(c, {**done, "fault": None})).result()
    assert not is_worth_rewriting(store, NIGHT_NS + 8 * DAY_NS)
    clear(NIGHT_NS + DAY_NS, 0, 1)
    assert not is_worth_rewriting(store, NIGHT_NS + 7 * DAY_NS)
    assert is_worth_rewriting(store, NIGHT_NS + 8 * DAY_NS)


def test_erasures_that_were_cut_off_are_ended_as_soon_as_it_starts(
    store: Store, writer: Writer
) -> None:
    ended = threading.Event()

    def finish() -> int:
        ended.set()
        return 1

    keeper = Housekeeper(store, writer, Recorder(), clock_ns=lambda: MIDNIGHT_NS, finish=finish)
    keeper.start()
    assert ended.wait(30)
    keeper.close()
