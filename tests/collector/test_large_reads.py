"""What reads may take: bytes of an answer, rows of a slice, turns, and no time after the end."""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import duckdb
import pytest
from starlette.testclient import TestClient

from headway_collector.budgets import Turns
from headway_collector.errors import QueueFullError, StoreUnavailableError, TooBroadError
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Page
from headway_collector.store.searches import Rows, search
from headway_collector.store.slices import walk
from headway_collector.store.spans import MAX_PREVIEW_BYTES, PAGE_BYTES

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]

WAIT_S = 30
MEBIBYTE = "x" * 2**20
TRACE = "a" * 32


@pytest.fixture
def ingest_large(ingest: Ingest, span_line: Lines) -> None:
    """One trace of 40 spans and 40 MiB."""
    ingest(*[span_line(name=f"{n}", trace_id=TRACE, input=MEBIBYTE) for n in range(40)])


@pytest.fixture
def ingest_dense(ingest: Ingest, span_line: Lines, now_ns: int) -> None:
    """Forty spans that start within less than half a millisecond."""
    ingest(*[span_line(name=f"{n}", start_ns=now_ns + n * 10_000) for n in range(40)])


@pytest.mark.usefixtures("ingest_large")
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_a_page_of_whole_contents_ends_where_they_get_too_large_and_goes_on_from_there(
    client: TestClient, order: str
) -> None:
    params = {"content": "full", "limit": "1000", "order": order}
    first = client.get("/v1/spans", params=params).json()
    second = client.get("/v1/spans", params={**params, "cursor": first["next_cursor"]}).json()

    names = [span["name"] for page in (first, second) for span in page["spans"]]
    expected = [f"{n}" for n in range(40)]
    assert 0 < len(first["spans"]) <= PAGE_BYTES // 2**20
    assert not first["is_partial"]
    assert second["next_cursor"] is None
    assert names == (expected if order == "asc" else expected[::-1])


@pytest.mark.usefixtures("ingest_large")
def test_previews_are_small_enough_for_a_whole_page(client: TestClient) -> None:
    page = client.get("/v1/spans", params={"limit": "1000"}).json()

    assert len(page["spans"]) == 40
    assert page["next_cursor"] is None


