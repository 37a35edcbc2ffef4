import asyncio
import contextvars
import json
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest

import headway
from headway.contexts import LABELS, NO_LABELS
from headway.testing import Captured, capture


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def data(raw: msgspec.Raw) -> Any:
    return json.loads(bytes(raw)) if bytes(raw) else None


def test_spans_nest_and_share_their_trace(captured: Captured) -> None:
    with headway.span("outer", kind="chain") as outer:
        with headway.span("inner", kind="retriever", input={"q": 1}) as inner:
            inner.output = ["page"]
        assert headway.current_span() is outer
    recorded = captured.span("inner")

    assert recorded.parent_span_id == outer.span_id
    assert recorded.trace_id == outer.trace_id == captured.span("outer").trace_id
    assert (data(recorded.input), data(recorded.output)) == ({"q": 1}, ["page"])
    assert recorded.kind == "retriever"


def test_what_becomes_known_is_set_on_the_span(captured: Captured) -> None:
    with headway.span("call", kind="llm", model="asked") as span:
        span.response_model = "given"
        span.input_tokens = np.int64(12)  # type: ignore[assignment]
        span.output_tokens = 5
        span.cost_usd = 0.25
        span.finish_reasons = ["stop"]
        span.params = {"temperature": 0.2}
        span.attributes["shard"] = 3
        span.scores["valid"] = True
        headway.current_span().user_id = "ada"
    recorded = captured.span("call")

    assert (recorded.request_model, recorded.response_model) == ("asked", "given")
    assert (recorded.input_tokens, recorded.output_tokens, recorded.cost_usd) == (12, 5, 0.25)
    assert recorded.finish_reasons == ["stop"]
    assert data(recorded.params) == {"temperature": 0.2}
    assert data(recorded.attributes) == {"shard": 3}
    assert recorded.user_id == "ada"
    assert [(score.name, score.value) for score in captured.scores] == [("valid", True)]
    assert captured.scores[0].span_id == recorded.span_id


def test_what_was_set_can_be_read_back_while_the_span_runs(captured: Captured) -> None:
    with headway.span("call") as span:
        span.output = {"a": (1, 2)}

        current = headway.current_span()

        assert current.output == {"a": [1, 2]}
        assert current.input is None
        assert current.request_model is None


def test_a_call_of_the_past_keeps_its_own_times(captured: Captured) -> None:
    start_ns = 1_600_000_000_000_000_000
    with headway.span("old", start_ns=start_ns, end_ns=start_ns + 5_000_000) as old:
        pass
    with headway.span("open", start_ns=start_ns):
        pass
    recorded, unended = captured.span("old"), captured.span("open")

    assert (recorded.start_ns, recorded.end_ns) == (start_ns, start_ns + 5_000_000)
    assert int(old.trace_id[:12], 16) == 1_600_000_000_000
    assert start_ns <= unended.end_ns < start_ns + 10_000_000_000


def test_a_span_never_ends_before_it_starts(captured: Captured) -> None:
    with headway.span("backwards", start_ns=2_000, end_ns=1_000):
        pass

    assert captured.span("backwards").end_ns == 2_000


def test_an_error_in_the_block_is_recorded_and_passes(captured: Captured) -> None:
    with pytest.raises(ZeroDivisionError), headway.span("sum"):
        _ = 1 / 0

    assert captured.span("sum").error_type == "ZeroDivisionError"


def test_a_status_set_by_hand_stays(captured: Captured) -> None:
    with headway.span("soft failure") as span:
        span.status = "error"
        span.status_message = "the model refused"

    assert captured.span("soft failure").status == "error"


def test_context_is_inherited_added_to_and_left_again(captured: Captured) -> None:
    with headway.context(user="ada", session="s1", tags=["beta"], release="1"):
        with headway.context(session="s2", tags=["night"]), headway.span("inner"):
            pass
        with headway.span("outer"):
            pass
    with headway.span("after"):
        pass
    inner, outer, after = (captured.span(name) for name in ("inner", "outer", "after"))

    assert (inner.user_id, inner.session_id, inner.tags) == ("ada", "s2", ["beta", "night"])
    assert (outer.user_id, outer.session_id, outer.tags) == ("ada", "s1", ["beta"])
    assert (inner.release, after.release) == ("1", None)
    assert (after.user_id, after.tags) == (None, [])


def test_context_belongs_to_one_task(captured: Captured) -> None:
    async def work(user: str) -> None:
        with headway.context(user=user):
            await asyncio.sleep(0)
            with headway.span(user):
                await asyncio.sleep(0)

    async def together() -> None:
        await asyncio.gather(*(work(str(number)) for number in range(10)))

    asyncio.run(together())

    assert all(span.user_id == span.name for span in captured.spans)


def test_a_span_is_in_the_environment_that_holds_when_it_begins(captured: Captured) -> None:
    for environment in ("staging", "production"):
        headway.init(environment=environment, release="7")
        with headway.span(environment):
            pass

    assert [span.environment for span in captured.spans] == ["staging", "production"]
    assert {span.release for span in captured.spans} == {"7"}


