"""What jobs of the tests compute, in processes that know these functions by their names."""

import os
import signal
from pathlib import Path

from headway.errors import CommandError
from headway_collector.processes import Tell

GATE = "gate"
RESULT = "result"


def finish(folder: Path, tell: Tell) -> None:
    (folder / RESULT).write_text("made")


def wait_at_gate(folder: Path, tell: Tell) -> None:
    """Say how far it is, and go on once somebody writes into the gate."""
    tell("columns", 1, 3)
    (folder / GATE).read_text()
    tell("columns", 2, 3)
    (folder / GATE).read_text()
    finish(folder, tell)


def die(folder: Path, tell: Tell) -> None:
    os._exit(9)


def be_killed(folder: Path, tell: Tell) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def panic(folder: Path, tell: Tell) -> None:
    class Panic(BaseException):
        """What polars raises where its own code broke down."""

    raise Panic("left is not right")


def fill_the_disk(folder: Path, tell: Tell) -> None:
    Path("/dev/full").write_text("made")


def want_memory(folder: Path, tell: Tell) -> None:
    raise MemoryError


def refuse(folder: Path, tell: Tell) -> None:
    raise CommandError("the windows are of another kind")


def break_down(folder: Path, tell: Tell) -> None:
    raise ZeroDivisionError("nothing to divide by")


def say_limits(folder: Path, tell: Tell) -> None:
    limits = [os.environ[name] for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS")]
    (folder / RESULT).write_text(f"{' '.join(limits)} {os.nice(0)}")
