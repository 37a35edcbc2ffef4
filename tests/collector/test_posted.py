"""Bodies of JSON: held while they are worked on, and decoded where nobody waits behind them."""

import json
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.budgets import ByteBudget
from headway_collector.errors import BodyTooLargeError, InvalidRequestError
from headway_collector.piecewise import MAX_ITEMS, decode_pieces, dump_pieces
from headway_collector.routes.posted import SMALL_LIMIT_BYTES, PostedRoute
from headway_collector.schemas.evaluations import Comparison, RunBody, ScoreBody
from headway_collector.store.connections import Store
from tests.collector.test_evaluations import COMPARISON, RESULTS, RUN

BODY = {"run": RUN, "results": RESULTS}


def _grow(_: int) -> None:
    pass


@pytest.mark.parametrize(("model", "body"), [(RunBody, BODY), (Comparison, COMPARISON)])
def test_pieces_are_what_the_whole_is(model: type[Any], body: dict[str, Any]) -> None:
    whole = model.model_validate(body)

    pieces = decode_pieces(json.dumps(body).encode(), model, _grow)

    assert pieces == whole
    assert dump_pieces(pieces) == whole.model_dump()


def test_a_fault_in_a_piece_says_where_it_is() -> None:
    body = BODY | {"results": [*RESULTS, {"case_id": "x", "passed": "perhaps"}]}

    with pytest.raises(RequestValidationError) as raised:
        decode_pieces(json.dumps(body).encode(), RunBody, _grow)

    assert [each["loc"] for each in raised.value.errors()] == [
        ("body", "results", len(RESULTS), "passed")
    ]


def test_very_many_faults_in_a_piece_are_one() -> None:
    body = BODY | {"results": [{"case_id": "x", "tags": [1] * 10_000}]}

    with pytest.raises(RequestValidationError) as raised:
        decode_pieces(json.dumps(body).encode(), RunBody, _grow)

    assert [each["msg"] for each in raised.value.errors()] == ["10000 faults"]


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"run":{}', b'{"results":[{]}', b"\xff", b'{"run":{"a":NaN}}']
)
def test_what_is_no_json_is_refused_in_pieces_too(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        decode_pieces(body, RunBody, _grow)


def test_more_items_than_there_is_room_for_are_refused_before_they_are_made() -> None:
    body = b'{"results":[' + b"{}," * MAX_ITEMS + b"{}]}"

    with pytest.raises(BodyTooLargeError, match=f"{MAX_ITEMS + 1} items"):
        decode_pieces(body, RunBody, _grow)


@pytest.mark.parametrize("field", ["suite", "verdict", "baseline_model"])
@pytest.mark.parametrize("filling", ["", "x" * 40_000])
def test_half_a_character_is_refused_in_small_bodies_and_large_ones(
    client: TestClient, field: str, filling: str
) -> None:
    flips = [{"case_id": filling, "direction": "to_fail"}]
    body = json.dumps(COMPARISON | {field: "\ud800", "flips": flips})

    answer = client.post("/v1/comparisons", content=body)

    assert answer.status_code == 422
    # Large ones are cut into pieces by a reader that has words of its own for it.
    assert ("hex escape" if filling else "half a character") in answer.json()["message"]


def test_every_route_with_a_body_of_json_holds_it(store: Store) -> None:
    def walk(routes: Any) -> list[APIRoute]:
        found = []
        for each in routes:
            found += walk(getattr(getattr(each, "original_router", each), "routes", []))
            found += [each] if isinstance(each, APIRoute) else []
        return found

    routes = [each for each in walk(create_app(store).routes) if each.body_field is not None]

    assert len(routes) > 8
    assert [each.path for each in routes if not isinstance(each, PostedRoute)] == []


def test_a_body_without_lists_has_a_smaller_limit(client: TestClient) -> None:
    comment = "x" * SMALL_LIMIT_BYTES
    body = {"name": "n", "value": 1, "span_id": "0" * 15 + "1", "comment": comment}

    answer = client.post("/v1/scores", json=body)

    assert answer.status_code == 413
    assert str(SMALL_LIMIT_BYTES) in answer.json()["message"]
    assert ScoreBody.model_fields.keys() >= body.keys()


@pytest.mark.parametrize("name", ["/v1/scores", "/v1/runs", "/v1/drift/heatmap"])
def test_a_body_that_nobody_has_room_for_is_asked_to_come_again(store: Store, name: str) -> None:
    budget = ByteBudget(1000)
    with TestClient(create_app(store, budget=budget)) as client:
        answer = client.post(name, json={"name": ["n"] * 100})

    assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
    assert answer.headers["retry-after"] == "1"
    assert budget.held_bytes == 0
