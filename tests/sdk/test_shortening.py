"""A call is cut until it fits, and never lost whole for its size."""

from collections.abc import Callable

import msgspec
import pytest

import headway
from headway.client_settings import read_settings
from headway.clients import Client
from headway.errors import SettingsError
from headway.records import Score, Span, encode_record, encode_value
from headway.settings import Sources
from headway.shortening import shorten
from tests.sdk.conftest import StandIn

MakeClient = Callable[..., Client]


def a_span(**fields: object) -> Span:
    raw = {name: encode_value(value) for name, value in fields.items()}
    return Span(trace_id="1" * 32, span_id="1" * 16, name="f", start_ns=1, end_ns=2, **raw)  # type: ignore[arg-type]  # raw fields alone


def test_a_call_above_what_a_file_takes_is_cut_in_the_middle_and_kept(
    collector: StandIn, make_client: MakeClient
) -> None:
    client = make_client(collector.url, capture_limit_bytes=8_000_000, is_raising=False)

    @headway.observe
    def echo(texts: list[str]) -> list[str]:
        return texts

    echo(["a" * 400_000 + "z" * 400_000] * 9)

    assert client.flush(10)
    (span,) = collector.spans
    for content in (span.input, span.output):
        said = bytes(content)
        assert (b"aaa" in said, b"[cut " in said, b"zzz" in said) == (True, True, True)
    assert client.stats().dropped == {}
    assert "HEADWAY_CAPTURE_LIMIT_BYTES" in (client.stats().last_error or "")


def test_a_small_journal_takes_a_large_call_in_part(
    collector: StandIn, make_client: MakeClient
) -> None:
    client = make_client(collector.url, journal_limit_bytes=300_000, is_raising=False)
    with headway.span("call", input={"question": "where?", "page": "x" * 500_000}):
        pass

    assert client.flush(10)
    (span,) = collector.spans
    assert msgspec.json.decode(span.input)["question"] == "where?"
    assert client.stats().dropped == {}


def test_what_is_short_stays_whole_beside_what_is_long() -> None:
    record = a_span(input="short", output="x" * 50_000, params={"n": 1}, attributes={"t": "y" * 9})

    payload = shorten(record, 10_000)

    assert payload is not None
    kept = msgspec.json.decode(payload)
    assert 1_000 < len(payload) <= 10_000
    assert (kept["input"], kept["params"]) == ("short", {"n": 1})
    assert kept["attributes"] == {"t": "y" * 9}
    assert kept["output"].startswith("xxx")
    assert "[cut " in kept["output"]


def test_a_record_without_contents_cannot_be_cut() -> None:
    score = Score(score_id="1", name="s", value="x" * 2_000, time_ns=1)

    assert shorten(score, len(encode_record(score)) - 1) is None


@pytest.mark.parametrize("given", ["20MB", "8MiB", 8_000_001])
def test_a_limit_above_what_a_call_may_take_is_refused(given: str | int) -> None:
    with pytest.raises(SettingsError, match=r"capture_limit_bytes is .*: give at most 8MB"):
        read_settings(Sources({}, {}), capture_limit_bytes=given)  # type: ignore[arg-type]  # texts too
