"""Each way to call litellm, whoever answers: its span says all, and the program notices nothing.

What ``test_styles`` asks of other libraries is asked here of this one, in one module, since it
takes seconds to import.
"""

import asyncio
import gc
import itertools
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

import headway
from headway.clients import Client
from headway.instruments import streams
from headway.testing import Captured, capture
from tests.e2e.processes import CollectorProcess
from tests.sdk.instruments import styles
from tests.sdk.instruments.asking import Style
from tests.sdk.instruments.asking_litellm import (
    AS_CHAT,
    AZURE,
    BREAKING_STYLES,
    KEY,
    LIBRARIES,
    LITELLM_STYLES,
    OPENAI,
    litellm,
)
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.test_styles import asked, check

# Of a status after which no client asks again, which litellm cannot keep some of them from.
REFUSED = {"type": "error", "error": {"type": "invalid_request_error", "message": "Speak up."}}
# Ids that litellm makes up itself, and times that it takes.
OWN = re.compile(r"(chatcmpl-|msg_|resp_)[\w-]{32,}=*|created(_at)?=\d+")
GIVEN: dict[str, Any] = {"api_key": KEY, "num_retries": 0, "max_retries": 0}

# Of its own, for example on how it uses Pydantic.
pytestmark = pytest.mark.filterwarnings("ignore")
each_style = pytest.mark.parametrize(
    "style", LITELLM_STYLES, ids=[style.name for style in LITELLM_STYLES]
)
each_breaking_style = pytest.mark.parametrize(
    "style", BREAKING_STYLES, ids=[style.name for style in BREAKING_STYLES]
)


