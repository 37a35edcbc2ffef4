"""Work that is done in other threads, tasks and processes than those it was asked for in."""

import asyncio
import contextvars
import gc
import multiprocessing
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.testing import Captured, capture


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        headway.instrument("threads", "executors", "process_pools")
        try:
            yield captured
        finally:
            headway.uninstrument()


@headway.observe
def work() -> str:
    return threading.current_thread().name


def heirs(captured: Captured) -> set[tuple[str | None, str | None]]:
    """Parent and user of all work so far."""
    return {(s.parent_span_id, s.user_id) for s in captured.spans if s.name == "work"}


def in_thread(function: Callable[[], Any]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def in_subclass(function: Callable[[], Any]) -> None:
    class Worker(threading.Thread):
        def run(self) -> None:
            function()

    worker = Worker()
    worker.start()
    worker.join()


def in_timer(function: Callable[[], Any]) -> None:
    timer = threading.Timer(0, function)
    timer.start()
    timer.join()


def in_pool(function: Callable[[], Any]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(function).result()


def in_map(function: Callable[[], Any]) -> None:
    with ThreadPoolExecutor(1) as pool:
        list(pool.map(lambda each: function(), range(2)))


def in_executor_of_loop(function: Callable[[], Any]) -> None:
    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(None, function)

    asyncio.run(main())


def in_thread_of_loop(function: Callable[[], Any]) -> None:
    async def main() -> None:
        await asyncio.to_thread(function)

    asyncio.run(main())


def in_task(function: Callable[[], Any]) -> None:
    async def step() -> None:
        function()

    async def main() -> None:
        await asyncio.gather(asyncio.create_task(step()), step())

    asyncio.run(main())


@pytest.mark.parametrize(
    "run",
    [
        in_thread,
        in_subclass,
        in_timer,
        in_pool,
        in_map,
        in_executor_of_loop,
        in_thread_of_loop,
        in_task,
    ],
)
def test_work_belongs_to_what_asked_for_it(
    run: Callable[[Callable[[], Any]], None], captured: Captured
) -> None:
    with headway.context(user="ada"), headway.span("asking") as asking:
        run(work)

    assert heirs(captured) == {(asking.span_id, "ada")}


def test_a_worker_inherits_nothing_of_what_started_it(captured: Captured) -> None:
    with ThreadPoolExecutor(1) as pool:
        with headway.context(user="ada"), headway.span("asking") as asking:
            pool.submit(work).result()
        pool.submit(work).result()
        with headway.span("other") as other:
            pool.submit(work).result()

    assert heirs(captured) == {(asking.span_id, "ada"), (None, None), (other.span_id, None)}


def test_pools_of_multiprocessing_start_outside_of_everything(captured: Captured) -> None:
    with headway.span("asking"):
        pool = ThreadPool(1)
        pool.apply(work)
        pool.apply(headway.propagate(work))
        asking = headway.current_span()
    pool.close()
    pool.join()

    assert heirs(captured) == {(None, None), (asking.span_id, None)}


def test_a_thread_that_serves_everybody_can_start_outside_of_everything(
    captured: Captured,
) -> None:
    with headway.span("asking"):
        thread = threading.Thread(target=work)
        contextvars.Context().run(thread.start)
        thread.join()

    assert heirs(captured) == {(None, None)}


def test_a_thread_holds_nothing_once_it_ran(captured: Captured) -> None:
    class Content:
        pass

    content = Content()
    seen = weakref.ref(content)
    thread = threading.Thread(target=lambda held: None, args=(content,))
    with headway.span("asking"):
        thread.start()
        thread.join()
    del content
    gc.collect()

    assert seen() is None
    assert "run" not in vars(thread)


def test_a_thread_that_cannot_start_says_so_itself() -> None:
    class Unready(threading.Thread):
        def __init__(self) -> None:
            pass

        @property
        def run(self) -> Any:
            raise LookupError("not yet")

    with capture(is_raising=False) as captured:
        headway.instrument("threads")
        with headway.span("asking"), pytest.raises(RuntimeError, match="__init__"):
            Unready().start()
        headway.uninstrument()
        faults = headway.stats().faults

    assert captured.span("asking").status == "ok"
    assert faults == {"handing over": 1}


def test_results_and_exceptions_come_as_they_were(captured: Captured) -> None:
    with headway.span("asking"), ThreadPoolExecutor(1) as pool:
        result = pool.submit(divmod, 7, 2).result()
        failing = pool.submit(divmod, 1, 0)
        with pytest.raises(TypeError, match="submit"):
            pool.submit()  # type: ignore[call-arg]  # as a program may

        assert result == (3, 1)
        assert isinstance(failing.exception(), ZeroDivisionError)


def test_by_hand_it_needs_no_instrument() -> None:
    with capture() as captured:
        with headway.context(tags=["beta"]), headway.span("asking") as asking:
            handed = headway.propagate(work)
        thread = threading.Thread(target=handed)
        thread.start()
        thread.join()
        span = captured.span("work")

    assert (span.parent_span_id, span.tags) == (asking.span_id, ["beta"])
    assert (handed.__name__, handed.__wrapped__) == ("work", work)  # type: ignore[attr-defined]


def test_a_coroutine_function_is_handed_over_too(captured: Captured) -> None:
    @headway.observe(name="work")
    async def answer(number: int) -> int:
        await asyncio.sleep(0)
        return number

    with headway.span("asking") as asking:
        handed = headway.propagate(answer)

    assert asyncio.run(handed(3)) == 3
    assert heirs(captured) == {(asking.span_id, None)}


def test_a_function_that_is_handed_over_twice_runs_where_it_was_last(captured: Captured) -> None:
    with headway.span("first") as first:
        handed = headway.propagate(work)
    with headway.span("second"):
        headway.propagate(handed)()

    assert heirs(captured) == {(first.span_id, None)}


def _say_headers() -> dict[str, str]:
    return headway.headers(baggage=True)


def test_a_pool_of_processes_gets_ids_and_labels(
    captured: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEADWAY_JOURNAL_DIR", str(tmp_path))
    context = multiprocessing.get_context("spawn")
    with (
        headway.context(user="ada"),
        headway.span("asking") as asking,
        ProcessPoolExecutor(1, mp_context=context) as pool,
    ):
        said = pool.submit(_say_headers).result()

    assert said == {
        "traceparent": f"00-{asking.trace_id}-{asking.span_id}-01",
        "baggage": "headway.user=ada",
    }


def test_a_pool_of_interpreters_gets_the_functions_themselves(captured: Captured) -> None:
    class InterpreterPool(ThreadPoolExecutor):
        """As Python 3.14 has one, which pickles what it is given."""

    InterpreterPool.__module__ = "concurrent.futures.interpreter"
    with headway.span("asking"), InterpreterPool(1) as pool:
        pool.submit(work).result()

    assert heirs(captured) == {(None, None)}


def test_what_is_handed_over_can_be_pickled_with_the_flag_of_its_trace(captured: Captured) -> None:
    unsampled = f"00-{'a' * 32}-{'b' * 16}-00"
    with headway.context(traceparent=unsampled), headway.span("asking") as asking:
        pickled = pickle.dumps(headway.propagate(_say_headers))
    said = pickle.loads(pickled)()

    assert said == {"traceparent": f"00-{'a' * 32}-{asking.span_id}-00"}


def test_without_the_instrument_threads_are_as_they_were(captured: Captured) -> None:
    headway.uninstrument()
    with headway.span("asking"):
        in_thread(work)

    assert heirs(captured) == {(None, None)}