def test_ids_and_tags_are_taken_as_users_have_them(captured: Captured) -> None:
    odd: Any = {"user": 42, "session": UUID(int=7), "tags": "beta"}
    with headway.context(**odd), headway.span("call"):
        pass
    recorded = captured.span("call")

    assert recorded.user_id == "42"
    assert recorded.session_id == "00000000-0000-0000-0000-000000000007"
    assert recorded.tags == ["beta"]


def test_a_context_left_in_another_thread_raises_nothing(captured: Captured) -> None:
    def user_code() -> Iterator[None]:
        with headway.context(user="ada"), headway.span("call"):
            yield

    generator = user_code()
    contextvars.copy_context().run(next, generator)
    thread = threading.Thread(target=lambda: list(generator))
    thread.start()
    thread.join()

    assert captured.span("call").user_id == "ada"
    assert LABELS.get() is NO_LABELS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("input_tokens", "many"),
        ("input_tokens", -1),
        ("output_tokens", 2**70),
        ("cost_usd", float("nan")),
        ("status", "great"),
        ("kind", "lm"),
        ("request_model", object()),
        ("finish_reasons", [None]),
        ("tags", 5),
        ("name", ""),
    ],
)
def test_what_the_collector_would_refuse_is_left_out_and_counted(field: str, value: Any) -> None:
    with capture(is_raising=False) as captured:
        with headway.span("call") as span:
            setattr(span, field, value)
        recorded = captured.span("call")
        faults = headway.stats().faults

    assert recorded.status == "ok"
    assert getattr(recorded, field) in (None, [], "ok", "span", "call")
    assert sum(faults.values()) == 1


def test_garbage_to_span_and_context_never_raises_into_the_program() -> None:
    garbage: Any = object()
    with capture(is_raising=False) as captured:
        everything = {"kind": garbage, "model": garbage, "prompt": garbage, "nonsense": 1}
        times = {"start_ns": garbage, "end_ns": garbage}
        with (
            headway.context(user=garbage, session=garbage, tags=garbage, release=garbage),
            headway.span(garbage, attributes=garbage, **times, **everything) as span,
        ):
            span.scores = garbage
            span.attributes = garbage
        spans = captured.spans

    assert len(spans) == 1


def test_faults_are_raised_where_a_test_asks_for_it() -> None:
    with capture(is_raising=True), pytest.raises(ValueError, match="is not one of"):
        headway.span("call", kind="lm")  # type: ignore[arg-type]


def test_outside_of_any_span_there_is_one_that_nobody_records(captured: Captured) -> None:
    span = headway.current_span()
    span.input_tokens = 3
    span.output = "lost"
    span.attributes["a"] = 1

    assert captured.records == []


def test_a_span_is_recorded_once(captured: Captured) -> None:
    span = headway.span("call")
    with span:
        pass
    span.close()
    span.__exit__(None, None, None)

    assert len(captured.spans) == 1


def test_an_ended_span_lets_go_of_its_content(captured: Captured) -> None:
    with headway.span("call", input="x" * 1000) as span:
        pass

    assert bytes(span.record.input) == b""
    assert len(data(captured.span("call").input)) == 1000


class Guarded:
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


class Hostile:
    def __float__(self) -> float:
        raise RuntimeError

    def keys(self) -> Any:
        raise KeyError("keys")

    def __iter__(self) -> Iterator[str]:
        raise KeyError("iter")


def test_objects_that_raise_when_they_are_looked_at_never_reach_the_program() -> None:
    garbage: Any = Hostile()
    with capture(is_raising=False) as captured:
        with headway.context(tags=garbage), headway.span("call", prompt=Guarded()) as span:
            span.tags = garbage
            span.cost_usd = garbage
            span.attributes = garbage
            span.scores = garbage
            span.end_ns = garbage
        spans, faults = captured.spans, headway.stats().faults

    assert [span.status for span in spans] == ["ok"]
    assert sum(faults.values()) == 8


def test_of_many_tags_the_first_are_kept_and_no_more_are_read() -> None:
    numbers: Any = iter(range(10**9))
    with capture(is_raising=False) as captured:
        with headway.context(tags=numbers), headway.span("call") as span:
            span.finish_reasons = ["x" * 1000] * 65
        recorded, faults = captured.span("call"), headway.stats().faults

    assert recorded.tags == [str(number) for number in range(64)]
    assert next(numbers) == 65
    assert [len(reason) for reason in recorded.finish_reasons] == [256] * 64
    assert sum(faults.values()) == 2


def test_a_field_that_there_is_not_is_counted_when_the_span_ends() -> None:
    with capture(is_raising=False) as captured:
        with headway.span("call") as span:
            span.outputs = "x"  # type: ignore[attr-defined]
            span.end_ns = None
        spans, stats = captured.spans, headway.stats()

    assert len(spans) == 1
    assert stats.faults == {"span": 1}
    assert "no field 'outputs'" in str(stats.last_error)
