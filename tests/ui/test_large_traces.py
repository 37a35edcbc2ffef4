"""The page of a trace that is too large to be shown whole."""

import time

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from headway.apis import ApiClient
from headway.records import Span, encode_record, encode_value
from headway_ui.commands import APP

TRACE_ID = "feed" * 8
TEXT = "x" * (7 * 1024 * 1024)  # below the cap of a field; five of them are over a page


def make_span(number: int, text: str) -> Span:
    start_ns = time.time_ns() + number
    return Span(
        trace_id=TRACE_ID,
        span_id=f"feed{number:012x}",
        parent_span_id=None if number == 1 else f"feed{1:012x}",
        name=f"step {number}",
        start_ns=start_ns,
        end_ns=start_ns + 1,
        input=encode_value({"text": text, "number": number}),
    )


def test_the_page_of_a_trace_says_what_of_it_is_cut(
    collector_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_URL", collector_url)
    texts = ["short", *[TEXT] * 5, "short"]
    for number, text in enumerate(texts, start=1):
        line = encode_record(make_span(number, text))
        ApiClient(collector_url).ingest([line], project="huge", batch_id=f"huge-{number}")
    page = AppTest.from_file(str(APP), default_timeout=60)
    page.switch_page("views/traces.py")
    page.query_params["trace_id"] = TRACE_ID

    page.run()
    st.cache_data.clear()

    assert not page.exception
    assert [info.value for info in page.info] == [
        "Contents cut: this trace is too large to be shown whole. "
        "Of 2 steps only the beginnings of texts are here."
    ]
