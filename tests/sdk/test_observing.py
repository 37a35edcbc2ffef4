import asyncio
import contextlib
import functools
import gc
import inspect
import json
import os
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any, assert_type

import msgspec
import numpy as np
import pytest

import headway
from headway.contexts import CURRENT
from headway.lifecycle import current_client
from headway.records import Span
from headway.testing import Captured, FrozenClock, capture

OUR_FOLDER = os.path.dirname(headway.__file__)


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def data(raw: msgspec.Raw) -> Any:
    return json.loads(bytes(raw)) if bytes(raw) else None


class Prompt:
    name = "triage"
    version = "4f2a"


@headway.observe(kind="llm", model="support-7b", provider="local", prompt=Prompt())
def triage(message: str, *, limit: int = 3) -> str:
    return message.upper()[:limit]


@headway.observe
async def answer(message: str) -> str:
    await asyncio.sleep(0)
    return triage(message)


@headway.observe
def stream(count: int) -> Generator[str, str | None, int]:
    for number in range(count):
        with headway.span(f"step {number}"):
            pass
        yield f"{number} "
    return count


@headway.observe
async def astream(count: int) -> AsyncIterator[str]:
    for number in range(count):
        await asyncio.sleep(0)
        yield f"{number} "


def test_a_call_becomes_a_span_with_its_arguments_by_name(captured: Captured) -> None:
    given = triage("where is my parcel?")
    span = captured.span("triage")

    assert given == "WHE"
    assert data(span.input) == {"message": "where is my parcel?", "limit": 3}
    assert data(span.output) == "WHE"
    assert (span.kind, span.status) == ("llm", "ok")
    assert (span.request_model, span.provider) == ("support-7b", "local")
    assert (span.prompt_name, span.prompt_version) == ("triage", "4f2a")
    assert span.parent_span_id is None
    assert span.start_ns <= span.end_ns


