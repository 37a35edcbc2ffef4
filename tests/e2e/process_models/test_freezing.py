"""Functions that are frozen between invocations, as on Lambda, with a collector that is away."""

import os
import signal
import subprocess

from tests.e2e.process_models.gates import Gate
from tests.e2e.process_models.worlds import DEADLINE_S, World, finish, hear, say, wait_until


def freeze(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGSTOP)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])


def invoke(process: subprocess.Popen[str], outcome: str) -> None:
    process.send_signal(signal.SIGCONT)
    say(process, "0.3" if outcome == "waiting" else str(DEADLINE_S))
    hear(process, outcome)
    freeze(process)


def test_what_was_flushed_before_a_freeze_is_there_meanwhile(world: World) -> None:
    with world.start("freezing.py") as function:
        for number in range(3):
            invoke(function, "arrived")
            world.assert_stored_once(3 * (number + 1))
        # Such environments are taken away without notice.
        function.kill()
        finish(function)

    world.assert_stored_once(9)


def test_a_flush_returns_in_time_and_loses_nothing_when_the_collector_is_away(
    world: World,
) -> None:
    with (
        Gate(world.collector.port) as gate,
        world.start("freezing.py", HEADWAY_URL=gate.url) as function,
    ):
        invoke(function, "waiting")
        assert gate.has_request.wait(DEADLINE_S)
        invoke(function, "waiting")
        # Frozen in the middle of a batch, which is answered while it sleeps.
        gate.open()
        wait_until(lambda: len(world.stored()) == 3)
        invoke(function, "arrived")
        world.assert_stored_once(9)
        function.kill()
        done = finish(function)

    assert done.stderr == ""


def test_what_a_frozen_process_held_is_adopted_when_it_is_taken_away(world: World) -> None:
    with world.start("freezing.py", HEADWAY_URL="http://127.0.0.1:9") as function:
        invoke(function, "waiting")
        function.kill()
        finish(function)
    world.adopt()

    world.assert_stored_once(3)
