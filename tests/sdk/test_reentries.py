"""What is made once and entered often: a span, a context, what OpenTelemetry is told."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import headway
from headway.clients import Client
from headway.testing import CapturedCall, FrozenClock, capture

THREADS = 4
TASKS = 3


def together(work: Callable[[], object]) -> None:
    """Run ``work`` in several threads, to their end."""
    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def outputs(calls: list[CapturedCall]) -> list[object]:
    return sorted(call.output for call in calls)


def test_threads_that_share_a_span_keep_their_own_exceptions() -> None:
    raised: list[BaseException] = []
    at_once = threading.Barrier(THREADS)

    def work() -> None:
        try:
            with step:
                at_once.wait()
                raise KeyError("the program's own")
        except BaseException as error:
            raised.append(error)

    with capture() as captured:
        step = headway.span("step", kind="tool")
        together(work)

    assert [type(error) for error in raised] == [KeyError] * THREADS
    assert [(call.kind, call.status) for call in captured.calls] == [("tool", "error")] * THREADS
    assert len({call.span_id for call in captured.calls}) == THREADS


def test_a_span_that_is_entered_in_itself_is_a_child_of_itself() -> None:
    def walk(depth: int) -> None:
        with step as span:
            span.output = depth
            if depth:
                walk(depth - 1)

    with capture() as captured:
        step = headway.span("step")
        walk(2)

    (root,) = captured.roots
    assert captured.tree() == "step\n  step\n    step"
    assert (root.output, root.children[0].output) == (2, 1)
    assert len({call.trace_id for call in captured.calls}) == 1


def test_each_round_of_a_loop_has_an_output_of_its_own() -> None:
    with capture() as captured:
        step = headway.span("step", model="m", attributes={"given": 1}, input="of the first")
        for number in range(3):
            with step:
                step.output = number
                step.attributes["round"] = number

    calls = captured.calls
    assert [call.output for call in calls] == [0, 1, 2]
    assert [call.attributes for call in calls] == [{"given": 1, "round": n} for n in range(3)]
    assert [call.input for call in calls] == ["of the first", None, None]
    assert {call.request_model for call in calls} == {"m"}
    assert len({call.span_id for call in calls}) == 3


def test_tasks_that_share_a_span_have_one_each() -> None:
    async def job(number: int) -> None:
        with step as span:
            await asyncio.sleep(0.002 * (TASKS - number))
            with headway.span("inside"):
                span.output = number

    async def work() -> None:
        await asyncio.gather(*map(job, range(TASKS)))

    with capture() as captured:
        step = headway.span("step")
        asyncio.run(work())

    assert outputs(captured.find("step")) == [0, 1, 2]
    assert [len(call.children) for call in captured.find("step")] == [1] * TASKS


def test_a_span_of_a_module_goes_to_the_client_that_is_there_when_it_is_entered(
    make_client: Callable[..., Client],
) -> None:
    outer = make_client()
    step = headway.span("step")
    with capture() as captured, step:
        pass

    assert captured.tree() == "step"
    assert outer.stats().recorded == 0


def test_a_span_of_a_module_begins_where_and_when_it_is_entered() -> None:
    clock = FrozenClock()
    with capture(clock_ns=clock) as captured:
        step = headway.span("step", session_id="its own", input="kept")
        step.input_tokens = 3
        clock.tick(60)
        with headway.context(user="ann", session="theirs"), headway.span("request"):
            with step:
                clock.tick(1)
            with step:
                clock.tick(1)

    assert captured.tree() == "request\n  step\n  step"
    first, second = captured.find("step")
    assert [call.duration_ms for call in (first, second)] == [1000, 1000]
    assert first.trace_id == second.trace_id == captured.find("request")[0].trace_id
    assert (first.user_id, first.session_id) == ("ann", "its own")
    assert (first.input, first.input_tokens) == ("kept", 3)


def test_a_span_that_is_entered_late_and_left_at_once_has_taken_no_time() -> None:
    clock = FrozenClock()
    with capture(clock_ns=clock) as captured:
        step = headway.span("step")
        clock.tick(60)
        with step:
            pass

    (span,) = captured.spans
    assert span.start_ns == span.end_ns == clock()


def test_a_span_of_the_past_keeps_its_times() -> None:
    with capture() as captured:
        step = headway.span("step", start_ns=1_000_000, end_ns=3_000_000)
        with headway.span("request"), step:
            pass

    (span,) = [each for each in captured.spans if each.name == "step"]
    assert (span.start_ns, span.end_ns) == (1_000_000, 3_000_000)


def test_what_runs_in_an_entry_has_the_labels_of_where_it_was_entered() -> None:
    with capture() as captured:
        with headway.context(user="ann", tags=["one"]):
            step = headway.span("step")
            with step:
                pass
        with headway.context(user="bob"), step:
            pass

    assert [(span.user_id, span.tags) for span in captured.spans] == [("ann", ["one"]), ("bob", [])]


def test_an_entry_that_ends_elsewhere_is_left_all_the_same() -> None:
    def read() -> Iterator[int]:
        with step as span:
            span.output = "read"
            yield 1

    async def close(generator: Iterator[int]) -> None:
        generator.close()  # type: ignore[attr-defined]  # a generator has it

    with capture() as captured:
        step = headway.span("step")
        with step:
            pass
        reader = read()
        contextvars.copy_context().run(next, reader)
        asyncio.run(close(reader))

    assert [call.output for call in captured.calls] == [None, "read"]


def test_a_context_may_be_entered_in_itself_and_again() -> None:
    with capture() as captured:
        labelled = headway.context(user="ann", tags=iter(["a", "b"]))
        with labelled, headway.span("one"), labelled, headway.span("two"):
            pass
        with headway.span("outside"):
            pass
        with labelled, headway.span("three"):
            pass

    labels = {span.name: (span.user_id, span.tags) for span in captured.spans}
    ours = ("ann", ["a", "b"])
    assert labels == {"one": ours, "two": ours, "three": ours, "outside": (None, [])}


def test_threads_that_share_a_context_leave_their_own() -> None:
    at_once = threading.Barrier(THREADS)
    users: list[str | None] = []

    def work() -> None:
        with labelled:
            at_once.wait()
        at_once.wait()
        with headway.span("after") as span:
            users.append(span.user_id)

    with capture():
        labelled = headway.context(user="ann")
        together(work)

    assert users == [None] * THREADS


def test_a_context_is_still_a_decorator_and_lets_exceptions_pass() -> None:
    @headway.context(user="ann")
    def work(depth: int) -> None:
        if depth:
            work(depth - 1)
        raise KeyError("the program's own")

    with capture() as captured, pytest.raises(KeyError), headway.span("around"):
        work(1)

    assert captured.span("around").user_id is None


def test_opentelemetry_is_told_at_each_entry() -> None:
    tracer = TracerProvider().get_tracer("test")
    with capture():
        shared = headway.otel_context()
        seen = []
        for name in ("one", "two"):
            with headway.span(name) as span, shared, shared:
                ours = int(span.span_id, 16)
                with tracer.start_as_current_span("theirs") as theirs:
                    seen.append(theirs.parent.span_id == ours)  # type: ignore[attr-defined]
            assert not trace.get_current_span().get_span_context().is_valid

    assert seen == [True, True]