def test_the_decorated_function_keeps_its_signature_for_type_checkers(
    captured: Captured,
) -> None:
    # mypy checks this file: each ignore below fails it, were the signature lost.
    assert_type(triage("a"), str)
    assert_type(triage("a", limit=1), str)
    wrong: Callable[[], object] = functools.partial(triage, 1)  # type: ignore[arg-type]

    with pytest.raises(TypeError):
        triage("a", size=1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        wrong()


def test_the_decorated_function_is_what_it_was_at_run_time() -> None:
    assert triage.__name__ == "triage"
    assert list(inspect.signature(triage).parameters) == ["message", "limit"]
    assert inspect.iscoroutinefunction(answer)
    assert not inspect.iscoroutinefunction(triage)


def test_calls_inside_a_coroutine_are_its_children(captured: Captured) -> None:
    given = asyncio.run(answer("hello"))
    outer, inner = captured.span("answer"), captured.span("triage")

    assert given == "HEL"
    assert inner.parent_span_id == outer.span_id
    assert inner.trace_id == outer.trace_id


def test_tasks_that_run_at_once_do_not_mix_their_parents(captured: Captured) -> None:
    async def together() -> None:
        await asyncio.gather(*(answer(str(number)) for number in range(20)))

    asyncio.run(together())
    outer = {span.span_id: span for span in captured.spans if span.name == "answer"}
    inner = [span for span in captured.spans if span.name == "triage"]

    assert len(outer) == len(inner) == 20
    for span in inner:
        assert span.parent_span_id is not None
        assert data(outer[span.parent_span_id].input)["message"] == data(span.input)["message"]


def test_an_exception_is_recorded_and_raised_untouched(captured: Captured) -> None:
    class OrderError(Exception):
        pass

    error = OrderError("no such order")

    @headway.observe
    def fail(order: int) -> None:
        raise error

    with pytest.raises(OrderError) as raised:
        fail(3)
    span = captured.span("fail")

    assert raised.value is error
    assert span.status == "error"
    assert span.error_type is not None
    assert span.error_type.endswith("OrderError")
    assert span.status_message == "no such order"
    assert span.error_stack is not None
    assert "raise error" in span.error_stack
    assert span.error_stack.count("File ") == 1
    assert CURRENT.get() is None


def told_of(error: BaseException) -> Any:
    """All that a program can see of an exception, but for our frames."""
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [code.co_name for code in frames if code.co_filename.startswith(OUR_FOLDER)]
    theirs = [code.co_name for code in frames if not code.co_filename.startswith(OUR_FOLDER)]
    linked = error.__cause__, error.__context__, error.__suppress_context__, error.__notes__
    return error, linked, theirs, len(ours)


@pytest.mark.parametrize("way", ["call", "coroutine", "generator", "async generator", "late"])
def test_an_exception_reaches_the_program_as_it_would_without_us(
    captured: Captured, way: str
) -> None:
    error, cause, outer = ValueError("bad"), KeyError("id"), LookupError("handled meanwhile")
    error.add_note("a note")

    def fail() -> None:
        try:
            raise cause
        except KeyError:
            raise error from cause

    async def fail_later() -> None:
        fail()

    def fail_in_a_stream() -> Iterator[str]:
        yield "a"
        fail()

    async def fail_in_an_async_stream() -> AsyncIterator[str]:
        yield "a"
        fail()

    async def read(stream: Any) -> None:
        async for _ in stream:
            pass

    ways: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
        "call": (fail, lambda function: function()),
        "coroutine": (fail_later, lambda function: asyncio.run(function())),
        "generator": (fail_in_a_stream, lambda function: list(function())),
        "async generator": (fail_in_an_async_stream, lambda given: asyncio.run(read(given()))),
        "late": (lambda: fail_later(), lambda function: asyncio.run(function())),
    }
    function, use = ways[way]

    def told_by(function: Callable[..., Any]) -> Any:
        try:
            raise outer
        except LookupError:
            try:
                use(function)
            except ValueError as raised:
                return told_of(raised)
            finally:
                error.__traceback__ = cause.__traceback__ = outer.__traceback__ = None
        raise AssertionError("nothing was raised")

    *without_us, _ = told_by(function)
    *with_us, ours = told_by(headway.observe(function))

    assert with_us == without_us
    assert ours == 1


def test_a_stack_keeps_the_innermost_frames_only(captured: Captured) -> None:
    @headway.observe
    def fail() -> None:
        def dig(depth: int) -> None:
            if depth == 0:
                raise ValueError("bottom")
            dig(depth - 1)

        dig(200)

    with pytest.raises(ValueError, match="bottom"):
        fail()
    stack = captured.span("fail").error_stack or ""

    assert stack.count("in dig") <= 20
    assert 'raise ValueError("bottom")' in stack


def test_what_is_said_of_an_exception_is_bounded(captured: Captured, tmp_path: Path) -> None:
    path = tmp_path / "shop.py"
    path.write_text(
        f"def dig(depth): return dig(depth - 1) if depth else fail()  # {'x' * 700}\n"
        f"def fail(): raise ValueError('bottom ' * 1_000)  # {'y' * 10_000}\n"
    )
    shop: dict[str, Any] = {}
    exec(compile(path.read_text(), path, "exec"), shop)

    with pytest.raises(ValueError, match="bottom"):
        headway.observe(shop["dig"])(30)
    span = captured.span("dig")
    stack = span.error_stack or ""

    assert len(span.status_message or "") < 2_100
    assert len(stack) < 8_100
    assert max(map(len, stack.splitlines())) < 1_100
    assert "in fail" in stack


def test_an_exception_through_hundreds_of_calls_is_not_formatted_in_each(
    captured: Captured,
) -> None:
    @headway.observe
    def dig(depth: int) -> None:
        if depth == 0:
            raise ValueError("bottom")
        dig(depth - 1)

    formatting = 0

    def count(frame: Any, event: str, argument: object) -> None:
        nonlocal formatting
        module = frame.f_globals.get("__name__")
        formatting += event == "call" and module in ("traceback", "linecache")

    sys.setprofile(count)
    try:
        with pytest.raises(ValueError, match="bottom"):
            dig(100)
    finally:
        sys.setprofile(None)
    stacks = [span.error_stack or "" for span in captured.spans]

    assert formatting < 100
    assert len(stacks) == 101
    assert all('raise ValueError("bottom")' in stack for stack in stacks)


