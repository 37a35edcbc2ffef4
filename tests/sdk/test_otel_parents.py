"""OpenTelemetry and Headway in one program: whose span is whose parent."""

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import headway
from headway.outgoing import headers_for
from headway.testing import Captured, capture


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> trace.Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("tests")


@headway.observe
def work() -> None:
    pass


def ids(span: trace.Span) -> tuple[str, str]:
    context = span.get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def parent_of(captured: Captured, name: str) -> tuple[str, str | None]:
    span = captured.span(name)
    return span.trace_id, span.parent_span_id


def otel_parent(span: ReadableSpan) -> tuple[str, str] | None:
    parent = span.parent
    return parent and (f"{parent.trace_id:032x}", f"{parent.span_id:016x}")


def test_an_active_span_is_the_parent_of_ours(captured: Captured, tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("request") as request:
        work()
        with headway.span("step") as step:
            pass

    assert parent_of(captured, "work") == ids(request) == parent_of(captured, "step")
    assert step.trace_id == ids(request)[0]


def test_the_parent_is_the_one_that_was_opened_last(
    captured: Captured, tracer: trace.Tracer
) -> None:
    @headway.observe
    def agent() -> tuple[str, str]:
        with headway.span("first"):
            pass
        with tracer.start_as_current_span("inner") as inner, headway.span("second") as second:
            with headway.span("third"):
                pass
            kept.append((second.trace_id, second.span_id))
        work()
        return ids(inner)

    kept: list[tuple[str, str]] = []
    with tracer.start_as_current_span("request") as request:
        inner = agent()
    agent_ids = (ids(request)[0], captured.span("agent").span_id)

    assert parent_of(captured, "agent") == ids(request)
    assert parent_of(captured, "first") == agent_ids == parent_of(captured, "work")
    assert parent_of(captured, "second") == inner
    assert parent_of(captured, "third") == kept[0]


def test_without_an_active_span_ours_begin_traces(captured: Captured, tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("request"):
        pass
    work()

    assert captured.span("work").parent_span_id is None


def test_a_generator_remembers_what_was_active_when_it_was_called(
    captured: Captured, tracer: trace.Tracer
) -> None:
    @headway.observe
    def stream() -> Iterator[int]:
        work()
        yield 1

    with tracer.start_as_current_span("request"):
        assert list(stream()) == [1]

    assert captured.span("work").parent_span_id == captured.span("stream").span_id


def test_work_in_a_thread_has_the_parent_that_it_would_have_here(
    captured: Captured, tracer: trace.Tracer
) -> None:
    with headway.span("outer"), tracer.start_as_current_span("inner") as inner:
        thread = threading.Thread(target=headway.propagate(work))
        thread.start()
        thread.join()

    assert parent_of(captured, "work") == ids(inner)


def test_where_asked_ours_is_the_parent_of_theirs(
    captured: Captured, tracer: trace.Tracer, exporter: InMemorySpanExporter
) -> None:
    with headway.span("agent") as agent:
        with headway.otel_context(), tracer.start_as_current_span("query") as query:
            work()
        with tracer.start_as_current_span("apart"):
            pass
    by_name = {span.name: span for span in exporter.get_finished_spans()}

    assert otel_parent(by_name["query"]) == (agent.trace_id, agent.span_id)
    assert otel_parent(by_name["apart"]) is None
    assert parent_of(captured, "work") == ids(query)


def test_a_span_of_theirs_that_is_further_inside_stays_the_current_one(
    captured: Captured, tracer: trace.Tracer
) -> None:
    with (
        headway.span("agent"),
        tracer.start_as_current_span("inner") as inner,
        headway.otel_context(),
    ):
        current = trace.get_current_span()

    assert current is inner


def test_the_flag_of_sampling_goes_through(captured: Captured) -> None:
    silent = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("tests")
    with silent.start_as_current_span("request") as request, headway.span("work") as ours:
        said = headway.headers()["traceparent"]
        with headway.otel_context():
            inside = trace.get_current_span().get_span_context()

    assert said == f"00-{ids(request)[0]}-{ours.span_id}-00"
    assert (inside.span_id, inside.trace_flags) == (int(ours.span_id, 16), 0)


def test_what_only_they_follow_is_for_them_to_tell(
    captured: Captured, tracer: trace.Tracer
) -> None:
    with tracer.start_as_current_span("request") as request:
        by_hand = headway.headers()
        by_instrument = headers_for("http", "api.example.org", None)

    assert by_hand == {"traceparent": "00-{}-{}-01".format(*ids(request))}
    assert by_instrument == {}


def test_a_header_that_they_read_as_well_makes_theirs_the_parent(
    captured: Captured, tracer: trace.Tracer
) -> None:
    with tracer.start_as_current_span("server") as server:
        header = f"00-{ids(server)[0]}-{'b' * 16}-01"
        with headway.context(traceparent=header):
            work()

    assert parent_of(captured, "work") == ids(server)


def test_a_header_of_another_trace_comes_before_a_span_around_it(
    captured: Captured, tracer: trace.Tracer
) -> None:
    header = f"00-{'a' * 32}-{'b' * 16}-01"
    with tracer.start_as_current_span("server"), headway.context(traceparent=header):
        work()

    assert parent_of(captured, "work") == ("a" * 32, "b" * 16)


def test_a_span_that_cannot_say_who_it_is_is_no_parent(captured: Captured) -> None:
    class Broken(trace.NonRecordingSpan):
        def get_span_context(self) -> trace.SpanContext:
            raise RuntimeError("broken")

    with trace.use_span(Broken(trace.INVALID_SPAN_CONTEXT)):
        work()

    assert captured.span("work").parent_span_id is None


def test_nothing_of_opentelemetry_is_imported_for_it() -> None:
    program = """
import sys, headway
with headway.span("work"), headway.otel_context(): headway.headers()
print(any(name.startswith("opentelemetry") for name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"HEADWAY_DISABLED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "False"
