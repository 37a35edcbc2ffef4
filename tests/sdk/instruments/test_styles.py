"""Each way to call each client library: its span says all, and the program notices nothing.

Whatever the answer is, the program gets the same as without us, also with the collector down.
"""

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest

import headway
from headway.clients import Client
from headway.testing import CapturedCall, capture
from tests.sdk.instruments.asking import CLIENT_STYLES, Style
from tests.sdk.instruments.asking_layers import LAYERED_STYLES
from tests.sdk.instruments.servers import Provider

REFUSED = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}}
STYLES = [*CLIENT_STYLES, *LAYERED_STYLES]
# Ids that a library makes up itself, times that it takes, and places in the memory.
OWN = re.compile(r"(lc_run-|run-|chatcmpl|cmpl)-?[0-9a-f-]{36}|created=\d+| at 0x[0-9a-f]+")

# Of a model that has a price, and with that an age.
pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")
each_style = pytest.mark.parametrize("style", STYLES, ids=[style.name for style in STYLES])


def shown(result: Any) -> str:
    """All of what a program got, with its types."""
    return OWN.sub("", repr((type(result), result)))


def ask(style: Style, provider: Provider) -> str:
    """Ask once, and return what came."""
    style.lay_out(provider)
    return shown(style.ask(provider.url))


def refusal(style: Style, provider: Provider) -> BaseException:
    """Ask for what is refused, and return what was raised."""
    provider.answer(REFUSED, 429)
    with pytest.raises(Exception, match="Slow down") as raised:
        style.ask(provider.url)
    return raised.value


def asked(span: CapturedCall) -> tuple[object, ...]:
    """What a span says of the request."""
    return span.kind, span.provider, span.request_model, span.input


def check(span: CapturedCall, style: Style) -> None:
    """Fail where a span does not say what is known of a call but for its parameters."""
    said = style.said
    assert asked(span) == (said.kind, said.provider, said.model, said.input)
    assert (span.status, span.response_model) == ("ok", said.answered_by)
    assert said.output == (
        [part for message in span.output for part in message["parts"]]
        if said.kind == "llm"
        else span.output
    )
    assert list(said.reasons) == span.finish_reasons
    assert said.tokens == (
        span.input_tokens,
        span.output_tokens,
        span.cache_read_tokens,
        span.cache_write_tokens,
        span.reasoning_tokens,
    )
    assert span.chunk_count == style.pieces
    assert (span.ttft_ms is None) == (style.pieces is None)
    assert 0 < (span.ttft_ms or 0.5) < span.duration_ms


@each_style
def test_a_call_says_all_that_is_known(style: Style, provider: Provider) -> None:
    headway.instrument(*style.libraries)
    ticks = itertools.count(1_000_000_000, 1_000_000)
    style.lay_out(provider)
    with capture(clock_ns=lambda: next(ticks)) as captured:
        with headway.span("request") as outer:
            style.ask(provider.url)
        span, _ = captured.calls

    assert (span.parent_span_id, span.trace_id) == (outer.span_id, outer.trace_id)
    assert style.said.params.items() <= span.params.items()
    check(span, style)


@each_style
def test_the_answer_is_what_it_is_without_us_also_with_the_collector_down(
    style: Style, provider: Provider, make_client: Callable[..., Client]
) -> None:
    alone = ask(style, provider)
    headway.instrument(*style.libraries)
    with capture():
        logged = ask(style, provider)
    make_client()
    unheard = ask(style, provider)

    assert logged == unheard == alone
    assert headway.stats().pending == 1


@each_style
def test_an_error_is_what_it_is_without_us_also_with_the_collector_down(
    style: Style, provider: Provider, make_client: Callable[..., Client]
) -> None:
    alone = refusal(style, provider)
    headway.instrument(*style.libraries)
    with capture() as captured:
        logged = refusal(style, provider)
        (span,) = captured.calls
    make_client()
    unheard = refusal(style, provider)

    assert shown(logged) == shown(unheard) == shown(alone)
    assert str(logged) == str(alone)
    assert (type(logged.__cause__), type(logged.__context__)) == (
        type(alone.__cause__),
        type(alone.__context__),
    )
    assert (span.status, span.error_type) == (
        "error",
        f"{type(alone).__module__}.{type(alone).__qualname__}",
    )
    assert asked(span) == (style.said.kind, style.said.provider, style.said.model, style.said.input)
    assert style.said.params.items() <= span.params.items()
    assert span.attributes["http.response.status_code"] == 429
    assert headway.stats().pending == 1
