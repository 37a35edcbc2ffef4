"""Descriptors of stored calls: those that came, those that were written anew, and all in bulk."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import polars as pl
import pytest

from headway_collector.describing import Describing
from headway_collector.descriptions import describe_calls
from headway_collector.store import described
from headway_measures.descriptors.catalog import METRICS, SCHEMA, VERSION
from headway_measures.descriptors.describing import describe
from tests.collector.call_worlds import (
    ANSWERS,
    SECOND_NS,
    World,
    describe_all,
    describe_in_bulk,
    make_span,
    open_world,
)


@pytest.fixture
def world() -> Iterator[World]:
    """An empty store with a running writer; nothing is described by itself."""
    with open_world() as world:
        yield world


def test_the_table_has_a_column_for_each_descriptor(world: World) -> None:
    types = {pl.Int64: "BIGINT", pl.Float64: "DOUBLE", pl.String: "VARCHAR", pl.Boolean: "BOOLEAN"}
    rows = world.store.read(
        "SELECT column_name AS name, data_type AS type FROM duckdb_columns() "
        "WHERE database_name = 'store' AND table_name = 'descriptors' ORDER BY column_index"
    )
    columns = [(row["name"], row["type"]) for row in rows]

    assert columns[-len(SCHEMA) - 1 : -1] == [(name, types[kind]) for name, kind in SCHEMA.items()]
    assert columns[-1] == ("own", "VARCHAR")


def test_every_descriptor_can_be_asked_for_as_what_it_is() -> None:
    asked = {
        "number": described.NUMBERS,
        "rate": described.RATES,
        "category": described.CATEGORIES,
    }

    for kind, names in asked.items():
        assert set(names) == {name for name, metric in METRICS.items() if metric.kind == kind}


def test_a_row_repeats_what_narrows_its_call_and_says_what_was_said(world: World) -> None:
    world.append(make_span(1), make_span(2, kind="tool"))
    assert describe_all(world.make_describer()) == 1
    (row,) = world.list_rows("* EXCLUDE start_time")

    assert row["start_ns"] == SECOND_NS
    assert world.list_rows("start_time::VARCHAR AS time") == [{"time": "1970-01-01 00:00:01+00"}]
    assert (row["project"], row["request_model"], row["prompt_version"]) == (
        "p",
        "support-7b",
        "v3",
    )
    assert (row["tags"], row["version"], row["own"]) == (["kind:delivery"], VERSION, None)
    assert row["prompt_chars"] == len("Where is parcel 1?")
    assert (row["answer_chars"], row["is_refusal"]) == (len(ANSWERS[1]), True)


def test_what_is_described_as_it_comes_equals_what_is_described_in_bulk(world: World) -> None:
    describer = world.make_describer(chunk_rows=3)
    for first in range(0, 20, 5):
        world.append(*(make_span(number) for number in range(first, first + 5)))
        describe_all(describer)
    came = world.list_rows()
    with open_world() as other:
        for first in range(0, 20, 5):
            other.append(*(make_span(number) for number in range(first, first + 5)))
        bulk = other.make_describer()
        assert describe_in_bulk(bulk) == 20
        assert describe_in_bulk(bulk) == 0
        assert describe_in_bulk(bulk, is_all=True) == 20

        assert other.list_rows() == came
    assert len(came) == 20


def test_more_calls_than_a_chunk_may_arrive_in_one_commit(world: World) -> None:
    world.append(*(make_span(number) for number in range(1, 11)))
    describer = world.make_describer(chunk_rows=3)

    assert [describer.describe_next() for _ in range(5)] == [3, 3, 3, 1, None]
    assert len(world.list_rows()) == 10


def test_texts_that_are_too_large_together_are_described_one_after_the_other(
    world: World,
) -> None:
    world.append(*(make_span(number, "word " * 500_000) for number in range(1, 4)))
    describer = world.make_describer()

    assert [describer.describe_next() for _ in range(3)] == [2, 1, None]
    assert describe_in_bulk(describer, limit=3, is_all=True) == 3
    assert len(world.list_rows()) == 3


def test_a_call_that_arrives_while_the_clock_stands_or_steps_back_is_described(
    world: World,
) -> None:
    describer = world.make_describer()
    world.append(make_span(1))
    describe_all(describer)
    world.clock.now_ns -= 30 * SECOND_NS
    world.append(make_span(2))

    assert describe_all(describer) == 1
    assert len(world.list_rows()) == 2


def test_spans_of_one_id_in_two_traces_are_two_calls(world: World) -> None:
    world.append(make_span(1), make_span(1, trace_id="f" * 32))
    describer = world.make_describer()

    assert describe_all(describer) == 2
    world.rewrite(1, output=b'"now"')
    describe_all(describer)
    assert sorted(row["answer_chars"] for row in world.list_rows()) == [3, len(ANSWERS[1])]


def test_a_span_that_is_written_anew_is_described_again(world: World) -> None:
    describer = world.make_describer()
    world.append(make_span(1), make_span(2))
    describe_all(describer)
    world.rewrite(1, output=b'"four"')
    due = describer.tell()["due"]

    assert (due, describe_all(describer)) == (1, 1)
    assert [row["answer_chars"] for row in world.list_rows()] == [4, len(ANSWERS[2])]
    assert describer.tell()["due"] == 0


def test_a_span_that_is_no_call_any_more_loses_its_row(world: World) -> None:
    describer = world.make_describer()
    world.append(make_span(1), make_span(2))
    describe_all(describer)
    world.rewrite(1, kind="tool")
    describe_all(describer)

    assert [row["span_key"] for row in world.list_rows()] == [2]
    assert describer.tell()["due"] == 0


def test_what_is_written_anew_while_it_is_described_stays_due(world: World) -> None:
    def rewrite_meanwhile(calls: Any) -> Any:
        made = describe_calls(calls)
        if calls[0]["output"] != b'"latest"'.decode():
            world.rewrite(1, output=b'"latest"')
        return made

    world.append(make_span(1))
    world.rewrite(1, output=b'"first"')
    describer = world.make_describer(load=lambda: Describing(VERSION, rewrite_meanwhile))
    describer.describe_next()

    assert [row["answer_chars"] for row in world.list_rows()] == [len("first")]
    assert describe_all(describer) == 1
    assert [row["answer_chars"] for row in world.list_rows()] == [len("latest")]


def test_a_raised_version_describes_everything_again(world: World) -> None:
    world.append(*(make_span(number) for number in range(1, 6)))
    describe_all(world.make_describer())
    better = partial(Describing, VERSION + 1, describe_calls)
    describer = world.make_describer(load=better, chunk_rows=2)
    before = describer.tell()

    assert (before["described"], before["due"]) == (0, 5)
    assert describe_all(describer) == 5
    assert {row["version"] for row in world.list_rows("* EXCLUDE start_time")} == {VERSION + 1}
    assert len(world.list_rows()) == 5
    assert describe_all(world.make_describer()) == 0, "an older program leaves them as they are"


def test_a_call_that_cannot_be_described_costs_only_its_own_row(world: World) -> None:
    def describe_most(frame: pl.DataFrame) -> pl.DataFrame:
        if frame["prompt"].str.contains("parcel 3").any():
            raise ValueError("it has a three")
        return describe(frame)

    world.append(*(make_span(number) for number in range(1, 8)))
    faulty = partial(describe_calls, describe=describe_most)
    describer = world.make_describer(load=lambda: Describing(VERSION, faulty))

    assert describe_all(describer) == 7
    described_rows = [row["answer_chars"] is not None for row in world.list_rows()]
    assert described_rows == [number != 3 for number in range(1, 8)]
    assert (describer.tell()["faults"], describer.tell()["due"]) == (1, 0)


@pytest.mark.parametrize("raw", [b'"\\ud800"', b"[" * 2000 + b"]" * 2000, b"1e999", b"", b"{"])
def test_whatever_stands_in_a_call_has_a_row(world: World, raw: bytes) -> None:
    world.append(make_span(1, input=raw, output=raw), make_span(2))

    assert describe_all(world.make_describer()) == 2
    assert len(world.list_rows()) == 2