def test_a_call_that_a_task_outlives_lets_go_of_its_content(captured: Captured) -> None:
    calls: list[Any] = []

    @headway.observe
    def start(document: str) -> str:
        calls.append(CURRENT.get())
        return document.upper()

    start("x" * 1000)
    record = calls[0].record
    span = captured.span("start")

    assert (bytes(record.input), bytes(record.output)) == (b"", b"")
    assert (data(span.input), data(span.output)) == ({"document": "x" * 1000}, "X" * 1000)


def test_an_argument_that_is_no_finite_number_is_named(captured: Captured) -> None:
    @headway.observe
    def rate(loss: float) -> None: ...

    rate(float("nan"))

    assert data(captured.span("rate").input) == {"loss": "NaN"}


def test_a_generator_is_followed_to_its_end(captured: Captured) -> None:
    generator = stream(3)
    chunks = []
    try:
        while True:
            chunks.append(next(generator))
    except StopIteration as stop:
        returned = stop.value
    span = captured.span("stream")

    assert (chunks, returned) == (["0 ", "1 ", "2 "], 3)
    assert data(span.output) == "0 1 2 "
    assert span.chunk_count == 3
    assert span.is_abandoned is None
    assert span.status == "ok"


def test_a_stream_tells_its_first_chunk_and_the_gaps_between_them() -> None:
    clock = FrozenClock()

    @headway.observe
    def slowly() -> Iterator[str]:
        for gap_ms in (250, 10, 20, 30):
            clock.tick(gap_ms / 1000)
            yield "x"

    with capture(clock_ns=clock) as captured:
        list(slowly())
        span = captured.span("slowly")

    assert span.ttft_ms == 250
    assert (span.chunk_p50_ms, span.chunk_p95_ms) == (20, 30)
    assert span.end_ns - span.start_ns == 310_000_000


def test_nothing_is_current_while_a_generator_waits(captured: Captured) -> None:
    generator = stream(2)
    next(generator)
    outside = CURRENT.get()
    list(generator)
    steps = [span for span in captured.spans if span.name.startswith("step")]

    assert outside is None
    assert {span.parent_span_id for span in steps} == {captured.span("stream").span_id}


def test_a_generator_belongs_to_the_span_in_which_it_was_called(captured: Captured) -> None:
    with headway.span("request") as request, headway.context(user="ada"):
        generator = stream(1)
    list(generator)
    span = captured.span("stream")

    assert span.parent_span_id == request.span_id
    assert span.user_id == "ada"


def test_values_and_errors_sent_into_a_generator_reach_it(captured: Captured) -> None:
    @headway.observe
    def echo() -> Generator[object, object, str]:
        received: object = None
        while True:
            try:
                received = yield received
            except KeyError as error:
                received = f"caught {error}"
            if received == "stop":
                return "done"

    generator = echo()
    next(generator)
    sent = generator.send("hello")
    thrown = generator.throw(KeyError("k"))
    with pytest.raises(StopIteration) as stop:
        generator.send("stop")

    assert (sent, thrown, stop.value.value) == ("hello", "caught 'k'", "done")
    assert captured.span("echo").status == "ok"


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_generator_left_early_is_abandoned_and_not_an_error(
    captured: Captured, is_closed: bool
) -> None:
    generator = stream(5)
    next(generator)
    if is_closed:
        generator.close()
    else:
        del generator
        gc.collect()
    span = captured.span("stream")

    assert span.is_abandoned
    assert span.status == "ok"
    assert data(span.output) == "0 "


