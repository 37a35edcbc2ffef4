"""Programs that fork; the first argument says which."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable

import headway
from tests.e2e.process_models.ledgers import call, note, tell


def fork(work: Callable[[], object]) -> int:
    """Do ``work`` in a child that ends as it likes, or at once, and return its id."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return child


def join(child: int) -> None:
    assert os.waitpid(child, 0)[1] == 0


def flushed() -> None:
    call("flushed")
    assert headway.flush(20)


def ended() -> None:
    call("ended")
    # Runs what is registered with atexit, as in the parent.
    sys.exit()


def with_a_child() -> None:
    call("middle")
    join(fork(lambda: call("grandchild")))


def many() -> None:
    for _ in range(50):
        call("child")
    flushed()


def families() -> None:
    """Have children of every sort, while the parent goes on."""
    call("before")
    for work in (flushed, ended, lambda: call("left")):
        child = fork(work)
        call("meanwhile")
        join(child)
    join(fork(with_a_child))
    call("after")


def in_a_thread() -> None:
    """Fork in one thread while others log."""
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.wait(0.001):
            call("beside")

    def start_children() -> None:
        children = [fork(flushed) for _ in range(3)]
        children += [fork(lambda: call("left")) for _ in range(3)]
        for child in children:
            join(child)
        is_over.set()

    threads = [threading.Thread(target=work) for work in (go_on, go_on, start_children)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_a_span() -> None:
    """Fork where a span is open."""
    with headway.context(session="s1"), headway.span("open") as span:
        join(fork(lambda: call("inside")))
        join(fork(lambda: (call("inside, too"), headway.flush(20))))
    note(span.span_id)


def out_of_spans() -> None:
    """Have a child leave, with an exception, what was open at the fork."""

    @headway.observe
    def outer() -> str:
        note(headway.current_span().span_id)
        with headway.span("between") as between:
            note(between.span_id)
            return asyncio.run(inner())

    @headway.observe
    async def inner() -> str:
        note(headway.current_span().span_id)
        return innermost()

    @headway.observe
    def innermost() -> str:
        with headway.span("open") as span:
            child = os.fork()
            if child == 0:
                call("child")
                sys.exit(0)
            join(child)
            note(span.span_id)
        with headway.span("closed") as closed:
            note(closed.span_id)
        return "the parent's"

    outer()


def in_a_batch() -> None:
    """Fork when told that a batch is on its way, and has no answer yet."""
    for _ in range(200):
        call("before")
    tell("sending")
    sys.stdin.readline()
    child = fork(many)
    call("after")
    tell("forked")
    join(child)


def killed() -> None:
    """Outlive a child that is killed."""
    reading, writing = os.pipe()

    def wait_for_the_end() -> None:
        for _ in range(100):
            call("child")
        os.write(writing, b"x")
        signal.pause()

    child = fork(wait_for_the_end)
    os.read(reading, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    call("parent")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
