"""The wire contract: what the client writes, the journal keeps and the collector reads.

One record is one line of NDJSON, told apart by ``type``. A span, shortened:

    {"type":"span","trace_id":"0199…32 hex","span_id":"16 hex","name":"triage","kind":"llm",
     "start_ns":1763800000000000000,"end_ns":1763800000412000000,"status":"ok",
     "input":{"message":"where is my parcel?"},"output":{"kind":"delivery"},
     "request_model":"support-7b","input_tokens":31,"output_tokens":17,
     "user_id":"u1","session_id":"s1","tags":["beta"]}

Names follow OpenTelemetry's GenAI conventions with the ``gen_ai.`` prefix dropped. Fields at
their default are left out. ``input``, ``output``, ``params``, ``prompt_variables`` and
``attributes`` are any JSON: they travel as raw bytes, encoded once by the client and never
decoded on the way to the store. The project of a record stands in the request's headers.
"""

from typing import Any, Literal, get_args

import msgspec

Kind = Literal[
    "llm",
    "embedding",
    "retriever",
    "reranker",
    "tool",
    "agent",
    "chain",
    "guardrail",
    "evaluator",
    "span",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Every kind a span can be; an unknown one is refused, not guessed."""

Status = Literal["unset", "ok", "error"]
Source = Literal["human", "code", "judge", "eval"]

EMPTY = msgspec.Raw()
"""The value of a raw field that was not given."""

PROJECT_HEADER = "Headway-Project"
BATCH_HEADER = "Headway-Batch-Id"
COLLECTOR_HEADER = "Headway-Collector"
DEFAULT_PROJECT = "default"
DEFAULT_URL = "http://127.0.0.1:4318"


class Span(
    msgspec.Struct, tag_field="type", tag="span", omit_defaults=True, kw_only=True, gc=False
):
    """One timed step: an LLM call, a retrieval, a tool, a guardrail, or the chain around them.

    Times are nanoseconds since the Unix epoch; ``ttft_ms`` and the chunk times are milliseconds.
    ``input_tokens`` includes cached and audio tokens, ``output_tokens`` reasoning and audio tokens,
    as OpenTelemetry defines them.
    """

    trace_id: str
    span_id: str
    name: str
    start_ns: int
    end_ns: int
    parent_span_id: str | None = None
    kind: Kind = "span"
    status: Status = "unset"
    status_message: str | None = None
    error_type: str | None = None
    error_stack: str | None = None
    input: msgspec.Raw = EMPTY
    output: msgspec.Raw = EMPTY
    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    finish_reasons: list[str] = []
    params: msgspec.Raw = EMPTY
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    cost_usd: float | None = None
    ttft_ms: float | None = None
    chunk_count: int | None = None
    chunk_p50_ms: float | None = None
    chunk_p95_ms: float | None = None
    is_abandoned: bool | None = None
    user_id: str | None = None
    session_id: str | None = None
    tags: list[str] = []
    environment: str | None = None
    release: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    prompt_variables: msgspec.Raw = EMPTY
    attributes: msgspec.Raw = EMPTY


class Score(
    msgspec.Struct, tag_field="type", tag="score", omit_defaults=True, kw_only=True, gc=False
):
    """A judgement on a span, a trace or a session; at least one of the three ids is given.

    The type of ``value`` is the type of the score: a bool is boolean, a number numeric, a string
    a category, or free text where ``is_text`` is set. ``score_id`` makes a replay harmless.
    """

    score_id: str
    name: str
    value: bool | int | float | str
    time_ns: int
    source: Source = "code"
    trace_id: str | None = None
    span_id: str | None = None
    session_id: str | None = None
    comment: str | None = None
    author: str | None = None
    is_text: bool = False


class PromptVersion(
    msgspec.Struct, tag_field="type", tag="prompt", omit_defaults=True, kw_only=True, gc=False
):
    """What one version of a prompt says; sent once a process, and kept once.

    ``template`` is a text or a list of messages, ``time_ns`` when the process first used it.
    """

    name: str
    version: str
    template: msgspec.Raw
    time_ns: int


class Loss(
    msgspec.Struct, tag_field="type", tag="loss", omit_defaults=True, kw_only=True, gc=False
):
    """How many records one process has lost so far for one reason, sent beside its records.

    ``count`` only grows, and the largest one of a ``client_id`` and ``reason`` stands, so that a
    report may be lost or come twice. ``client_id`` is 32 hex digits, another for every process;
    ``time_ns`` is when the latest of them was lost.
    """

    client_id: str
    reason: str
    count: int
    time_ns: int
    host: str
    pid: int


Record = Span | Score | PromptVersion


class IngestAnswer(msgspec.Struct, kw_only=True):
    """What the collector did with a batch; sent only after the batch is committed to disk.

    ``errors`` holds the first twenty of the rejected records.
    """

    accepted: int
    duplicates: int
    rejected: int
    is_replay: bool = False
    errors: list["RejectedLine"] = []


class RejectedLine(msgspec.Struct, kw_only=True):
    """Why one line of a batch was refused; lines count from 1."""

    line: int
    reason: str


_encoder = msgspec.json.Encoder()


def encode_record(record: Record | Loss) -> bytes:
    """Return the record as one line of JSON, without the newline."""
    return _encoder.encode(record)


def encode_value(value: Any) -> msgspec.Raw:
    """Return plain JSON data (dict, list, str, number, bool, None) as a raw field.

    Raises:
        TypeError: the value is not plain data; ``headway.values`` captures arbitrary objects.
    """
    return msgspec.Raw(_encoder.encode(value))