def test_a_generator_that_fails_keeps_what_it_gave(captured: Captured) -> None:
    @headway.observe
    def breaking() -> Iterator[str]:
        yield "half an ans"
        raise ConnectionError("reset")

    with pytest.raises(ConnectionError):
        list(breaking())
    span = captured.span("breaking")

    assert (span.status, span.status_message) == ("error", "reset")
    assert data(span.output) == "half an ans"
    assert span.is_abandoned is None


def test_chunks_that_are_not_all_text_become_a_list_as_they_were(captured: Captured) -> None:
    @headway.observe
    def mixed() -> Iterator[Any]:
        delta = {"text": "a"}
        yield delta
        delta["text"] = "changed"
        yield "b"

    list(mixed())

    assert data(captured.span("mixed").output) == [{"text": "a"}, "b"]


def test_an_endless_stream_is_kept_up_to_the_limit(captured: Captured) -> None:
    @headway.observe
    def long() -> Iterator[str]:
        for _ in range(3000):
            yield "x" * 1000

    for _ in long():
        pass
    span = captured.span("long")
    output = data(span.output)

    assert span.chunk_count == 3000
    assert len(output) < 1 << 20
    assert "…[cut " in output


def test_an_async_generator_is_followed_to_its_end(captured: Captured) -> None:
    async def consume() -> list[str]:
        return [chunk async for chunk in astream(3)]

    chunks = asyncio.run(consume())
    span = captured.span("astream")

    assert chunks == ["0 ", "1 ", "2 "]
    assert data(span.output) == "0 1 2 "
    assert span.chunk_count == 3
    assert span.ttft_ms is not None


def test_an_async_generator_closed_from_another_task_is_abandoned(captured: Captured) -> None:
    async def consume() -> None:
        generator = astream(5)
        await anext(generator)
        await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]

    asyncio.run(consume())
    span = captured.span("astream")

    assert span.is_abandoned
    assert span.status == "ok"


def test_an_async_generator_left_to_the_loop_is_abandoned(captured: Captured) -> None:
    async def consume() -> None:
        async for _ in astream(5):
            break

    asyncio.run(consume())

    assert captured.span("astream").is_abandoned
    assert captured.span("astream").status == "ok"


def test_a_stream_started_in_one_thread_may_be_read_in_another(captured: Captured) -> None:
    generator = stream(3)
    next(generator)
    thread = threading.Thread(target=lambda: list(generator))
    thread.start()
    thread.join()

    assert data(captured.span("stream").output) == "0 1 2 "


def test_what_a_plain_function_returns_is_followed_too(captured: Captured) -> None:
    @headway.observe
    def lazily() -> Iterator[int]:
        return (number for number in range(3))

    @headway.observe
    def later() -> Any:
        async def work() -> str:
            return "done"

        return work()

    numbers = list(lazily())
    result = asyncio.run(later())

    assert (numbers, result) == ([0, 1, 2], "done")
    assert data(captured.span("lazily").output) == [0, 1, 2]
    assert data(captured.span("later").output) == "done"


def test_an_output_set_by_hand_is_not_overwritten(captured: Captured) -> None:
    @headway.observe
    def secretive() -> str:
        headway.current_span().output = "hidden"
        return "secret"

    secretive()

    assert data(captured.span("secretive").output) == "hidden"


class Desk:
    @headway.observe
    def method(self, message: str, *others: str, urgent: bool = False, **more: int) -> None: ...

    @classmethod
    @headway.observe
    def of_class(cls, message: str) -> None: ...

    @staticmethod
    @headway.observe
    def static(message: str) -> None: ...

    @headway.observe
    @classmethod
    def wrapped(cls, message: str) -> None: ...

    def __call__(self, message: str) -> str:
        return message


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: Desk().method("a"), {"message": "a", "urgent": False}),
        (
            lambda: Desk().method("a", "b", "c", urgent=True, size=3),
            {"message": "a", "urgent": True, "others": ["b", "c"], "more": {"size": 3}},
        ),
        (lambda: Desk().method(message="a"), {"message": "a", "urgent": False}),
        (lambda: Desk.of_class("a"), {"message": "a"}),
        (lambda: Desk.static("a"), {"message": "a"}),
        (lambda: Desk.wrapped("a"), {"message": "a"}),
        (lambda: headway.observe(Desk())("a"), {"message": "a"}),
        (lambda: headway.observe(functools.partial(pow, 2))(3), {"base": 2, "exp": 3, "mod": None}),
        (lambda: headway.observe(max)(1, 2), {"args": [1, 2]}),
        (lambda: headway.observe(lambda a, /, **b: None)(1, a=2), {"a": 1, "b": {"a": 2}}),
    ],
)
def test_arguments_are_named_as_the_author_named_them(
    captured: Captured, call: Callable[[], object], expected: object
) -> None:
    call()

    assert data(captured.spans[0].input) == expected


