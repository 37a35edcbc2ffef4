"""Windows from the store to the process that compares them: every call, described and drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from headway_collector.comparing import read_window
from headway_collector.drawing import draw_calls
from headway_collector.errors import InvalidRequestError
from headway_collector.store.connections import Store
from headway_collector.store.filters import SpanFilters
from headway_collector.store.frames import (
    KEY,
    LACKS,
    Draw,
    Files,
    parse_extra,
    write_rows,
    write_texts,
)
from headway_measures.descriptors.catalog import SCHEMA, VERSION
from headway_measures.descriptors.describing import describe
from headway_measures.drift.windows import Query, Window

Line = Callable[..., bytes]
Ingest = Callable[..., Any]


@pytest.fixture
def read(store: Store, tmp_path: Path) -> Callable[..., Window]:
    """Write a window's files and read them again."""

    def read(filters: SpanFilters | None = None, *, text_rows: int = 50, **options: Any) -> Window:
        said = {"seed": 0, "version": VERSION, "descriptors": tuple(SCHEMA), **options}
        window = filters or SpanFilters(), Files(tmp_path, "reference")
        written = write_rows(store, *window, Draw(**said))
        calls = pl.DataFrame(written.calls)
        are_wanted = calls[LACKS] | pl.Series(draw_calls(calls, text_rows))
        write_texts(store, *window, calls[KEY].filter(are_wanted).to_list())
        return read_window(window[1], Query(), written.count, text_rows)

    return read


def ask_about(number: int) -> dict[str, str]:
    return {"message": f"Where is parcel {number}?"}


def drop_texts(window: Window) -> pl.DataFrame:
    return window.rows.drop("prompt", "answer")


def describe_all(client: TestClient) -> None:
    cursor: str | None = None
    while True:
        query = {} if cursor is None else {"cursor": cursor}
        answer = client.post("/v1/describe", params=query)
        assert answer.status_code == 200, answer.text
        cursor = answer.json()["cursor"]
        if cursor is None:
            return


def test_a_window_holds_what_calls_come_with(
    read: Callable[..., Window], ingest: Ingest, span_line: Line
) -> None:
    ingest(
        span_line(
            input=ask_about(1),
            output="It arrives tomorrow.",
            session_id="s",
            user_id="u",
            request_model="m",
            prompt_name="triage",
            prompt_version="3",
            release="1.2",
            environment="live",
            tags=["kind:delivery"],
            finish_reasons=["stop", "length"],
            ttft_ms=7.5,
            input_tokens=4,
            output_tokens=9,
            cost_usd=0.5,
            status="ok",
        )
    )

    (row,) = read().rows.to_dicts()

    described = describe(
        pl.DataFrame(
            {
                "prompt": ["Where is parcel 1?"],
                "answer": ["It arrives tomorrow."],
                "finish_reason": ["stop"],
            }
        )
    ).to_dicts()[0]
    expected = {
        "trace_id": f"{1:032x}",
        "span_id": f"{1:016x}",
        "session_id": "s",
        "user_id": "u",
        "request_model": "m",
        "prompt_name": "triage",
        "prompt_version": "3",
        "release": "1.2",
        "environment": "live",
        "tags": ["kind:delivery"],
        "status": "ok",
        "finish_reason": "stop",
        "duration_ms": 250.0,
        "ttft_ms": 7.5,
        "input_tokens": 4,
        "output_tokens": 9,
        "cost_usd": 0.5,
        "prompt": "Where is parcel 1?",
        "answer": "It arrives tomorrow.",
    }
    start_ns = row.pop("start_ns")
    assert row == expected | described
    assert isinstance(start_ns, int)


def test_rows_stand_in_the_order_of_their_starts(
    read: Callable[..., Window], ingest: Ingest, span_line: Line, now_ns: int
) -> None:
    starts = [now_ns + offset for offset in (5, 3, 9, 3)]
    ingest(*(span_line(start_ns=start) for start in starts))

    rows = read().rows

    assert rows["start_ns"].to_list() == sorted(starts)
    assert rows["span_id"].to_list() == [f"{n:016x}" for n in (2, 4, 1, 3)]


def test_described_calls_and_others_come_to_the_same_rows(
    client: TestClient, read: Callable[..., Window], ingest: Ingest, span_line: Line, store: Store
) -> None:
    ingest(*(span_line(input=ask_about(n), output=f"No {n}.") for n in range(30)))
    ingest(span_line(input=None, output=None), span_line(input="[", output={"a": [1]}))
    describe_all(client)
    assert store.read("SELECT count(*) AS n FROM store.descriptors")[0]["n"] == 32

    stored = read()

    fresh = read(version=VERSION + 1)
    assert stored.rows.equals(fresh.rows)
    assert stored.rows["answer_chars"].null_count() == 1