def test_a_span_larger_than_a_page_has_a_page_of_its_own(
    client: TestClient, ingest: Ingest, span_line: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No span that is taken is as large as a page of today; one of tomorrow's may be.
    monkeypatch.setattr("headway_collector.store.spans.PAGE_BYTES", 1024 * 1024)
    for _ in range(2):
        ingest(span_line(input="x" * (1024 * 1024 + 1)))

    page = client.get("/v1/spans", params={"content": "full"}).json()

    assert len(page["spans"]) == 1
    assert page["next_cursor"] is not None


@pytest.mark.usefixtures("ingest_large")
def test_a_trace_that_gets_too_large_has_previews_in_place_of_the_later_contents(
    client: TestClient,
) -> None:
    trace = client.get(f"/v1/traces/{TRACE}").json()

    lengths = [len(span["input"]) for span in trace["spans"]]
    cut = [span["span_id"] for span in trace["spans"] if len(span["input"]) < 2**20]
    assert trace["is_partial"]
    assert trace["cut_span_ids"] == cut
    assert lengths == sorted(lengths, reverse=True)
    assert (len(lengths), max(lengths), min(lengths)) == (40, 2**20, 300)


@pytest.mark.parametrize("content", ["preview", "none"])
def test_long_attributes_and_messages_are_cut_where_contents_are_not_asked_for(
    client: TestClient, ingest: Ingest, span_line: Lines, content: str
) -> None:
    ingest(
        span_line(
            attributes={"page": MEBIBYTE},
            params={"temperature": 1},
            status_message="é" * 2**20,
            error_stack=MEBIBYTE,
        )
    )

    (cut,) = client.get("/v1/spans", params={"content": content}).json()["spans"]
    (full,) = client.get("/v1/spans", params={"content": "full"}).json()["spans"]

    assert cut["attributes"] == {"$cut": 2**20 + len('{"page":""}') + 1}
    assert cut["params"] == {"temperature": 1}
    assert len(cut["status_message"]) == len(cut["error_stack"]) == MAX_PREVIEW_BYTES
    assert full["attributes"] == {"page": MEBIBYTE}
    assert len(full["status_message"]) == len(full["error_stack"]) == 2**20


@pytest.mark.usefixtures("ingest_dense")
def test_slices_of_texts_hold_few_rows_however_close_these_are(store: Store) -> None:
    seconds = itertools.count()

    pieces = list(
        walk(store, Conditions(), has_texts=True, most_rows=8, clock_s=lambda: float(next(seconds)))
    )

    assert max(piece.row_count for piece in pieces) <= 8
    assert sum(piece.row_count for piece in pieces) == 40


@pytest.mark.usefixtures("ingest_large")
def test_the_first_slice_of_texts_is_small_where_these_are_long(
    store: Store, ingest: Ingest, span_line: Lines
) -> None:
    first = next(walk(store, Conditions(), has_texts=True))

    assert 0 < first.row_count <= 32


@pytest.mark.usefixtures("ingest_dense")
def test_a_search_whose_first_slice_takes_too_long_goes_on_with_a_smaller_one(
    store: Store,
) -> None:
    limits_s = []

    def find(conditions: Conditions, page: Page, limit_s: float) -> Rows:
        limits_s.append(limit_s)
        rows = store.read(
            f"SELECT start_ns FROM store.spans AS spans {conditions.where}", conditions.values
        )
        if len(rows) > 3:
            raise duckdb.InterruptException("for a test")
        return rows

    found = search(store, Conditions(), Conditions(), Page(), find)

    assert 0 < len(found.rows) < 40
    assert found.edge_ns is not None
    assert limits_s[0] < 3


def test_a_search_that_one_span_holds_up_is_refused(
    store: Store, ingest: Ingest, span_line: Lines
) -> None:
    ingest(span_line())

    def find(conditions: Conditions, page: Page, limit_s: float) -> Rows:
        raise duckdb.InterruptException("for a test")

    with pytest.raises(TooBroadError, match="one span takes more than 10 s"):
        search(store, Conditions(), Conditions(), Page(), find)


def test_reads_end_with_the_collector(store: Store) -> None:
    endless = "SELECT count(*) FROM range(1000000000000) AS numbers(n) WHERE n % 7 = 3"
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(store.read, endless)
        deadline_s = time.monotonic() + WAIT_S
        while not reading.running() and time.monotonic() < deadline_s:
            pass
        store.stop_reading()

        with pytest.raises(StoreUnavailableError, match="shutting down"):
            reading.result(WAIT_S)
    with pytest.raises(StoreUnavailableError, match="shutting down"):
        store.read("SELECT 1")


def test_large_reads_wait_for_each_other() -> None:
    turns = Turns(at_once=1, waiting=1, patience_s=WAIT_S)
    may_end, has_begun = threading.Event(), threading.Event()
    at_work: list[str] = []

    def work(name: str) -> list[str]:
        with turns.take():
            at_work.append(name)
            seen = list(at_work)
            has_begun.set()
            assert may_end.wait(WAIT_S)
            at_work.remove(name)
        return seen

    with ThreadPoolExecutor() as pool:
        first = pool.submit(work, "first")
        assert has_begun.wait(WAIT_S)
        second = pool.submit(work, "second")
        may_end.set()

        assert (first.result(WAIT_S), second.result(WAIT_S)) == (["first"], ["second"])


@pytest.mark.parametrize(
    "path",
    ["spans?", "sessions?", "prompts?", "metrics?", "metrics?by=name&", "facets?field=name&"],
)
def test_who_looks_through_texts_takes_a_turn(client: TestClient, path: str) -> None:
    state, turns = client.app.state, Turns(at_once=1, waiting=0)  # type: ignore[attr-defined]
    state.collector = replace(state.collector, searches=turns)
    with turns.take():
        answers = [client.get(f"/v1/{path}{more}") for more in ("", "q=x", "where=attribute:k=1")]

    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert client.get(f"/v1/{path}q=x").status_code == 200


@pytest.mark.parametrize("path", ["metrics?by", "facets?field"])
def test_who_groups_by_attributes_takes_a_turn(client: TestClient, path: str) -> None:
    state, turns = client.app.state, Turns(at_once=1, waiting=0)  # type: ignore[attr-defined]
    state.collector = replace(state.collector, searches=turns)
    with turns.take():
        answer = client.get(f"/v1/{path}=attribute:k")

    assert answer.status_code == 429


def test_a_large_read_is_sent_away_where_too_many_wait() -> None:
    turns = Turns(at_once=1, waiting=0)

    refusal = pytest.raises(QueueFullError, match="too many large reads wait")
    with turns.take(), refusal, turns.take():
        pass
    with turns.take():
        pass


def test_who_waits_too_long_for_a_turn_is_sent_away() -> None:
    turns = Turns(at_once=1, waiting=1, patience_s=0.01)

    with turns.take(), pytest.raises(QueueFullError, match="take too long"), turns.take():
        pass
