"""Sums over texts have a limit of time: they are answered within it, or told to ask for less."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.errors import TooBroadError
from headway_collector.store.connections import Store
from headway_collector.store.deadlines import Deadline
from headway_collector.store.facets import read_facets
from headway_collector.store.filters import SpanFilters
from headway_collector.store.metrics import read_metrics
from headway_collector.store.paging import Page
from headway_collector.store.prompts import list_prompts
from headway_collector.store.sessions import list_sessions

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]

# Minutes of work.
ENDLESS = "SELECT count(*) FROM range(1000000000000) AS numbers(n) WHERE n % 7 = 3"
SEARCH = SpanFilters(q="parcel")


def ask_metrics(store: Store, deadline: Deadline) -> Any:
    by = ("tag", "finish_reason")
    return read_metrics(store, SEARCH, ["count"], by, deadline=deadline)["totals"]["count"]


def ask_facets(store: Store, deadline: Deadline) -> Any:
    names = ("request_model", "session_id")
    return len(read_facets(store, SEARCH, names, deadline=deadline)["facets"]["session_id"])


def ask_prompts(store: Store, deadline: Deadline) -> Any:
    return len(list_prompts(store, SEARCH, Page(), deadline=deadline)["prompts"])


def ask_sessions(store: Store, deadline: Deadline) -> Any:
    return len(list_sessions(store, SEARCH, Page(), deadline=deadline)["sessions"])


ASKED = (ask_metrics, ask_facets, ask_prompts, ask_sessions)


@pytest.mark.parametrize("ask", ASKED)
def test_a_sum_over_texts_is_refused_when_its_time_is_up(
    store: Store, ingest: Ingest, span_line: Lines, ask: Callable[[Store, Deadline], Any]
) -> None:
    for number in range(3):
        fields = {"session_id": f"s{number}", "prompt_name": f"p{number}"}
        ingest(span_line(input="where is my parcel?", **fields))
    ticks = itertools.count()

    assert ask(store, Deadline(3600.0)) == 3
    with pytest.raises(TooBroadError, match="more than 1 s: narrow the time with start and end"):
        ask(store, Deadline(1.0, clock_s=lambda: float(next(ticks))))


def test_a_read_that_takes_too_long_is_stopped_in_the_middle(store: Store) -> None:
    began_s = time.monotonic()
    with pytest.raises(TooBroadError):
        Deadline(0.1).read(store, ENDLESS)

    assert time.monotonic() - began_s < 30


def test_what_one_read_took_the_next_ones_of_the_answer_have_no_more(store: Store) -> None:
    times_s = iter((0.0, 0.0, 9.0, 10.5))
    deadline = Deadline(10.0, clock_s=lambda: next(times_s))
    deadline.read(store, "SELECT 1")
    deadline.read(store, "SELECT 1")

    with pytest.raises(TooBroadError):
        deadline.read(store, "SELECT 1")


def test_a_store_that_was_interrupted_answers_the_next_question(store: Store) -> None:
    with pytest.raises(TooBroadError):
        Deadline(0.1).read(store, ENDLESS)

    assert Deadline(60.0).read(store, "SELECT $1 AS n", [7]) == [{"n": 7}]


def test_whoever_asks_for_too_much_gets_a_clear_answer(client: TestClient, store: Store) -> None:
    @client.app.get("/v1/all")  # type: ignore[attr-defined]
    def read_all() -> None:
        Deadline(0.05).read(store, ENDLESS)

    refused = client.get("/v1/all")

    assert (refused.status_code, refused.json()["code"]) == (422, "too_broad")
    assert "narrow the time" in refused.json()["message"]
