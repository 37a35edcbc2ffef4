"""Calls that come after the end: of a capture, and after ``shutdown``."""

from collections.abc import Callable
from pathlib import Path

import headway
from headway.clients import Client
from tests.sdk.conftest import StandIn
from tests.sdk.programs import run

MakeClient = Callable[..., Client]


def test_a_generator_that_outlives_its_capture_is_not_said_to_fill_a_memory(tmp_path: Path) -> None:
    program = """
    import headway
    from headway.testing import capture

    @headway.observe
    def count():
        yield 1
        yield 2

    with capture() as captured:
        counting = count()
        next(counting)
    """
    done = run(program, tmp_path)

    assert done.stderr.splitlines() == [
        "a call came after Headway had ended, and there is no journal"
    ]
    assert done.returncode == 0


def test_after_a_shutdown_calls_wait_in_the_journal_and_flush_says_why(
    collector: StandIn, make_client: MakeClient
) -> None:
    client = make_client(collector.url, is_raising=False)
    with headway.span("before"):
        pass
    assert headway.shutdown(5)
    with headway.span("late"):
        pass

    assert not headway.flush(0.1)
    assert [span.name for span in collector.spans] == ["before"]
    assert client.stats().pending == 1
    assert headway.stats().last_error == (
        "Headway was shut down: 1 calls wait in the journal for the next process; "
        "call init() to go on sending"
    )


def test_init_after_a_shutdown_sends_what_came_in_between(
    collector: StandIn, make_client: MakeClient, tmp_path: Path
) -> None:
    make_client(collector.url)
    headway.shutdown(5)
    with headway.span("late"):
        pass
    headway.shutdown(0)
    headway.init(url=collector.url, journal_dir=tmp_path / "journal")
    try:
        assert headway.flush(5)
    finally:
        headway.shutdown(0)

    assert [span.name for span in collector.spans] == ["late"]
