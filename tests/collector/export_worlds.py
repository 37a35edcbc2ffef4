"""Spans and scores as nasty as they come, and what a collector holds of them, row by row."""

from typing import Any

from starlette.testclient import TestClient

from headway.records import Record, Score, Span, encode_record, encode_value
from headway_collector.store.connections import Store
from tests.collector.otlp_requests import PROTOBUF, export_spans, make_span

NOW_NS = 1_763_800_000_000_000_000

NASTY = [
    "",
    "'",
    "''=1+1",
    "=HYPERLINK(1)",
    "+1",
    "-1",
    "@x",
    "\t=x",
    "\r\n",
    " =1",
    '"=1"',
    "\uff1d1",
    "a,b",
    'say "hi"',
    "line one\nline two\r\nline three",
    "null",
    "é\u2028\u00a0\U0001f600\u0000",
    "\ufeffx",
    "x" * 1024,
]
"""Texts that one format or another has words of its own for."""

_LONG = "a text that is long enough to stand once and to be referred to, " * 4


def list_spans() -> list[Span]:
    """Return spans with every field set, with none, and with each of the nasty texts."""
    bare = Span(trace_id="a" * 32, span_id="b" * 16, name="", start_ns=0, end_ns=0)
    full = Span(
        trace_id="c" * 32,
        span_id="d" * 16,
        parent_span_id="e" * 16,
        name="every field",
        kind="llm",
        status="error",
        start_ns=NOW_NS + 123_456_789,
        end_ns=7_258_118_400 * 10**9,
        status_message="=1+1",
        error_type="E",
        error_stack="line\n  line",
        input=encode_value({"n": [2**70, 1.5, -0.0, None, True], "t": NASTY}),
        output=encode_value("=cmd"),
        provider="openai",
        request_model="m",
        response_model="m-1",
        response_id="r",
        finish_reasons=["stop", "-x"],
        params=encode_value({"temperature": 0.1}),
        input_tokens=10**12,
        output_tokens=0,
        cache_read_tokens=1,
        cache_write_tokens=2,
        reasoning_tokens=3,
        audio_input_tokens=4,
        audio_output_tokens=5,
        cost_usd=0.1 + 0.2,
        ttft_ms=1e-7,
        chunk_count=7,
        chunk_p50_ms=1e12,
        chunk_p95_ms=0.0,
        is_abandoned=False,
        user_id="",
        session_id="s",
        tags=["=a", "b,c", 'd"e', ""],
        environment="e",
        release="r",
        prompt_name="p",
        prompt_version="v",
        prompt_variables=encode_value({"a": 1}),
        attributes=encode_value({"k": "v"}),
    )
    nasty = [
        Span(
            trace_id=f"{number:032x}",
            span_id=f"{number:016x}",
            name=text,
            start_ns=NOW_NS,
            end_ns=NOW_NS,
            user_id=text,
            status_message=text,
            error_stack=text,
            tags=[text[:256]],
            input=encode_value(text),
            output=encode_value([text]),
        )
        for number, text in enumerate(NASTY, start=1)
    ]
    return [bare, full, *nasty]


def list_scores() -> list[Score]:
    """Return scores of every type of value."""
    values: list[bool | int | float | str] = [True, 0, -7, 2**63 - 1, -0.5, 1.0, 1e290, *NASTY]
    return [
        Score(
            score_id=f"s-{number}",
            name="helpful",
            value=value,
            time_ns=NOW_NS + number,
            source="judge",
            session_id="=s",
            comment=value if isinstance(value, str) else None,
            author="" if number % 2 else None,
            is_text=isinstance(value, str) and bool(number % 2),
        )
        for number, value in enumerate(values)
    ]


def fill(client: TestClient) -> None:
    """Send all of them, and spans in others' words, whose originals refer to their columns."""
    records: list[Record] = [*list_spans(), *list_scores()]
    lines = b"\n".join(map(encode_record, records))
    taken = client.post("/v1/ingest", content=lines, headers={"Headway-Project": "shop"})
    assert taken.json()["rejected"] == 0, taken.text
    pretty = '[\n  {"role": "user",\r\n   "content": "' + _LONG + '"}\n]'
    foreign = export_spans(
        make_span(
            101,
            {
                "gen_ai.input.messages": pretty,
                "gen_ai.output.messages": pretty.replace("user", "assistant"),
                "gen_ai.prompt": _LONG,
                "gen_ai.provider.name": "openai",
                "gen_ai.usage.input_tokens": 3,
                "gen_ai.usage.output_tokens": 5,
                "gen_ai.request.model": "gpt-4o-mini",
                "odd": float("nan"),
                "$ref": "=x",
            },
        ),
        make_span(102),
        make_span(103, {"input.value": pretty, "input.mime_type": "application/json"}),
    )
    sent = client.post(
        "/v1/traces",
        content=foreign.SerializeToString(),
        headers={"Content-Type": PROTOBUF, "Headway-Project": "otel"},
    )
    assert sent.status_code == 200, sent.text


def read_tables(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Return every row as it is stored, but for when it arrived."""
    # Python's own times need a package more, and end at microseconds.
    spans = store.read(
        "SELECT * EXCLUDE (received_ns) REPLACE (epoch_us(start_time) AS start_time) "
        "FROM store.spans ORDER BY project, span_id"
    )
    scores = store.read(
        "SELECT * REPLACE (epoch_us(time) AS time) FROM store.scores ORDER BY project, score_id"
    )
    return {"spans": spans, "scores": scores}