@pytest.fixture(scope="module", autouse=True)
def tidied() -> Iterator[None]:
    """Let what litellm leaves open in its circles go here, where it may warn."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


def shown(result: Any) -> str:
    """All of what a program got, with its types."""
    return OWN.sub("", repr((type(result), result)))


def ask(style: Style, provider: Provider) -> str:
    """Ask once, and return what came."""
    style.lay_out(provider)
    return shown(style.ask(provider.url))


def refusal(style: Style, provider: Provider) -> Exception:
    """Ask for what is refused, and return what was raised."""
    provider.answer(REFUSED, 400)
    with pytest.raises(Exception, match="Speak up") as raised:
        style.ask(provider.url)
    return raised.value


def break_off(style: Style, provider: Provider) -> Exception:
    """Ask for a stream that breaks off, and return what was raised."""
    style.lay_out(provider)
    with pytest.raises((openai.OpenAIError, httpx.HTTPError)) as raised:
        style.ask(provider.url)
    return raised.value


def traits(error: BaseException) -> tuple[object, ...]:
    """What a program sees of an error."""
    chain = type(error), type(error.__cause__), type(error.__context__)
    return *chain, shown(error), OWN.sub("", str(error)), error.args


def name_of(error: BaseException) -> str:
    """The name under which a span has an error."""
    return f"{type(error).__module__}.{type(error).__qualname__}"


@each_style
def test_a_call_is_one_span_under_the_observed_one_and_says_all_that_is_known(
    style: Style, provider: Provider
) -> None:
    headway.instrument(*style.libraries)
    ticks = itertools.count(1_000_000_000, 1_000_000)
    style.lay_out(provider)
    with capture(clock_ns=lambda: next(ticks)) as captured:
        headway.observe(name="request")(style.ask)(provider.url)
        span, outer = captured.calls

    assert outer.name == "request"
    assert (span.parent_span_id, span.trace_id) == (outer.span_id, outer.trace_id)
    assert span.params == style.said.params
    check(span, style)
    assert KEY not in str(captured.calls)


@each_style
def test_the_answer_is_what_it_is_without_us_with_the_collector_down(
    style: Style, provider: Provider, make_client: Callable[..., Client]
) -> None:
    alone = ask(style, provider)
    headway.instrument(*style.libraries)
    make_client()
    unheard = ask(style, provider)

    assert unheard == alone
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

    assert traits(logged) == traits(unheard) == traits(alone)
    assert (span.status, span.error_type) == ("error", name_of(alone))
    assert asked(span) == (style.said.kind, style.said.provider, style.said.model, style.said.input)
    assert style.said.params.items() <= span.params.items()
    assert span.attributes["http.response.status_code"] == 400
    assert headway.stats().pending == 1


@each_breaking_style
def test_a_stream_that_breaks_off_breaks_off_as_it_does_without_us_and_keeps_what_came(
    style: Style, provider: Provider, make_client: Callable[..., Client]
) -> None:
    alone = break_off(style, provider)
    headway.instrument(*style.libraries)
    with capture() as captured:
        logged = break_off(style, provider)
        (span,) = captured.calls
    make_client()
    unheard = break_off(style, provider)

    assert traits(logged) == traits(unheard) == traits(alone)
    assert (span.status, span.error_type) == ("error", name_of(alone))
    assert span.chunk_count == style.pieces
    assert [part for message in span.output for part in message["parts"]] == style.said.output
    assert headway.stats().pending == 1


@pytest.mark.parametrize("is_waited", [False, True], ids=["plain", "waited"])
@pytest.mark.parametrize(
    ("function", "given", "lay_out"),
    [
        ("completion", AS_CHAT, styles.lay_chunks),
        ("text_completion", {"prompt": styles.QUESTION}, styles.lay_texts),
        ("responses", {"input": styles.QUESTION}, styles.lay_events),
    ],
)
def test_to_uninstrument_in_the_middle_of_a_stream_leaves_it_whole(
    provider: Provider,
    captured: Captured,
    function: str,
    given: dict[str, Any],
    lay_out: Callable[[Provider], None],
    is_waited: bool,
) -> None:
    model = (
        "text-completion-openai/gpt-3.5-turbo-instruct" if "prompt" in given else "openai/gpt-4o"
    )
    asking = {**given, **GIVEN, **OPENAI.place(provider.url), "model": model, "stream": True}

    def read(middle: Callable[[], None]) -> list[Any]:
        stream = getattr(litellm, function)(**asking)
        first = next(stream)
        middle()
        return [first, *stream]

    async def wait(middle: Callable[[], None]) -> list[Any]:
        stream = await getattr(litellm, f"a{function}")(**asking)
        first = await anext(stream)
        middle()
        return [first, *[piece async for piece in stream]]

    way = (lambda middle: asyncio.run(wait(middle))) if is_waited else read
    lay_out(provider)
    alone = shown(way(lambda: None))
    headway.instrument("openai", "litellm")
    lay_out(provider)
    halved = shown(way(headway.uninstrument))

    assert halved == alone
    # It ends where it is let go of, with what came until then; where litellm keeps it, with the
    # process.
    streams._leave_all()
    assert [span.is_abandoned for span in captured.calls] == [True]


def test_the_model_behind_a_deployment_is_on_the_span_whole_and_in_pieces(
    provider: Provider, captured: Captured
) -> None:
    headway.instrument(*LIBRARIES)
    asking = {**AS_CHAT, **GIVEN, **AZURE.place(provider.url), "model": "azure/our-deployment"}
    styles.lay_chat(provider)
    litellm.completion(**asking)
    styles.lay_chunks(provider)
    list(litellm.completion(**asking, stream=True))

    assert provider.asked[0].path.startswith("/openai/deployments/our-deployment/")
    assert [(span.request_model, span.response_model) for span in captured.calls] == [
        ("our-deployment", styles.CHAT.answered_by)
    ] * 2


def test_what_litellm_asks_again_is_one_span(provider: Provider, captured: Captured) -> None:
    headway.instrument(*LIBRARIES)
    provider.answer({"error": {"message": "Slow down."}}, 429)
    styles.lay_chat(provider)
    asking = {**AS_CHAT, **GIVEN, **OPENAI.place(provider.url), "model": "openai/gpt-4o"}
    litellm.completion(**asking | {"num_retries": 1})

    (span,) = captured.calls
    assert len(provider.asked) == 2
    assert (span.status, span.input_tokens) == ("ok", 1200)


def test_each_call_of_a_batch_is_one_span(provider: Provider, captured: Captured) -> None:
    headway.instrument(*LIBRARIES)
    for _ in range(2):
        styles.lay_chat(provider)
    asking = {**GIVEN, **OPENAI.place(provider.url), "model": "openai/gpt-4o"}
    litellm.batch_completion(messages=[styles.TURNS, styles.TURNS], **asking)

    assert [asked(span) for span in captured.calls] == [
        ("llm", "openai", "gpt-4o", styles.CHAT.input)
    ] * 2


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_a_call_through_a_router_is_one_span(
    provider: Provider, captured: Captured, is_streamed: bool
) -> None:
    headway.instrument(*LIBRARIES)
    place = {**GIVEN, **OPENAI.place(provider.url), "model": "openai/gpt-4o"}
    router = litellm.Router([{"model_name": "ours", "litellm_params": place}], num_retries=0)
    with headway.span("request") as outer:
        if is_streamed:
            styles.lay_chunks(provider)
            list(router.completion("ours", styles.TURNS, stream=True))
        else:
            styles.lay_chat(provider)
            router.completion("ours", styles.TURNS)

    span, _ = captured.calls
    assert asked(span) == ("llm", "openai", "gpt-4o", styles.CHAT.input)
    assert [part for message in span.output for part in message["parts"]] == styles.ANSWER
    assert span.parent_span_id == outer.span_id


def test_each_call_costs_what_its_provider_charges(
    provider: Provider, make_client: Callable[..., Client], tmp_path: Path
) -> None:
    headway.instrument(*LIBRARIES)
    with CollectorProcess(tmp_path / "headway.duckdb") as collector:
        make_client(collector.url)
        for style in LITELLM_STYLES:
            style.lay_out(provider)
            with headway.span(style.name):
                style.ask(provider.url)
        assert headway.flush(20)
        rows = collector.api.get("/v1/spans", {"limit": 1000})["spans"]

    names = {row["span_id"]: row["name"] for row in rows}
    calls = [row for row in rows if row["parent_span_id"]]
    costs = {names[row["parent_span_id"]]: row["cost_usd"] for row in calls}
    assert len(calls) == len(LITELLM_STYLES)
    assert costs == pytest.approx({style.name: style.said.cost_usd for style in LITELLM_STYLES})
    assert {row["is_usage_inconsistent"] for row in calls} <= {None, False}
