"""A disk that fills up while four threads log: the host lives, and every call is accounted for.

The disk is a small tmpfs, which takes root to mount; anybody else sees the tests skipped.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headway.client_settings import ClientSettings
from headway.guards import Guard
from headway.identities import Identities
from headway.journals import Journal
from headway.local_checks import check_journal
from headway.places import Place
from tests.e2e.processes import CollectorProcess, clean_environment

pytestmark = pytest.mark.timeout(120)

DISK_MB = 6
TINY_DISK_KB = 300
# More than the disk has, so that it is the disk that stops the journal.
LIMIT_MB = 8
BEFORE = 100
AFTER = 25

PROGRAM = """
import json, os, sys, threading
import headway

BEFORE, AFTER, THREADS = int(sys.argv[1]), int(sys.argv[2]), 4
pause = threading.Event()

@headway.observe(kind="llm", model="support-7b")
def answer(message):
    return message.upper()

def log(name):
    with headway.context(session=name):
        answer(f"where is {name}? " * 40)

def in_threads(work):
    workers = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

def some(phase, count):
    return lambda thread: [log(f"{phase} {thread} {number}") for number in range(count)]

def until_it_drops(thread):
    number = 0
    while not headway.stats().dropped:
        log(f"during {thread} {number}")
        number += 1
        pause.wait(0.002)

def tell():
    stats = headway.stats()
    told = {field: getattr(stats, field) for field in ("recorded", "shipped", "pending", "mode")}
    print(json.dumps({**told, "dropped": dict(stats.dropped)}), flush=True)

in_threads(some("before", BEFORE))
tell()
in_threads(until_it_drops)
tell()
sys.stdin.readline()
for number in range(200):
    if headway.stats().mode == "journal":
        break
    log(f"waiting 0 {number}")
    pause.wait(0.1)
in_threads(some("after", AFTER))
tell()
sys.stdin.readline()
assert headway.flush(timeout_s=60), headway.stats()
tell()
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mount(tmp_path / "small-disk", DISK_MB << 10)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mount(tmp_path / "tiny-disk", TINY_DISK_KB)


def mount(folder: Path, size_kb: int) -> Iterator[Path]:
    """Let ``folder`` be a disk of that size for a while."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("a full disk takes the mount command to make")
    if mounted.returncode:
        pytest.skip(f"a full disk takes root to mount: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_loses_nothing_but_what_is_counted(
    small_disk: Path, absent_collector: CollectorProcess
) -> None:
    other = small_disk / "other"
    # So that the journal has no more than a half of the disk, however late the rest is filled.
    other.write_bytes(bytes(2 << 20))

    with running(small_disk, absent_collector) as program:
        before = read_stats(program)
        filler = fill(small_disk)
        full = read_stats(program)
        other.unlink()
        filler.unlink()
        tell(program, "there is room again")
        after = read_stats(program)
        with absent_collector:
            tell(program, "there is a collector")
            last = read_stats(program)
            _, last_line = program.communicate(timeout=60)
            stored = stored_names(absent_collector)
            losses = absent_collector.api.get("/v1/losses")

    assert program.returncode == 0, last_line
    assert (before["mode"], full["mode"], after["mode"]) == ("journal", "memory", "journal")
    assert (before["recorded"], before["dropped"]) == (4 * BEFORE, {})
    assert set(full["dropped"]) == {"disk_full"}
    assert last["dropped"] == after["dropped"] == losses["reasons"]
    assert len(stored) == len(set(stored)) == last["shipped"]
    assert last["recorded"] == len(stored) + sum(last["dropped"].values())
    assert names("before", BEFORE) | names("after", AFTER) <= set(stored)


def test_calls_on_a_disk_that_was_full_before_are_kept_in_memory_and_shipped(
    small_disk: Path, absent_collector: CollectorProcess
) -> None:
    filler = fill(small_disk)

    with running(small_disk, absent_collector) as program:
        before = read_stats(program)
        full = read_stats(program)
        filler.unlink()
        tell(program, "there is room again")
        read_stats(program)
        with absent_collector:
            tell(program, "there is a collector")
            last = read_stats(program)
            _, last_line = program.communicate(timeout=60)
            stored = stored_names(absent_collector)

    assert program.returncode == 0, last_line
    assert (before["mode"], before["pending"]) == ("memory", 4 * BEFORE)
    assert set(full["dropped"]) == {"disk_full"}
    assert last["recorded"] == len(stored) + sum(last["dropped"].values())
    assert names("before", BEFORE) | names("after", AFTER) <= set(stored)


def test_a_disk_with_less_room_than_a_segment_is_used_and_not_passed_by(tiny_disk: Path) -> None:
    guard = Guard()
    journal = Journal(Place(tiny_disk / "journal", "shop"), guard, Identities())
    heir = Journal(journal.place, Guard(), Identities())
    payloads = [f"{number:03d}".encode() + bytes(1020) for number in range(200)]
    for payload in payloads:
        journal.append(payload)
    sizes = [path.stat().st_size for path in (tiny_disk / "journal").iterdir()]
    is_in_memory = journal.is_in_memory
    journal.close()
    adopted = heir.adopt()
    assert adopted is not None
    kept = list(adopted.read(1000, 1 << 20).payloads)
    adopted.close()

    assert sizes == [256 << 10]
    assert not is_in_memory
    assert guard.dropped == {}
    assert kept == payloads


@contextmanager
def running(disk: Path, collector: CollectorProcess) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(BEFORE), str(AFTER)],
        env=clean_environment(
            HEADWAY_URL=collector.url,
            HEADWAY_JOURNAL_DIR=str(disk / "journal"),
            HEADWAY_JOURNAL_LIMIT_BYTES=str(LIMIT_MB << 20),
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def read_stats(program: "subprocess.Popen[str]") -> dict[str, Any]:
    assert program.stdout is not None
    line = program.stdout.readline()
    assert line, f"ended with {program.wait(10)}: {program.communicate()[1]}"
    stats: dict[str, Any] = json.loads(line)
    return stats


def tell(program: "subprocess.Popen[str]", line: str) -> None:
    assert program.stdin is not None
    program.stdin.write(line + "\n")
    program.stdin.flush()


def fill(disk: Path) -> Path:
    """Take all room that is left on a disk, with a file that is returned."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return filler


def stored_names(collector: CollectorProcess) -> list[str]:
    spans = collector.api.pages("/v1/spans", "spans", {"content": "none", "limit": 1000})
    return [span["session_id"] for span in spans]


def names(phase: str, count: int) -> set[str]:
    return {f"{phase} {thread} {number}" for thread in range(4) for number in range(count)}


def test_a_disk_with_little_room_is_told_before_it_is_full(tiny_disk: Path) -> None:
    settings = ClientSettings(journal_dir=tiny_disk / "journal")
    before = check_journal(settings)
    (tiny_disk / "journal").mkdir(mode=0o700)
    after = check_journal(settings)

    for finding in (before, after):
        assert (finding.level, finding.advice) == ("warn", "free space")
        assert "0.2 MB are free" in finding.message
    assert "is made at the first call" in before.message
