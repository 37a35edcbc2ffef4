"""A client among forks, threads and signal handlers: nobody hangs, and nothing is torn."""

import threading
from pathlib import Path

import headway
from tests.sdk.conftest import StandIn
from tests.sdk.programs import run
from tests.sdk.test_clients import DEADLINE_S, MakeClient


def test_a_fork_in_the_middle_of_threads_that_record_leaves_nobody_hanging(
    collector: StandIn, tmp_path: Path
) -> None:
    done = run(
        """
        import os, threading, warnings
        import headway
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, from 3.12 on
        stop = threading.Event()

        def work():
            while not stop.wait(0.0005):
                with headway.span("parent"): pass

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads: thread.start()
        ends = []
        for _ in range(10):
            child = os.fork()
            if child == 0:
                with headway.span("child"): pass
                os._exit(0 if headway.flush(20) else 1)
            ends.append(os.waitpid(child, 0)[1])
        stop.set()
        for thread in threads: thread.join()
        print(ends == [0] * 10, headway.flush(20), headway.stats().dropped)
        """,
        tmp_path,
        HEADWAY_URL=collector.url,
    )

    assert done.stdout.strip() == "True True {}", done.stderr
    assert sum(span.name == "child" for span in collector.spans) == 10
    assert collector.repeated == []


def test_stats_add_up_at_every_moment(collector: StandIn, make_client: MakeClient) -> None:
    client = make_client(collector.url, journal_limit_bytes=1 << 19)
    is_over = threading.Event()

    def work() -> None:
        while not is_over.is_set():
            with headway.span("busy"):
                pass

    thread = threading.Thread(target=work)
    thread.start()
    seen = [client.stats()]
    # A busy disk may keep the first call waiting for its journal.
    while len(seen) < 2000 or seen[-1].recorded == seen[0].recorded:
        seen.append(client.stats())
    is_over.set()
    thread.join()

    for each in seen:
        known = each.shipped + each.pending + sum(each.dropped.values())
        assert each.recorded + each.adopted == known


def test_a_forked_child_ships_its_own_calls_and_leaves_its_parents_alone(
    collector: StandIn, tmp_path: Path
) -> None:
    done = run(
        """
        import os
        import headway

        with headway.span("before"): pass
        child = os.fork()
        with headway.span("child" if child == 0 else "parent"): pass
        assert headway.flush(), headway.stats()
        assert headway.stats().recorded == (1 if child == 0 else 2)
        if child == 0:
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        tmp_path,
        HEADWAY_URL=collector.url,
    )

    assert (done.stdout.strip(), done.stderr) == ("7", "")
    assert sorted(span.name for span in collector.spans) == ["before", "child", "parent"]
    assert len({span.span_id for span in collector.spans}) == 3
    assert collector.repeated == []


def test_a_signal_handler_may_record_while_a_record_is_written(
    collector: StandIn, tmp_path: Path
) -> None:
    done = run(
        """
        import signal
        import headway

        @headway.observe
        def ask(question): return question

        signal.signal(signal.SIGALRM, lambda *_: ask("from the handler"))
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        for number in range(3000): ask("x" * 1000)
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(headway.flush(20), headway.stats().dropped)
        """,
        tmp_path,
        HEADWAY_URL=collector.url,
    )

    assert done.stdout.strip() == "True {}", done.stderr
    assert sum(b"handler" in bytes(span.input) for span in collector.spans) > 0
    assert sum(b"xxx" in bytes(span.input) for span in collector.spans) == 3000


def test_records_come_whole_from_many_threads(collector: StandIn, make_client: MakeClient) -> None:
    make_client(collector.url, journal_limit_bytes=64 << 20)
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait(DEADLINE_S)
        for call in range(300):
            with headway.span(f"{number}-{call}", input="x" * (call * 37 % 5000)):
                pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert headway.flush(30)
    assert len({span.name for span in collector.spans}) == 2400
    assert headway.stats().shipped == 2400