def test_wrong_arguments_raise_what_they_always_raised(captured: Captured) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        triage("a", size=1)  # type: ignore[call-arg]

    assert data(captured.span("triage").input) == {"args": ["a"], "kwargs": {"size": 1}}


def test_a_giant_number_among_the_arguments_is_named(captured: Captured) -> None:
    headway.observe(triage_number)(1 << 100_000)

    assert data(captured.span("triage_number").input) == {"number": "[100001 bit int]"}


def triage_number(number: int) -> int:
    return number & 1


def test_a_partial_function_bears_the_name_of_its_function(captured: Captured) -> None:
    headway.observe(functools.partial(triage_number, 5))()

    assert captured.span("triage_number").name == "triage_number"


def test_what_a_call_takes_and_gives_is_bounded_however_it_is_made_up(captured: Captured) -> None:
    @headway.observe
    def repeat(*texts: str, **more: str) -> str:
        return texts[0] * len(texts)

    @headway.observe
    def title(page: str) -> str:
        return page[:9]

    repeat("x" * 2_000_000)
    repeat("x" * 20_000, *["y"] * 99)
    title("x" * 2_000_000)
    headway.observe(lambda a, b, c, d, e, f, g, h, i, j, k: None)(*["\0" * 16_000] * 11)
    sizes = [(len(bytes(span.input)), len(bytes(span.output))) for span in captured.spans]

    assert len(sizes) == 4
    assert max(map(max, sizes)) <= 1 << 20


def test_arguments_are_recorded_as_they_were_at_the_call(captured: Captured) -> None:
    @headway.observe
    def consume(messages: list[str]) -> None:
        messages.clear()

    consume(["a"])

    assert data(captured.span("consume").input) == {"messages": ["a"]}


def test_an_unknown_kind_is_a_fault_and_not_an_error() -> None:
    @headway.observe(kind="lm")  # type: ignore[call-overload]
    def typo() -> int:
        return 1

    with capture(is_raising=False) as captured:
        given = typo()
        span = captured.span("typo")

    assert given == 1
    assert span.kind == "span"


def test_a_context_manager_made_of_an_observed_generator_works(captured: Captured) -> None:
    @contextlib.contextmanager
    @headway.observe
    def session() -> Iterator[str]:
        yield "open"

    def use() -> None:
        with session() as opened:
            raise RuntimeError(f"inside {opened}")

    with pytest.raises(RuntimeError, match="inside open"):
        use()

    assert captured.span("session").status == "error"


