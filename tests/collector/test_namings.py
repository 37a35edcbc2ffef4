"""Ids and names are found in bytes of every form, at any place, and in a part of them."""

import msgspec
import pytest

from headway_collector.store.namings import find_ids, find_names
from tests.collector.otlp_requests import make_span

LONG = "u" * 200


@pytest.mark.parametrize("name", ["ann", "Zoë Müller", "x" * 40, LONG])
def test_a_name_is_found_in_json_protobuf_and_msgpack_and_where_these_are_cut(name: str) -> None:
    span = make_span(1, {"user.id": name, "after": "y"}).SerializeToString()

    for text in (
        msgspec.json.encode({"before": 1, "user_id": name}),
        span,
        span[5:-3],
        msgspec.msgpack.encode([{"user.id": name}, 7]),
    ):
        assert name in set(find_names(text))
        assert f"{name}z" not in set(find_names(text))


def test_ids_are_found_in_hexadecimal_and_as_bytes() -> None:
    text = make_span(0xABCDEF, parent_span_id=bytes(range(8))).SerializeToString()

    assert {f"{0xABCDEF:032x}", f"{0xABCDEF:016x}", bytes(range(8)).hex()} <= set(find_ids(text))
    assert set(find_ids(b"of " + b"AB" * 8 + b", not of " + b"AB" * 9)) == {"ab" * 8}


def test_a_name_that_is_cut_off_is_none() -> None:
    assert "ann" not in set(find_names(b"\n\x04ann"))
