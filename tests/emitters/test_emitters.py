"""What real instrumentations send leaves complete canonical spans, whatever words they use."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.emitters.conftest import Emit
from tests.emitters.fake_openai import ANSWER, MODEL, QUESTION, SYSTEM

LATEST = {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@dataclass(frozen=True)
class Emitter:
    """A program, its settings, and the fields that it never says anything about."""

    program: str
    environment: dict[str, str] = field(default_factory=dict)
    silent: frozenset[str] = frozenset()


EMITTERS = {
    "opentelemetry-old-events": Emitter(
        "with_opentelemetry", {CAPTURE: "true"}, frozenset({"cache_read_tokens"})
    ),
    "opentelemetry-new-spans": Emitter(
        "with_opentelemetry", LATEST | {CAPTURE: "span_only"}, frozenset({"cache_read_tokens"})
    ),
    "opentelemetry-new-events": Emitter(
        "with_opentelemetry", LATEST | {CAPTURE: "event_only"}, frozenset({"cache_read_tokens"})
    ),
    "openinference": Emitter("with_openinference"),
    "traceloop": Emitter("with_traceloop"),
    "langfuse": Emitter("with_langfuse", silent=frozenset({"provider", "finish_reasons"})),
}


@pytest.mark.parametrize("name", EMITTERS)
def test_an_instrumentation_leaves_complete_canonical_spans(name: str, emit: Emit) -> None:
    emitter = EMITTERS[name]

    plain, tool, stream = emit(emitter.program, name, **emitter.environment)

    for span in (plain, tool, stream):
        assert (span["kind"], span["project"]) == ("llm", name)
        assert span["provider"] == (None if "provider" in emitter.silent else "openai")
        assert span["request_model"] in ("gpt-4o-mini", MODEL)
        assert (span["response_model"] or span["request_model"]) == MODEL
        assert span["params"]["temperature"] == 0.5
        assert (span["input_tokens"], span["output_tokens"]) == (120, 12)
        cached = None if "cache_read_tokens" in emitter.silent else 100
        assert span["cache_read_tokens"] == cached
        assert span["cost_usd"] > 0
        assert span["duration_ms"] > 0
        assert span["status"] != "error"
        assert [read_text(message) for message in span["input"]] == [
            ("system", SYSTEM),
            ("user", QUESTION),
        ]
        if "finish_reasons" not in emitter.silent:
            assert len(span["finish_reasons"]) == 1
            assert span["output"][0]["finish_reason"] == span["finish_reasons"][0]
            # OpenAI's word and that of the conventions.
            expected = ("tool_calls", "tool_call") if span is tool else ("stop",)
            assert span["finish_reasons"][0] in expected
    for span in (plain, stream):
        assert [read_text(message) for message in span["output"]] == [("assistant", ANSWER)]
    ((call,),) = [message["parts"] for message in tool["output"]]
    assert (call["type"], call["id"], call["name"]) == ("tool_call", "call_7", "find_parcel")
    assert call["arguments"] == {"number": "P-17"}


def test_the_sdk_alone_is_read_to_the_last_attribute(emit: Emit) -> None:
    root, call = emit("with_sdk_alone", "sdk-alone")

    assert (root["name"], root["kind"], root["session_id"]) == ("handle", "span", "s1")
    assert (root["parent_span_id"], call["parent_span_id"]) == (None, root["span_id"])
    assert call["trace_id"] == root["trace_id"]
    assert (call["kind"], call["provider"], call["request_model"]) == ("llm", "acme", "support-7b")
    assert (call["input_tokens"], call["finish_reasons"]) == (31, ["length"])
    assert (call["status"], call["status_message"]) == ("error", "timed out")
    assert call["error_type"] == "TimeoutError"
    assert "no answer in 5 s" in call["error_stack"]
    kept = {key: value for key, value in call["attributes"].items() if key.startswith("app.")}
    assert kept == {"app.ratio": 0.5, "app.flag": True, "app.list": [1, 2, 3]}


def read_text(message: dict[str, Any]) -> tuple[str, str]:
    """Return who says what in a message of one part of text."""
    (part,) = message["parts"]
    return message["role"], part["content"]
