"""Which names a span bears, found out once for all spans with the same keys."""

from typing import Any

import pytest

from headway_collector.dialects.contents import ROOMS
from headway_collector.dialects.keys import Names, recall
from headway_collector.dialects.messages import langfuse
from headway_collector.otlp.telemetry import Attributes
from tests.collector.dialects.examples import NAMES, load_example


def fill(*keys: str) -> Attributes:
    return dict.fromkeys(keys, 1)


def test_names_come_by_their_precedence_however_the_span_orders_them() -> None:
    names = Names("first", "second", "third")

    assert recall(fill("third", "other", "first"))[names] == ("first", "third")
    assert recall(fill("first", "other", "third"))[names] == ("first", "third")


def test_keys_with_the_beginning_come_after_the_names_as_the_span_orders_them() -> None:
    names = Names("llm.model", prefixes=("llm.", "ai."))

    assert recall(fill("ai.b", "x", "llm.model", "llm.a"))[names] == ("llm.model", "ai.b", "llm.a")


def test_a_name_that_is_missing_is_not_there() -> None:
    assert recall(fill("other"))[Names("first", prefixes=("second",))] == ()


def test_what_was_found_out_holds_for_every_span_with_the_same_keys() -> None:
    assert recall({"a": 1, "b": 2}) is recall({"a": 3, "b": 4})
    assert recall({"a": 1, "b": 2}) is not recall({"b": 2, "a": 1})


@pytest.mark.parametrize("keys", [["a" * 10_000], list(map(str, range(1000)))], ids=len)
def test_endless_keys_are_read_and_not_remembered(keys: list[str]) -> None:
    attributes = fill(*keys, "first")

    assert recall(attributes)[Names("first")] == ("first",)
    assert recall(attributes) is not recall(attributes)


def test_more_sets_of_keys_than_are_remembered_are_all_told_apart() -> None:
    for number in range(3000):
        name = f"name {number}"
        assert recall(fill("x", name))[Names(name, "y")] == (name,)


@pytest.mark.parametrize("name", NAMES)
def test_every_room_that_finds_content_in_a_fixture_is_known_by_its_names(name: str) -> None:
    for otel in load_example(name).spans:
        otel.events, otel.logs = [], []
        keys = recall(otel.attributes)
        finds: list[tuple[Names, Any]] = [
            (room.NAMES, room.find_input(otel) or room.find_output(otel)) for room in ROOMS
        ]
        found = langfuse.find_input(otel, "llm") or langfuse.find_output(otel, "llm")
        finds.append((langfuse.NAMES, found))

        assert all(keys[names] for names, found in finds if found is not None)
