"""Every canonical field can be filtered, compared, counted and measured, each by its own column."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.store.connections import Store
from headway_collector.store.dimensions import COLUMNS, LISTS
from headway_collector.store.predicates import FLAGS, NUMBERS

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]

# The columns of numbers; what is computed of several has tests of its own.
STORED_NUMBERS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "cost_usd",
    "ttft_ms",
    "chunk_count",
    "chunk_p50_ms",
    "chunk_p95_ms",
)
COMPUTED_NUMBERS = ("duration_ms", "total_tokens", "tokens_per_second")
SUMS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "cost_usd",
)
TEXTS = (
    "project",
    "kind",
    "name",
    "status",
    "request_model",
    "response_model",
    "provider",
    "price_version",
    "user_id",
    "session_id",
    "trace_id",
    "prompt_name",
    "prompt_version",
    "environment",
    "release",
    "error_type",
    "status_message",
)


def names(client: TestClient, **params: Any) -> list[str]:
    response = client.get("/v1/spans", params={"order": "asc", **params})
    assert response.status_code == 200, response.text
    return [span["name"] for span in response.json()["spans"]]


def write(store: Store, column: str, values: dict[str, Any]) -> None:
    """Give spans their values of a column, whatever our clients may send there."""
    for name, value in values.items():
        store.read(f"UPDATE store.spans SET {column} = $1 WHERE name = $2", [value, name])


@pytest.fixture
def pair(ingest: Ingest, span_line: Lines) -> None:
    """Two spans that say nothing."""
    ingest(span_line(name="low"), span_line(name="high"))


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("field", STORED_NUMBERS)
def test_a_number_is_compared_by_its_own_column(
    client: TestClient, store: Store, field: str
) -> None:
    write(store, field, {"low": 3, "high": 4})

    assert names(client, where=f"{field}>3") == ["high"]
    assert names(client, where=f"{field}<=3") == ["low"]


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("field", ["is_abandoned", "is_usage_inconsistent"])
def test_a_flag_is_compared_by_its_own_column(client: TestClient, store: Store, field: str) -> None:
    write(store, field, {"low": False, "high": True})

    assert names(client, where=f"{field}=true") == ["high"]
    assert names(client, where=f"{field}!=true") == ["low"]


def test_no_other_number_or_flag_can_be_compared() -> None:
    assert set(NUMBERS) == {*STORED_NUMBERS, *COMPUTED_NUMBERS}
    assert FLAGS == ("is_abandoned", "is_usage_inconsistent")


@pytest.mark.usefixtures("pair")
def test_spans_are_narrowed_by_the_version_of_their_price(client: TestClient, store: Store) -> None:
    write(store, "price_version", {"low": "prices.toml 1", "high": "prices.toml 2"})

    assert names(client, price_version="prices.toml 2") == ["high"]
    assert names(client, where="price_version!=prices.toml 2") == ["low"]


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("field", [field for field in TEXTS if field not in ("name", "kind")])
def test_a_text_is_a_dimension_and_a_facet(client: TestClient, store: Store, field: str) -> None:
    write(store, field, {"low": "a", "high": "b"})

    rows = client.get("/v1/metrics", params={"by": field}).json()["rows"]
    facets = client.get("/v1/facets", params={"field": field}).json()["facets"]

    assert rows == [{field: "a", "count": 1}, {field: "b", "count": 1}]
    assert facets == {field: [{"value": "a", "count": 1}, {"value": "b", "count": 1}]}


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("field", ["tag", "finish_reason"])
def test_a_list_is_a_dimension_and_a_facet(client: TestClient, store: Store, field: str) -> None:
    write(store, LISTS[field], {"low": ["a", "b"], "high": ["b"]})

    facets = client.get("/v1/facets", params={"field": field}).json()["facets"]

    assert facets == {field: [{"value": "b", "count": 2}, {"value": "a", "count": 1}]}


def test_there_are_no_other_dimensions() -> None:
    assert COLUMNS == TEXTS
    assert tuple(LISTS) == ("tag", "finish_reason")


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize("measure", SUMS)
def test_a_sum_is_of_its_own_column(client: TestClient, store: Store, measure: str) -> None:
    write(store, measure, {"low": 3, "high": 4})

    assert client.get("/v1/metrics", params={"measure": measure}).json()["totals"] == {measure: 7}


@pytest.mark.usefixtures("pair")
@pytest.mark.parametrize(
    ("measure", "column"),
    [("abandoned", "is_abandoned"), ("inconsistent_usage", "is_usage_inconsistent")],
)
def test_flagged_spans_are_counted(
    client: TestClient, store: Store, measure: str, column: str
) -> None:
    write(store, column, {"low": False, "high": True})

    assert client.get("/v1/metrics", params={"measure": measure}).json()["totals"] == {measure: 1}


def test_unless_asked_otherwise_a_page_is_the_newest_fifty(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(*[span_line(name=f"hit {number}") for number in range(60)])
    newest = [f"hit {number}" for number in reversed(range(10, 60))]

    listed = client.get("/v1/spans").json()
    found = client.get("/v1/spans", params={"q": "HIT"}).json()

    assert [span["name"] for span in listed["spans"]] == newest
    assert [span["name"] for span in found["spans"]] == newest
