"""The end of a client and of its process: what is waited for, said, and left to the next one."""

from pathlib import Path
from typing import Any

import pytest

import headway
from tests.sdk.conftest import Answer, StandIn
from tests.sdk.programs import run
from tests.sdk.test_clients import CALL, DEADLINE_S, MakeClient


def test_what_waits_at_the_exit_is_said_in_one_line_and_shipped_by_the_next_process(
    collector: StandIn, tmp_path: Path
) -> None:
    collector.refuse_all()
    first = run(CALL, tmp_path, HEADWAY_URL=collector.url)
    collector.take_all()
    second = run(CALL, tmp_path, HEADWAY_URL=collector.url)

    assert first.returncode == second.returncode == 0
    assert "headway: 1 recorded and not shipped" in first.stderr.splitlines()[-1]
    assert second.stderr == ""
    assert len(collector.spans) == 2


def test_drops_are_said_at_the_exit_with_their_reasons(tmp_path: Path) -> None:
    done = run(
        CALL + "for _ in range(5000): ask('x' * 1000)",
        tmp_path,
        HEADWAY_URL="http://127.0.0.1:9",
        HEADWAY_JOURNAL_LIMIT_BYTES="1000000",
    )

    assert done.returncode == 0
    assert "dropped (journal_full" in done.stderr.splitlines()[-1]


def test_the_end_of_the_process_waits_only_so_long(tmp_path: Path) -> None:
    # A server that takes connections and never answers.
    done = run(
        """
        import socket, threading, time
        import headway
        silent = socket.create_server(("127.0.0.1", 0))
        headway.init(url=f"http://127.0.0.1:{silent.getsockname()[1]}", exit_timeout_s=0.3)
        with headway.span("s"): pass
        import atexit
        started = time.monotonic()
        atexit._run_exitfuncs()
        print(time.monotonic() - started)
        """,
        tmp_path,
    )

    assert 0.25 < float(done.stdout) < 2.5
    assert "1 recorded and not shipped" in done.stderr


@pytest.mark.parametrize(
    "timeout_s", [float("inf"), 1e300, float("nan"), -1.0, 0, None, "soon", object()]
)
def test_no_time_to_wait_is_an_error_in_the_program(
    timeout_s: Any, collector: StandIn, make_client: MakeClient
) -> None:
    make_client(collector.url, is_raising=False)
    with headway.span("call"):
        pass
    headway.flush(timeout_s)

    assert headway.flush()
    assert [span.name for span in collector.spans] == ["call"]
    assert headway.shutdown(timeout_s)


def test_what_is_recorded_after_shutdown_waits_for_the_next_client(
    collector: StandIn, make_client: MakeClient
) -> None:
    make_client(collector.url)
    assert headway.shutdown()
    with headway.span("late"):
        pass
    stats = headway.stats()
    make_client(collector.url)
    with headway.span("again"):
        pass

    assert (stats.pending, stats.dropped) == (1, {})
    assert headway.flush()
    assert [span.name for span in collector.spans] == ["again", "late"]


def test_without_a_journal_what_is_recorded_after_shutdown_is_counted(
    collector: StandIn, make_client: MakeClient
) -> None:
    make_client(collector.url, journal_dir=None)
    assert headway.shutdown()
    with headway.span("late"):
        pass

    assert headway.stats().dropped == {"shut_down": 1}


def test_what_waits_goes_to_its_own_collector_with_the_key_of_then(
    collector: StandIn, tmp_path: Path
) -> None:
    other = StandIn()
    other.refuse_all()
    done = run(
        """
        import os, headway
        def ask(project, url, key):
            headway.init(project=project, url=url, api_key=key)
            with headway.span(project): pass
        ask("a", os.environ["OTHER"], "key-a")
        ask("b", os.environ["THIS"], "key-b")
        ask("c", os.environ["THIS"], "key-c")
        print(headway.flush(1.0), headway.stats().shipped, headway.stats().pending)
        """,
        tmp_path,
        THIS=collector.url,
        OTHER=other.url,
    )
    other.stop()

    sent = {(each.project, each.headers["Authorization"]) for each in collector.requests}
    assert done.stdout.strip() == "False 2 1", done.stderr
    assert sent == {("b", "Bearer key-b"), ("c", "Bearer key-c")}
    assert {(each.project, each.headers["Authorization"]) for each in other.requests} == {
        ("a", "Bearer key-a")
    }


def test_the_last_line_names_every_journal_in_which_something_waits(tmp_path: Path) -> None:
    done = run(
        """
        import headway
        for folder in ("one", "two"):
            headway.init(journal_dir=folder, exit_timeout_s=0.1)
            with headway.span(folder): pass
        headway.init(is_disabled=True)
        """,
        tmp_path,
        HEADWAY_URL="http://127.0.0.1:9",
    )

    waiting = f"they wait in {tmp_path / 'one'} and {tmp_path / 'two'}"
    assert done.stderr.splitlines()[-1] == f"headway: 2 recorded and not shipped, {waiting}"


def test_the_last_line_does_not_name_a_journal_that_somebody_moved(tmp_path: Path) -> None:
    done = run(
        """
        import headway, os
        headway.init(exit_timeout_s=0.1)
        with headway.span("one"): pass
        os.rename("journal", "elsewhere")
        """,
        tmp_path,
        HEADWAY_URL="http://127.0.0.1:9",
    )

    assert done.stderr.splitlines()[-1].endswith("they wait in files that somebody moved")


def test_what_is_only_in_memory_is_worth_waiting_for_at_the_end(
    collector: StandIn, make_client: MakeClient, tmp_path: Path
) -> None:
    (tmp_path / "no folder").touch()
    collector.answers.extend([Answer(503)] * 3)
    client = make_client(collector.url, journal_dir=tmp_path / "no folder")
    with headway.span("in memory"):
        pass
    has_arrived = client.close(DEADLINE_S)

    assert has_arrived
    assert [span.name for span in collector.spans] == ["in memory"]
