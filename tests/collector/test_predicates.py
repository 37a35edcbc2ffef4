"""The filter ``where``: comparisons of numbers, flags, texts, scores and attributes."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.store.filters import SpanFilters
from headway_collector.store.predicates import TEXTS

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]


def names(client: TestClient, *where: str) -> list[str]:
    response = client.get("/v1/spans", params={"order": "asc", "where": list(where)})
    assert response.status_code == 200, response.text
    return [span["name"] for span in response.json()["spans"]]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("input_tokens>=1000", ["large"]),
        ("input_tokens<1000", ["small"]),
        ("input_tokens != 10", ["large", "none"]),
        ("input_tokens=10", ["small"]),
        ("input_tokens>1e30", []),
        ("input_tokens<=10.5", ["small"]),
        ("cost_usd>0.01", ["large"]),
        ("total_tokens=1500", ["large"]),
        ("tokens_per_second>=1999", ["large"]),
        ("duration_ms<20", ["small"]),
        ("duration_ms>=250", ["large", "none"]),
        ("audio_input_tokens=7", ["large"]),
        ("is_abandoned=true", ["large"]),
        ("is_abandoned!=true", ["small", "none"]),
        ("error_type=TimeoutError", ["large"]),
        ("error_type!=TimeoutError", ["small", "none"]),
        ("name!=none", ["large", "small"]),
        ("attribute:customer.tier=gold", ["large"]),
        ("attribute:customer.tier!=gold", ["small", "none"]),
        ("attribute:shop.id>=7.5", ["small"]),
        ("attribute:customer.tier>1", []),
        ("attribute:it's/a~key=x=y", ["small"]),
        ("param:temperature>0.5", ["large"]),
        ("param:temperature=0.70", ["large"]),
        ("param:temperature!=0.7", ["small", "none"]),
        ("param:stop.at=END", ["small"]),
        ("param:temperature=warm", []),
        ('param:"a=b"=1', ["small"]),
        ("variable:city=Oslo", ["large"]),
        ("variable:city!=Oslo", ["small", "none"]),
        ("variable:temperature>0", []),
        ("variable:guests<=3", ["small"]),
        ("error_stack=line 1\nline 2", ["large"]),
        ("error_stack!=line 1\nline 2", ["small", "none"]),
    ],
)
def test_a_comparison_narrows(
    client: TestClient,
    ingest: Ingest,
    span_line: Lines,
    now_ns: int,
    where: str,
    expected: list[str],
) -> None:
    ingest(
        span_line(
            name="large",
            input_tokens=1000,
            output_tokens=500,
            audio_input_tokens=7,
            cost_usd=0.5,
            is_abandoned=True,
            error_type="TimeoutError",
            attributes={"customer.tier": "gold", "shop.id": 7},
            params={"temperature": 0.7},
            prompt_variables={"city": "Oslo", "guests": 4},
            error_stack="line 1\nline 2",
        ),
        span_line(
            name="small",
            input_tokens=10,
            cost_usd=0.01,
            start_ns=now_ns + 5 * 10**9,
            end_ns=now_ns + 5 * 10**9 + 19_999_999,
            attributes={"customer.tier": "free", "shop.id": 8, "it's/a~key": "x=y"},
            params={"temperature": 0.2, "stop.at": "END", "a=b": 1},
            prompt_variables={"city": "Rome", "guests": 3},
        ),
        span_line(name="none", start_ns=now_ns + 6 * 10**9),
    )

    assert names(client, where) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("score:helpful<0.5", ["was good"]),
        ("score:helpful>=0.5", ["good"]),
        ("score:helpful=true", ["good"]),
        ("score:helpful=1", ["good"]),
        ("score:helpful!=true", ["was good"]),
        ("score:tone=friendly", ["good"]),
        ("score:tone!=friendly", ["was good"]),
        ("score:tone>0", []),
        ("score:length=3.50", ["good"]),
        ("score:'; --=1", []),
    ],
)
def test_the_latest_score_of_a_name_is_compared(
    client: TestClient,
    ingest: Ingest,
    span_line: Lines,
    score_line: Lines,
    now_ns: int,
    where: str,
    expected: list[str],
) -> None:
    a, b = {"span_id": "a" * 16}, {"span_id": "b" * 16}
    ingest(
        span_line(name="good", **a),
        span_line(name="was good", **b),
        span_line(name="unscored"),
        score_line(value=False, time_ns=now_ns, **a),
        score_line(value=True, time_ns=now_ns + 1, **a),
        score_line(value=True, time_ns=now_ns, **b),
        score_line(value=False, time_ns=now_ns + 1, **b),
        score_line(name="tone", value="friendly", **a),
        score_line(name="tone", value="curt", **b),
        score_line(name="length", value=3.5, **a),
    )
    ingest(score_line(value=True, time_ns=now_ns + 9, **b), project="another")

    assert names(client, where) == expected


def test_a_score_of_a_trace_is_compared_on_the_span_of_that_trace_alone(
    client: TestClient, ingest: Ingest, span_line: Lines, score_line: Lines, now_ns: int
) -> None:
    first, second, shared = {"trace_id": "a" * 32}, {"trace_id": "b" * 32}, {"span_id": "c" * 16}
    ingest(
        span_line(name="first", start_ns=now_ns, **first, **shared),
        span_line(name="second", start_ns=now_ns + 1, **second, **shared),
        score_line(value=1, time_ns=now_ns + 1, **first, **shared),
        score_line(name="tone", value="curt", **shared),
    )

    assert names(client, "score:helpful=1") == ["first"]
    assert names(client, "score:tone=curt") == names(client, "score:tone!=kind")
    assert len(names(client, "score:tone=curt")) == 2

    ingest(score_line(value=0, time_ns=now_ns, **shared))
    assert names(client, "score:helpful=1") == ["first"]
    assert names(client, "score:helpful=0") == ["second"]


def test_comparisons_add_up(client: TestClient, ingest: Ingest, span_line: Lines) -> None:
    ingest(*[span_line(name=f"n{n}", input_tokens=n, output_tokens=n % 2) for n in range(4)])

    assert names(client, "input_tokens>=1", "output_tokens=1") == ["n1", "n3"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("cost_usd", "no comparison such as cost_usd>0.01"),
        ("", "no comparison"),
        ("colour=red", "there are duration_ms, input_tokens"),
        ("score:=1", "score:NAME"),
        ("attribute:>1", "attribute:KEY"),
        ("param:=1", "param:NAME and variable:NAME"),
        ("param:temperature>hot", "'hot' is not a number"),
        ("cost_usd>much", "'much' is not a number"),
        ("cost_usd>nan", "'nan' is not a number"),
        ("cost_usd>", "'' is not a number"),
        ("is_abandoned>true", "=true, =false"),
        ("is_abandoned=maybe", "=true, =false"),
        ("name>a", "only = and != can"),
        ("score:helpful>good", "'good' is not a number"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_what_can(
    client: TestClient, where: str, message: str
) -> None:
    response = client.get("/v1/spans", params={"where": where})

    assert response.status_code == 422
    assert message in response.json()["message"]


def test_every_text_that_can_be_compared_is_a_filter_too() -> None:
    assert set(TEXTS) <= set(SpanFilters.__slots__)