def test_many_threads_record_everything(captured: Captured) -> None:
    def work(number: int) -> None:
        for _ in range(200):
            triage(f"thread {number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans: list[Span] = captured.spans

    assert len({span.span_id for span in spans}) == 1600
    assert {span.parent_span_id for span in spans} == {None}


def test_a_name_that_is_none_leaves_the_functions_name() -> None:
    name: Any = np.zeros((3, 3))
    with capture(is_raising=False) as captured:

        @headway.observe(name=name)
        def work() -> int:
            return 1

        assert work() == 1
        spans, faults = captured.spans, headway.stats().faults

    assert [span.name for span in spans] == ["work"]
    assert sum(faults.values()) == 1


def test_a_result_whose_class_hides_is_handed_through(captured: Captured) -> None:
    class Hiding(type):
        @property
        def __module__(cls) -> str:  # type: ignore[override]
            raise RuntimeError

        def __hash__(cls) -> int:
            raise RuntimeError

    class Odd(metaclass=Hiding):
        pass

    odd = Odd()

    assert headway.observe(lambda: odd)() is odd
    assert b"Odd" in bytes(captured.spans[0].output)


def test_a_generator_function_is_still_taken_for_one(captured: Captured) -> None:
    assert inspect.isgeneratorfunction(stream)
    assert inspect.isasyncgenfunction(astream)
    assert not inspect.isgeneratorfunction(triage)
    assert not inspect.isasyncgenfunction(stream)


class Shelf:
    @headway.observe  # type: ignore[prop-decorator]
    @property
    def size(self) -> int:
        return 3

    @headway.observe
    @functools.lru_cache  # noqa: B019  # the shelf lives as long as the test
    def find(self, title: str) -> str:
        return title


def test_a_property_is_observed_when_it_is_read(captured: Captured) -> None:
    shelf: Any = Shelf()

    assert shelf.size == 3
    assert captured.span("size").output == msgspec.Raw(b"3")


def test_what_was_written_on_a_function_stays_there(captured: Captured) -> None:
    def find() -> None: ...

    find.route = "/find"  # type: ignore[attr-defined]
    observed: Any = headway.observe(find)

    assert observed.route == "/find"


def test_what_a_callable_object_can_do_stays_in_reach(captured: Captured) -> None:
    find: Any = Shelf.find
    Shelf().find("Emma")

    assert find.cache_info().misses == 1
    find.cache_clear()
    assert find.cache_info().misses == 0


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("llm", r"write observe\(kind='llm'\)"),
        (5, "no int"),
        (functools.cached_property(len), "no cached_property: write it right above the function"),
        (functools.partialmethod(len, []), "no partialmethod"),
        (functools.singledispatchmethod(len), "no singledispatchmethod"),
    ],
)
def test_what_cannot_be_observed_is_refused_with_advice(given: Any, advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        headway.observe(given)


class Secretive:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")

    def __call__(self, question: str) -> str:
        return question


class Obliging:
    """Has whatever it is asked for, as proxies of what is elsewhere have."""

    def __getattr__(self, name: str) -> Any:
        return Obliging()

    def __call__(self, question: str) -> str:
        return question


class Numbered:
    __name__ = 5

    @property
    def __signature__(self) -> inspect.Signature:
        raise NameError("only for type checkers")

    def __call__(self, question: str) -> str:
        return question


@pytest.mark.parametrize("kind", [Secretive, Obliging, Numbered])
def test_a_callable_that_answers_no_questions_is_recorded_by_its_class(
    captured: Captured, kind: type
) -> None:
    given = headway.observe(kind())("x")

    assert given == "x"
    assert captured.spans[0].name == kind.__name__


def test_a_call_that_cannot_be_read_is_counted_as_lost() -> None:
    def work() -> int:
        return 1

    with capture(is_raising=False):
        client: Any = current_client()
        client.identities = None
        given = headway.observe(work)()
        stats = headway.stats()

    assert given == 1
    assert (stats.recorded, stats.dropped) == (1, {"unreadable": 1})


def test_a_generator_that_a_function_hands_through_stays_open_for_who_else_reads_it(
    captured: Captured,
) -> None:
    @headway.observe
    def skip_first(numbers: Iterator[int]) -> Iterator[int]:
        next(numbers)
        return numbers

    numbers = (number for number in range(6))
    for number in skip_first(numbers):
        if number == 2:
            break

    assert list(numbers) == [3, 4, 5]
    assert captured.span("skip_first").is_abandoned


def test_a_generator_that_only_its_span_holds_is_closed_with_it(captured: Captured) -> None:
    ended = []

    @headway.observe
    def count() -> Iterator[int]:
        def generate() -> Iterator[int]:
            try:
                yield 1
            finally:
                ended.append(True)

        return generate()

    for _ in count():
        break

    assert ended == [True]
