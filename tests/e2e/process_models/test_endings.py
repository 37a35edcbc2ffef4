"""Ends of a process: what can be shipped there is shipped, and the rest adopted."""

import signal

from tests.e2e.process_models.worlds import World, finish

ORDERLY = {
    "returning": (1, 0),
    "atexit_handler": (2, 0),
    "exiting": (1, 3),
    "failing": (1, 1),
    "exiting_in_a_thread": (2, 0),
    "leaving_a_thread": (2, 0),
    "flushing": (1, 0),
    "shutting_down": (1, 0),
    "interrupted": (2, -signal.SIGINT),
    "terminated_with_a_handler": (1, 0),
}
"""How many calls there are, and how it ends."""
SUDDEN = {
    "os_exiting": (1, 0),
    "terminated": (1, -signal.SIGTERM),
    "killed": (1, -signal.SIGKILL),
    "aborting": (1, -signal.SIGABRT),
    "executing": (2, 0),
}
LOUD = {"failing": "RuntimeError: nobody handles it", "interrupted": "KeyboardInterrupt"}


def test_an_orderly_end_ships_everything_and_says_nothing(world: World) -> None:
    ends = run_all(world, ORDERLY)

    for name, error in ends.items():
        assert error.splitlines()[-1:] == ([LOUD[name]] if name in LOUD else []), name
    world.assert_stored_once(sum(calls for calls, _ in ORDERLY.values()))


def test_what_a_sudden_end_leaves_is_adopted_by_the_next_process(world: World) -> None:
    run_all(world, SUDDEN)
    world.adopt()

    world.assert_stored_once(sum(calls for calls, _ in SUDDEN.values()))


def run_all(world: World, programs: dict[str, tuple[int, int]]) -> dict[str, str]:
    # In development mode Python tells of what is not closed, and -W error makes it loud.
    started = {name: world.start("endings.py", name, flags=("-X", "dev")) for name in programs}
    ends = {name: finish(process) for name, process in started.items()}
    assert {name: end.returncode for name, end in ends.items()} == {
        name: code for name, (_, code) in programs.items()
    }
    return {name: end.stderr for name, end in ends.items()}
