"""Foreign rows after an upgrade of the mapper, and costs after one of the prices."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from headway_collector.costs.pricing import Prices
from headway_collector.costs.tables import read_prices
from headway_collector.dialects.mapping import MAPPER_VERSION, Mapped, is_pending, map_span
from headway_collector.otlp.telemetry import OtelSpan
from headway_collector.remapping import Progress, Remapper
from headway_collector.store.batches import Batch
from headway_collector.store.chunks import Selection
from headway_collector.store.connections import Store
from headway_collector.store.paging import Page
from headway_collector.store.writes import append_batches
from tests.collector.dialects.examples import NAMES, load_example, make_span

NEXT_VERSION = MAPPER_VERSION + 1
MODEL = {"gen_ai.request.model": "support-7b", "gen_ai.operation.name": "chat"}
COUNTED = {**MODEL, "gen_ai.usage.input_tokens": 1_000_000, "gen_ai.usage.output_tokens": 0}


def map_better(otel: OtelSpan) -> Mapped:
    """Map as today, and find one thing more."""
    mapped = map_span(otel)
    mapped.span.user_id = otel.attributes.get("customer")
    mapped.derived.mapper_version = NEXT_VERSION
    return mapped


@pytest.fixture
def better() -> Remapper:
    """What an upgraded Headway would have."""
    return Remapper(version=NEXT_VERSION, mapper=map_better)


def append(store: Store, otels: Sequence[OtelSpan], prices: Prices | None = None) -> None:
    mapped = [map_span(otel) for otel in otels]
    spans, derived = [m.span for m in mapped], [m.derived for m in mapped]
    (prices or Prices()).price(spans, derived)
    with store.transaction() as connection:
        append_batches(connection, [Batch("p", None, spans, derived)], 7)


def remap(store: Store, remapper: Remapper, **options: Any) -> list[Progress]:
    """Remap to the end, each chunk in a transaction of its own."""
    return run(store, lambda *a: remapper.remap(*a, **options))


def chunk(cursor: str | None) -> Page:
    return Page(4, cursor, is_descending=False)


def run(store: Store, work: Callable[..., Progress]) -> list[Progress]:
    done: list[Progress] = []
    while not done or done[-1].cursor is not None:
        with store.transaction() as connection:
            done.append(work(connection, Selection(), chunk(done[-1].cursor if done else None)))
    return done


def dump(store: Store) -> list[dict[str, Any]]:
    return store.read("SELECT * EXCLUDE start_time FROM store.spans ORDER BY span_id")


def spans_of(count: int, attributes: dict[str, Any] = MODEL) -> list[OtelSpan]:
    return [make_span(attributes, span_id=f"{n + 1:016x}") for n in range(count)]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_mapper_changes_nothing(store: Store, name: str) -> None:
    append(store, [otel for otel in load_example(name).spans if not is_pending(otel)])
    before = dump(store)
    done = remap(store, Remapper(), is_all=True)

    assert sum(each.rows for each in done) == len(before)
    assert [each.changed for each in done] == [0] * len(done)
    assert dump(store) == before


def test_rows_of_this_mapper_are_not_even_looked_at(store: Store) -> None:
    append(store, spans_of(3))

    assert remap(store, Remapper()) == [Progress(None, 0, 0)]


def test_a_better_mapper_changes_exactly_what_it_reads_otherwise(
    store: Store, better: Remapper
) -> None:
    append(store, [*spans_of(2), make_span(MODEL | {"customer": "u1"}, span_id="f" * 16)])
    before = dump(store)
    (progress,) = remap(store, better)

    assert (progress.rows, progress.changed) == (3, 1)
    stamped = [{**row, "mapper_version": NEXT_VERSION} for row in before]
    assert dump(store) == [*stamped[:2], {**stamped[2], "user_id": "u1"}]


def test_a_second_run_finds_nothing_left(store: Store, better: Remapper) -> None:
    append(store, [make_span(MODEL | {"customer": "u1"})])
    remap(store, better)

    assert remap(store, better) == [Progress(None, 0, 0)]
    assert [each.changed for each in remap(store, better, is_all=True)] == [0]


def test_an_id_that_was_used_again_stays_two_rows_however_often(
    store: Store, better: Remapper
) -> None:
    first = make_span(MODEL | {"customer": "u1"})
    second = make_span(MODEL | {"customer": "u2"})
    second.start_ns += 60 * 10**9
    second.end_ns += 60 * 10**9
    append(store, [first])
    append(store, [second])

    for _ in range(2):
        remap(store, better, is_all=True)

    assert [row["user_id"] for row in dump(store)] == ["u1", "u2"]


def test_rows_of_our_own_clients_are_left_alone(store: Store, better: Remapper) -> None:
    mapped = map_span(make_span(MODEL | {"customer": "u1"}))
    mapped.derived.mapper_version = mapped.derived.otel = None
    with store.transaction() as connection:
        append_batches(connection, [Batch("p", None, [mapped.span], [mapped.derived])], 7)

    assert [each.rows for each in remap(store, better, is_all=True)] == [0]


def test_a_run_that_was_stopped_goes_on_where_it_was(store: Store, better: Remapper) -> None:
    append(store, spans_of(10, MODEL | {"customer": "u1"}))
    with store.transaction() as connection:
        first = better.remap(connection, Selection(), chunk(None))
    rest = remap(store, better)

    assert (first.rows, first.changed) == (4, 4)
    assert [each.rows for each in rest] == [4, 2]
    assert {row["user_id"] for row in dump(store)} == {"u1"}


def test_a_span_that_the_mapper_fails_on_stays_and_stops_nothing(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def fail_on_one(otel: OtelSpan) -> Mapped:
        if otel.span_id == f"{1:016x}":
            raise ValueError("no such thing")
        return map_better(otel)

    append(store, spans_of(2, MODEL | {"customer": "u1"}))
    failing = Remapper(version=NEXT_VERSION, mapper=fail_on_one)

    assert [each.changed for each in remap(store, failing)] == [1]
    assert [row["mapper_version"] for row in dump(store)] == [MAPPER_VERSION, NEXT_VERSION]
    assert f"span {1:016x} of p cannot be mapped again" in caplog.text


def test_a_mapping_that_may_not_be_stored_is_not(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def count_too_much(otel: OtelSpan) -> Mapped:
        mapped = map_better(otel)
        mapped.span.input_tokens = 10**15
        return mapped

    append(store, spans_of(1))
    before = dump(store)
    remap(store, Remapper(version=NEXT_VERSION, mapper=count_too_much))

    assert dump(store) == before
    assert "stays as it is: input_tokens" in caplog.text


def make_prices(path: Path, input_price: float) -> Prices:
    path.write_text(f'[[price]]\nmodel = "support-7b"\ninput = {input_price}\noutput = 0\n')
    return Prices(read_prices(path))


def test_new_prices_give_new_costs_and_leave_reported_ones(store: Store, tmp_path: Path) -> None:
    old, new = (make_prices(tmp_path / "prices.toml", price) for price in (2, 3))
    reported = make_span(COUNTED | {"gen_ai.usage.cost": 0.5}, span_id="f" * 16)
    append(store, [*spans_of(2, COUNTED), reported], old)
    before = [row["cost_usd"] for row in dump(store)]
    (progress,) = run(store, Remapper(new).reprice)

    assert before == [2.0, 2.0, 0.5]
    assert [row["cost_usd"] for row in dump(store)] == [3.0, 3.0, 0.5]
    assert (progress.rows, progress.changed) == (2, 2)


def test_the_same_prices_change_nothing(store: Store, tmp_path: Path) -> None:
    prices = make_prices(tmp_path / "prices.toml", 2)
    append(store, spans_of(3, COUNTED), prices)
    before = dump(store)
    (progress,) = run(store, Remapper(prices).reprice)

    assert (progress.rows, progress.changed) == (3, 0)
    assert dump(store) == before


def test_a_span_that_is_mapped_again_costs_what_it_costs_today(
    store: Store, tmp_path: Path
) -> None:
    old, new = (make_prices(tmp_path / "prices.toml", price) for price in (2, 3))
    append(store, spans_of(1, COUNTED), old)
    remap(store, Remapper(new), is_all=True)

    (row,) = dump(store)
    assert row["cost_usd"] == 3.0
