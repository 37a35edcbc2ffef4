import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.clients import Client
from headway.errors import SettingsError
from tests.sdk.conftest import Answer, StandIn
from tests.sdk.programs import run

DEADLINE_S = 10.0
MakeClient = Callable[..., Client]

CALL = """
import headway

@headway.observe
def ask(question):
    return "answer"

ask("one")
"""


def test_nothing_heavy_is_imported_with_headway(tmp_path: Path) -> None:
    done = run(
        """
        import sys
        import headway
        heavy = {"urllib3", "http", "ssl", "asyncio", "email", "headway.apis", "numpy"}
        print(sorted(heavy & set(sys.modules)))
        """,
        tmp_path,
    )

    assert done.stdout.strip() == "[]"


def test_the_public_names_are_these() -> None:
    assert sorted(headway.__all__) == [
        "ActiveSpan",
        "Client",
        "Prompt",
        "Stats",
        "__version__",
        "context",
        "current_span",
        "flush",
        "headers",
        "init",
        "instrument",
        "langchain_handler",
        "observe",
        "otel_context",
        "propagate",
        "score",
        "shutdown",
        "span",
        "stats",
        "uninstrument",
    ]
    assert all(hasattr(headway, name) for name in headway.__all__)


def test_without_init_the_environment_decides(collector: StandIn, tmp_path: Path) -> None:
    done = run(
        CALL,
        tmp_path,
        HEADWAY_URL=collector.url,
        HEADWAY_PROJECT="shop",
        HEADWAY_ENVIRONMENT="production",
        HEADWAY_RELEASE="1.2",
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert [span.name for span in collector.spans] == ["ask"]
    assert (collector.spans[0].environment, collector.spans[0].release) == ("production", "1.2")
    assert collector.requests[0].project == "shop"
    assert list((tmp_path / "journal").iterdir()) == []


def test_headway_toml_is_read_and_weaker_than_the_environment(
    collector: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "headway.toml").write_text(f'url = "{collector.url}"\nproject = "file"\n')
    run(CALL, tmp_path)
    run(CALL, tmp_path, HEADWAY_PROJECT="variable")

    assert [request.project for request in collector.requests] == ["file", "variable"]


def test_a_setting_that_cannot_be_used_gives_way_to_its_default_and_is_told_once(
    collector: StandIn, tmp_path: Path
) -> None:
    settings = {"HEADWAY_JOURNAL_LIMIT_BYTES": "lots", "HEADWAY_URL": collector.url}
    done = run(CALL + "ask('two')", tmp_path, **settings)

    assert done.returncode == 0
    assert done.stderr.count("HEADWAY_JOURNAL_LIMIT_BYTES is 'lots'") == 1
    assert len(collector.spans) == 2


def test_calls_wait_in_the_journal_for_an_address_that_can_be_used(
    collector: StandIn, tmp_path: Path
) -> None:
    said = run(CALL, tmp_path, HEADWAY_URL="nowhere").stderr
    run(CALL, tmp_path, HEADWAY_URL=collector.url)

    assert "the collector's address is 'nowhere'" in said
    assert "1 recorded and not shipped, they wait in" in said
    assert collector.wait_until(lambda: len(collector.spans) == 2)


@pytest.mark.parametrize(
    "arguments", [{"project": ""}, {"project": "a\nb"}, {"project": "б"}, {"url": "nowhere"}]
)
def test_init_tells_its_caller_which_value_is_wrong(
    arguments: dict[str, str], make_client: MakeClient
) -> None:
    make_client()
    with pytest.raises(SettingsError, match=r"project is|address is"):
        headway.init(**arguments)  # type: ignore[arg-type]


def test_disabled_means_that_nothing_happens_at_all(tmp_path: Path) -> None:
    done = run(
        CALL
        + """
with headway.context(user="u"), headway.span("s") as span:
    span.output = 1
    headway.score("s", 1)
print(headway.stats().mode, headway.stats().recorded, headway.flush(), headway.shutdown())
""",
        tmp_path,
        HEADWAY_DISABLED="1",
    )

    assert done.stdout.strip() == "disabled 0 True True"
    assert done.stderr == ""
    assert not (tmp_path / "journal").exists()


def test_stats_account_for_every_record(collector: StandIn, make_client: MakeClient) -> None:
    make_client(collector.url, is_raising=False)
    collector.decide = lambda request: (
        Answer(400, b'{"code":"bad","message":"poison"}')
        if any(b"poison" in line for line in request.lines)
        else None
    )
    for name in ("one", "poison", "two"):
        with headway.span(name):
            pass
    assert headway.flush()
    stats = headway.stats()

    assert (stats.recorded, stats.shipped, stats.pending, stats.pending_bytes) == (3, 2, 0, 0)
    assert stats.dropped == {"refused": 1}
    assert stats.mode == "journal"
    assert stats.last_error is not None
    assert "poison" in stats.last_error


def test_a_second_init_sends_each_call_to_the_project_it_was_made_in(
    collector: StandIn, tmp_path: Path
) -> None:
    done = run(
        f"""
        import headway
        headway.init(project="shop", url="{collector.url}")
        with headway.span("first"): pass
        headway.init(project="desk", url="{collector.url}")
        with headway.span("second"): pass
        print(headway.flush(), headway.stats().recorded)
        """,
        tmp_path,
    )
    projects = {span.name: collector.projects[span.span_id] for span in collector.spans}

    assert done.stdout.strip() == "True 2"
    assert projects == {"first": "shop", "second": "desk"}


def test_calls_before_init_go_to_the_collector_that_init_names(
    collector: StandIn, tmp_path: Path
) -> None:
    done = run(
        f"""
        import headway
        with headway.span("early"): pass
        headway.init(project="shop", url="{collector.url}")
        with headway.span("late"): pass
        print(headway.flush(), headway.stats().recorded)
        """,
        tmp_path,
    )
    projects = {span.name: collector.projects[span.span_id] for span in collector.spans}

    assert done.stdout.strip() == "True 2", done.stderr
    assert projects == {"early": "default", "late": "shop"}


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


def test_stats_add_up_at_every_moment(collector: StandIn, make_client: MakeClient) -> None:
    client = make_client(collector.url, journal_limit_bytes=1 << 19)
    is_over = threading.Event()

    def work() -> None:
        while not is_over.is_set():
            with headway.span("busy"):
                pass

    thread = threading.Thread(target=work)
    thread.start()
    seen = [client.stats() for _ in range(2000)]
    is_over.set()
    thread.join()

    assert seen[-1].recorded > seen[0].recorded
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


def test_a_fault_of_ours_is_logged_once_a_minute_and_counted(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    make_client(is_raising=False)
    with caplog.at_level(logging.WARNING, "headway"), headway.span("s") as span:
        for _ in range(5):
            span.input_tokens = -1

    assert sum("input_tokens" in message for message in caplog.messages) == 1
    assert list(headway.stats().faults.values()) == [5]


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


def test_a_journal_below_a_file_ships_from_memory(collector: StandIn, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(
        """
        import headway
        with headway.span("call"): pass
        print(headway.flush(), headway.stats().mode, headway.stats().faults)
        """,
        tmp_path,
        HEADWAY_URL=collector.url,
        HEADWAY_JOURNAL_DIR=str(tmp_path / "file" / "journal"),
    )

    assert done.stdout.strip() == "True memory {}"
    assert [span.name for span in collector.spans] == ["call"]


def test_a_working_folder_that_is_gone_holds_no_file(collector: StandIn, tmp_path: Path) -> None:
    done = run(
        """
        import os
        import headway
        os.mkdir("gone"); os.chdir("gone"); os.rmdir(os.getcwd())
        headway.init()
        with headway.span("call"): pass
        print(headway.flush())
        """,
        tmp_path,
        HEADWAY_URL=collector.url,
    )

    assert (done.stdout.strip(), done.stderr) == ("True", "")


@pytest.mark.parametrize("key", ["ключ", "key\n", "a\x00b"])
def test_a_key_that_cannot_travel_is_refused_and_not_repeated(
    key: str, make_client: MakeClient
) -> None:
    make_client()
    with pytest.raises(SettingsError, match=r"API key has .* as character") as refusal:
        headway.init(api_key=key)

    assert key not in str(refusal.value)