def test_calls_that_were_written_anew_are_described_anew(
    client: TestClient, read: Callable[..., Window], ingest: Ingest, span_line: Line, store: Store
) -> None:
    ingest(span_line(output="A much longer answer than before."))
    describe_all(client)
    with store.transaction() as connection:
        connection.execute("UPDATE store.spans SET output = '\"Short.\"'")
        connection.execute(
            "INSERT INTO store.due_descriptors SELECT project, span_key, start_ns FROM store.spans"
        )

    assert read().rows["answer_chars"].to_list() == [6]


def test_only_drawn_calls_have_texts_and_the_seed_draws_them(
    read: Callable[..., Window], ingest: Ingest, span_line: Line
) -> None:
    ingest(*(span_line(input=ask_about(n), output=str(n)) for n in range(40)))

    window = read(text_rows=10)

    again, other = read(text_rows=10), read(text_rows=10, seed=1)
    assert window.rows["answer"].count() == window.rows["prompt"].count() == 10
    assert window.rows["answer_chars"].count() == 40
    assert window.rows.equals(again.rows)
    assert not window.rows["answer"].equals(other.rows["answer"], null_equal=True)
    assert drop_texts(window).equals(drop_texts(other))


def test_of_too_many_calls_so_many_are_drawn_and_all_are_counted(
    read: Callable[..., Window], ingest: Ingest, span_line: Line
) -> None:
    ingest(*(span_line(input=ask_about(n), output=str(n)) for n in range(40)))

    window = read(most_rows=15)

    assert (window.row_count, window.rows.height) == (40, 15)
    assert window.rows.equals(read(most_rows=15).rows)
    drawn = set(read(most_rows=15, seed=1).rows["span_id"])
    assert drawn != set(window.rows["span_id"])
    assert set(read(most_rows=20).rows["span_id"]) > set(window.rows["span_id"])


def test_the_latest_score_of_each_name_is_a_column_of_its_kind(
    read: Callable[..., Window], ingest: Ingest, span_line: Line, score_line: Line, now_ns: int
) -> None:
    ingest(span_line(), span_line())
    first, second = f"{1:016x}", f"{2:016x}"
    ingest(
        score_line(name="stars", value=2, time_ns=now_ns),
        score_line(name="stars", value=4.5, time_ns=now_ns + 1),
        score_line(name="stars", value=1, span_id=second, trace_id=f"{9:032x}"),
        score_line(name="helpful", value=False, span_id=second, trace_id=f"{2:032x}"),
        score_line(name="tone", value="kind", span_id=second),
        score_line(name="mixed", value="none", span_id=first),
        score_line(name="mixed", value=3, span_id=second),
    )

    rows = read().rows

    assert rows.select("^score:.*$").to_dict(as_series=False) == {
        "score:helpful": [None, False],
        "score:mixed": [None, 3.0],
        "score:stars": [4.5, None],
        "score:tone": [None, "kind"],
    }


def test_segments_are_columns_by_the_names_that_they_are_asked_by(
    read: Callable[..., Window], ingest: Ingest, span_line: Line
) -> None:
    ingest(span_line(attributes={'a"b': "x"}, provider="acme"), span_line(provider="acme"))

    rows = read(extra=('attribute:a"b', "provider", "request_model", "tag")).rows

    assert rows['attribute:a"b'].to_list() == ["x", None]
    assert rows["provider"].to_list() == ["acme", "acme"]
    assert "tag" not in rows.columns
    with pytest.raises(InvalidRequestError, match="'colour' is not a dimension"):
        parse_extra(["colour"])


def test_a_window_of_nothing_has_the_columns_of_any_other(
    read: Callable[..., Window], ingest: Ingest, span_line: Line
) -> None:
    ingest(span_line(output="x"))

    empty = read(SpanFilters(name=("nobody",)))

    assert (empty.row_count, empty.rows.height) == (0, 0)
    assert empty.rows.schema == read().rows.schema


def test_spans_of_one_id_in_two_traces_are_two_calls(
    client: TestClient, read: Callable[..., Window], ingest: Ingest, span_line: Line, now_ns: int
) -> None:
    same = {"span_id": f"{7:016x}", "start_ns": now_ns}
    ingest(
        span_line(**same, trace_id=f"{1:032x}", output="one"),
        span_line(**same, trace_id=f"{2:032x}", output="three"),
    )
    describe_all(client)

    rows = read().rows

    assert rows["answer_chars"].to_list() == [3, 5]
    assert rows["answer"].to_list() == ["one", "three"]
