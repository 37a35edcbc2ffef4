"""What a killed process, a power cut or a full disk does to kept answers: as little as can be."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headway_evals.caching import AnswerCache
from headway_evals.models.requests import Completion
from tests.evals.paid_models import MODEL, Paid, answers, request

FULL_DISK = Path("/dev/full")
# A line longer than that is cut by the system, as at the end of a disk.
SMALL_DISK = """
import resource, signal, sys
from pathlib import Path
from headway_evals.caching import AnswerCache
from headway_evals.models.requests import Completion
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2500, 2500))
with AnswerCache(Path(sys.argv[1]), "m" * 64, on_fault=sys.stdout.write) as cache:
    for name in "abcd":
        cache.keep(name, Completion(name * 1000))
"""


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-7],
        lambda content: content.replace(b'"b"', b'"B"'),
        lambda content: content + b"\x00\xff not a line",
        lambda content: content + b'\n0000 k {"text":',
    ],
)
def test_a_damaged_line_costs_itself_alone(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    with AnswerCache(tmp_path, MODEL) as cache:
        cache.keep("a", Completion("a"))
        cache.keep("b", Completion("b"))
    cache.path.write_bytes(damage(cache.path.read_bytes()))

    with AnswerCache(tmp_path, MODEL) as again:
        again.keep("c", Completion("c"))
        found = again.find(["a", "b", "c"])

    assert found["a"] == Completion("a")
    assert found["c"] == Completion("c")
    assert found.get("b", Completion("b")) == Completion("b")


def test_answers_are_synced_once_a_second_and_at_the_end(tmp_path: Path) -> None:
    now = [0.0]
    synced: list[float] = []

    def sync(descriptor: int) -> None:
        # What is synced has been written.
        assert os.fstat(descriptor).st_size == cache.path.stat().st_size > 0
        synced.append(now[0])

    with AnswerCache(tmp_path, MODEL, sync=sync, clock=lambda: now[0]) as cache:
        for number in range(25):
            now[0] = number / 10
            cache.keep(str(number), Completion("x"))
        assert synced == [1.0, 2.0]
    assert synced == [1.0, 2.0, 2.4]
    cache.close()

    assert len(synced) == 3


def test_what_was_only_read_is_not_synced(tmp_path: Path) -> None:
    synced: list[int] = []
    with AnswerCache(tmp_path, MODEL, sync=synced.append) as cache:
        cache.keep("k", Completion("x"))
    with AnswerCache(tmp_path, MODEL, sync=synced.append) as cache:
        cache.find(["k"])

    assert len(synced) == 1


def test_a_disk_that_cannot_sync_switches_the_cache_off_with_one_line(tmp_path: Path) -> None:
    faults: list[str] = []

    def sync(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with AnswerCache(tmp_path, MODEL, on_fault=faults.append, sync=sync) as cache:
        found = answers(Paid(), [request("a"), request("b")], cache)

    assert found == {0: ("a!", False), 1: ("b!", False)}
    assert faults == [f"answers are no longer kept in {tmp_path}: Input/output error"]


def test_a_write_that_the_disk_takes_in_part_costs_that_answer_alone(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )

    with AnswerCache(tmp_path, MODEL) as cache:
        cache.keep("d", Completion("d"))
        found = cache.find(["a", "b", "c", "d"])
    assert sorted(found) == ["a", "b", "d"]
    assert told.stdout == f"answers are no longer kept in {tmp_path}: No space left on device"


@pytest.mark.skipif(not FULL_DISK.exists(), reason="this system has no /dev/full")
def test_a_full_disk_switches_the_cache_off_with_one_line(tmp_path: Path) -> None:
    faults: list[str] = []
    # That disk can be read for ever.
    with AnswerCache(tmp_path, MODEL, is_refreshed=True, on_fault=faults.append) as cache:
        cache.path.symlink_to(FULL_DISK)
        found = answers(Paid(), [request("a"), request("b")], cache)

    assert found == {0: ("a!", False), 1: ("b!", False)}
    assert faults == [f"answers are no longer kept in {tmp_path}: No space left on device"]


def test_a_place_that_cannot_be_a_folder_switches_it_off_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    faults: list[str] = []
    with AnswerCache(tmp_path / "file", MODEL, on_fault=faults.append) as cache:
        found = answers(Paid(), [request("a")], cache)

    assert found == {0: ("a!", False)}
    assert len(faults) == 1
