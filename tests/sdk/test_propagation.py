"""What ``traceparent`` and ``baggage`` say, and what they are written as."""

from collections.abc import Iterator

import pytest

import headway
from headway.contexts import NO_LABELS, Labels, Remote
from headway.propagation import (
    add_baggage,
    read_baggage,
    read_traceparent,
    write_baggage,
    write_traceparent,
)
from headway.testing import Captured, capture

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def test_a_traceparent_says_what_was_written() -> None:
    for is_sampled in (True, False):
        remote = Remote(TRACE, SPAN, is_sampled)

        assert read_traceparent(write_traceparent(remote)) == remote


def test_versions_to_come_are_read_as_far_as_this_one_goes() -> None:
    assert read_traceparent(f"cc-{TRACE}-{SPAN}-09-what-the-future-brings") == Remote(TRACE, SPAN)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE}-{SPAN}",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"0٠-{TRACE}-{SPAN}-01",
        PARENT * 1000,
    ],
)
def test_a_malformed_traceparent_is_ignored(header: str, captured: Captured) -> None:
    with headway.context(traceparent=header), headway.span("work"):
        pass

    assert captured.span("work").parent_span_id is None


def test_the_state_of_other_vendors_is_handed_on_unless_it_could_break_a_header() -> None:
    for state, kept in (("vendor=1", "vendor=1"), ("a=1\r\nx: y", ""), ("a=" + "1" * 600, "")):
        read = read_traceparent(PARENT, state)

        assert read is not None
        assert read.state == kept


def test_baggage_carries_any_user_session_and_tags() -> None:
    labels = Labels(user="ada+x@example.org", session="ü; s,1=%", tags=("a,b", "%2C", "c d", "'"))
    written = write_baggage(labels)

    assert written.isascii()
    assert " " not in written
    assert read_baggage(written) == labels


def test_baggage_of_others_says_nothing() -> None:
    for text in ("", "user=ada", "headway.user", "headway.user=;x", ",,;=", "headway.user=" * 3000):
        assert read_baggage(text) in (NO_LABELS, Labels())


def test_baggage_is_read_beside_that_of_others_and_with_its_properties() -> None:
    text = "tenant=7, headway.user = ada%20l ;secret=1,headway.user=eve,headway.tags=x%2Cy%2C"

    assert read_baggage(text) == Labels(user="ada l", tags=("x", "y"))


def test_what_is_too_long_for_baggage_is_left_out_whole() -> None:
    labels = Labels(user="ü" * 250, session="s1", tags=("x" * 250,) * 2 + ("ü" * 250, "last"))

    assert read_baggage(write_baggage(labels)) == Labels(
        session="s1", tags=("x" * 250, "x" * 250, "last")
    )


def test_baggage_that_is_there_stays() -> None:
    assert add_baggage("tenant=7", "headway.user=ada") == "tenant=7,headway.user=ada"
    assert add_baggage("headway.user=eve", "headway.user=ada") == "headway.user=eve"
    assert add_baggage("x" * 8190, "headway.user=ada") == "x" * 8190


def test_a_span_is_the_child_of_the_span_in_the_header(captured: Captured) -> None:
    with headway.context(traceparent=PARENT, baggage="headway.user=ada,headway.tags=beta"):
        with headway.context(tags=["more"]), headway.span("work"):
            pass
        with headway.context(user="eve"), headway.span("other"):
            pass
    with headway.span("later"):
        pass
    work, other, later = (captured.span(name) for name in ("work", "other", "later"))

    assert (work.trace_id, work.parent_span_id) == (TRACE, SPAN)
    assert (work.user_id, work.tags, other.user_id) == ("ada", ["beta", "more"], "eve")
    assert (later.parent_span_id, later.user_id) == (None, None)


def test_headers_name_the_current_span(captured: Captured) -> None:
    assert headway.headers() == {}
    with headway.context(user="ada"), headway.span("work") as work:
        mine, whole = headway.headers(), headway.headers(baggage=True)

    assert mine == {"traceparent": f"00-{work.trace_id}-{work.span_id}-01"}
    assert whole == {**mine, "baggage": "headway.user=ada"}


def test_what_came_in_goes_out_with_its_flag_and_state(captured: Captured) -> None:
    unsampled = PARENT.removesuffix("1") + "0"
    with headway.context(traceparent=unsampled, tracestate="vendor=1"):
        through = headway.headers()
        with headway.span("work") as work:
            below = headway.headers()

    assert through == {"traceparent": unsampled, "tracestate": "vendor=1"}
    assert below == {
        "traceparent": f"00-{TRACE}-{work.span_id}-00",
        "tracestate": "vendor=1",
    }


def test_headers_that_are_no_texts_are_faults_of_the_program() -> None:
    given: dict[str, object] = {"traceparent": b"00-", "baggage": 7}
    with capture(is_raising=False) as captured:
        with headway.context(**given), headway.span("work"):  # type: ignore[arg-type]  # the fault
            pass
        faults = headway.stats().faults

    assert captured.span("work").parent_span_id is None
    assert faults == {"reading traceparent": 1, "reading baggage": 1}
