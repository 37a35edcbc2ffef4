import os
import shutil
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headway.journals import Journal
from headway.places import Place
from tests.sdk.shipments import ship, ship_all

LIMIT = 1 << 20
KILOBYTE = b"k" * 1024


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_journal(make_journal: Callable[..., Journal], clock: Clock) -> Callable[..., Journal]:
    return partial(make_journal, limit=LIMIT, clock_s=clock)


def dropped(journal: Journal) -> dict[str, int]:
    return dict(journal._guard.dropped)


def test_records_are_shipped_in_order_over_many_segments(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    payloads = [f"{number:04d}".encode() + KILOBYTE for number in range(600)]
    for payload in payloads:
        journal.append(payload)
    files = len(list(tmp_path.glob("journal/*.segment")))

    assert files > 2
    assert ship_all(journal) == payloads
    assert journal.pending == 0
    assert len(list(tmp_path.glob("journal/*.segment"))) == 1


def test_the_folder_is_private_and_made_again_where_it_vanishes(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    folder = tmp_path / "journal"
    journal.append(b"one")
    mode = stat.S_IMODE(folder.stat().st_mode)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    for _ in range(300):
        journal.append(KILOBYTE)

    assert mode == 0o700
    assert folder.is_dir()
    assert len(ship_all(journal)) == 301
    assert dropped(journal) == {}


def test_a_file_that_somebody_removed_is_replaced_and_told_before_it_is_full(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    for _ in range(200):
        journal.append(KILOBYTE)
    journal.prepare()
    shutil.rmtree(tmp_path / "journal")
    journal.prepare()
    journal.append(b"after")
    files = [path.read_bytes() for path in tmp_path.glob("journal/*.segment")]

    assert [b"after" in content for content in files] == [True]
    assert journal._guard.faults == {"journal removed": 1}
    assert len(ship_all(journal)) == 201
    assert dropped(journal) == {}


def test_at_its_limit_the_journal_keeps_the_oldest_and_counts_what_it_drops(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    for number in range(3000):
        journal.append(f"{number:04d}".encode() + KILOBYTE)
    on_disk = sum(path.stat().st_size for path in tmp_path.glob("journal/*"))
    kept = ship_all(journal)

    assert on_disk <= LIMIT
    assert [each[:4] for each in kept] == [f"{number:04d}".encode() for number in range(len(kept))]
    assert dropped(journal) == {"journal_full": 3000 - len(kept)}
    assert journal.recorded == journal.settled == 3000
    assert "HEADWAY_JOURNAL_LIMIT_BYTES" in str(journal._guard.last_error)


def test_a_rest_of_the_limit_is_used_up_to_the_last_64_kilobytes(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    others = tmp_path / "journal" / "0.segment"
    others.parent.mkdir()
    others.write_bytes(bytes(LIMIT - (100 << 10)))
    for _ in range(60):
        journal.append(KILOBYTE)
    in_file = next(iter(journal._held))

    assert (in_file.is_on_disk, in_file.size) == (True, 64 << 10)
    assert journal.is_in_memory
    assert sum(path.stat().st_size for path in others.parent.iterdir()) > LIMIT - (64 << 10)


def test_segments_grow_again_where_there_is_room_again(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal(limit=8 << 20)
    others = tmp_path / "journal" / "0.segment"
    others.parent.mkdir()
    others.write_bytes(bytes((8 << 20) - (300 << 10)))
    journal.append(KILOBYTE)
    others.unlink()
    while len(list(journal._held)) < 4:
        journal.append(KILOBYTE * 16)

    assert [each.size >> 10 for each in journal._held] == [256, 512, 1024, 2048]


def test_the_last_room_goes_to_a_segment_just_large_enough_for_its_record(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    others = tmp_path / "journal" / "0.segment"
    others.parent.mkdir()
    others.write_bytes(bytes(LIMIT - (100 << 10)))
    journal.append(b"x" * (90 << 10))
    kept = list(journal._held)[-1]
    journal.append(b"y" * (90 << 10))

    assert (kept.is_on_disk, kept.size) == (True, 96 << 10)
    assert journal.is_in_memory
    assert [len(each) for each in ship_all(journal)] == [90 << 10] * 2


def test_a_folder_that_cannot_be_written_means_memory_until_it_can(
    make_journal: Callable[..., Journal], tmp_path: Path, clock: Clock
) -> None:
    folder = tmp_path / "journal"
    folder.touch()
    journal = make_journal(folder)
    journal.append(b"in memory")
    was_in_memory = journal.is_in_memory
    folder.unlink()
    clock.now_s += 60
    journal.prepare()
    journal.append(b"in a file")

    assert was_in_memory
    assert not journal.is_in_memory
    assert b"in a file" in next(folder.glob("*.segment")).read_bytes()
    assert ship_all(journal) == [b"in memory", b"in a file"]


def test_memory_is_bounded_and_what_it_cannot_hold_is_counted(
    make_journal: Callable[..., Journal],
) -> None:
    journal = make_journal(None)
    for _ in range(3000):
        journal.append(KILOBYTE)
    kept = len(ship_all(journal))

    assert 400 < kept < 600
    assert dropped(journal) == {"memory_full": 3000 - kept}


def test_the_next_segment_is_made_ahead_when_half_is_full(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    journal.append(b"one")
    journal.prepare()
    before = len(list(tmp_path.glob("journal/*.segment")))
    journal.is_unattended = False
    while not journal.is_unattended:
        journal.append(KILOBYTE)
    journal.prepare()

    assert before == 1
    assert len(list(tmp_path.glob("journal/*.segment"))) == 2


def test_a_record_too_large_for_any_segment_is_dropped_by_that_name(
    make_journal: Callable[..., Journal],
) -> None:
    journal = make_journal()
    journal.append(b"x" * LIMIT)
    journal.append(b"small")

    assert dropped(journal) == {"too_large": 1}
    assert ship_all(journal) == [b"small"]


def test_another_project_gets_another_segment_and_the_old_one_keeps_its_own(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal(project="shop")
    journal.append(b"for the shop")
    journal.move(Place(tmp_path / "journal", "desk", LIMIT))
    journal.append(b"for the desk")
    projects = []
    while (segment := journal.oldest()) is not None:
        projects.append((segment.header.project, ship(journal, segment)))

    assert projects == [("shop", [b"for the shop"]), ("desk", [b"for the desk"])]


def test_closing_leaves_only_files_with_something_to_ship_and_unlocks_them(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal, other = make_journal(), make_journal()
    journal.append(b"waits")
    other.append(b"arrives")
    ship_all(other)
    other.close()
    journal.close()
    adopted = make_journal().adopt()

    assert len(list(tmp_path.glob("journal/*.segment"))) == 1
    assert adopted is not None
    assert adopted.read(9, LIMIT).payloads == [b"waits"]
    adopted.close()


def test_records_in_memory_alone_are_counted_as_lost_at_the_end(
    make_journal: Callable[..., Journal],
) -> None:
    journal = make_journal(None)
    journal.append(b"one")
    journal.append(b"two")
    journal.close()

    assert dropped(journal) == {"exit": 2}
    assert journal.pending == 0


def test_the_undamaged_part_of_a_damaged_segment_is_shipped_and_the_rest_set_aside(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal, shipper = make_journal(), make_journal()
    journal.append(b"whole")
    journal.append(b"broken")
    journal.close()
    path = next(tmp_path.glob("journal/*.segment"))
    path.write_bytes(path.read_bytes().replace(b"broken", b"brokem"))
    adopted = shipper.adopt()
    assert adopted is not None
    shipped = ship(shipper, adopted)

    assert shipped == [b"whole"]
    assert [(lost.reason, lost.count) for lost in adopted.losses] == [("damaged", 1)]
    shipper.settle_losses(adopted)
    assert shipper.adopt() is None
    assert [each.suffix for each in (tmp_path / "journal").iterdir()] == [".damaged"]
    assert shipper._guard.faults == {"damaged segment": 1}


def test_a_file_that_has_arrived_and_cannot_be_removed_is_told_and_holds_nothing_up(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    journal.append(b"one")
    path = next(tmp_path.glob("journal/*.segment"))
    journal.move(Place(tmp_path / "journal", "desk", LIMIT))
    path.unlink()
    path.mkdir()
    journal.append(b"two")

    assert ship_all(journal) == [b"one", b"two"]
    assert journal._guard.faults == {"journal unwritable": 1}
    assert "remove it" in str(journal._guard.last_error)


def test_a_strange_file_is_reported_once_and_left_alone(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    journal.append(b"one")
    strange = tmp_path / "journal" / "0.segment"
    strange.write_bytes(b"somebody's holiday photos" * 1000)

    assert journal.adopt() is None
    assert journal.adopt() is None
    assert journal._guard.faults == {"unreadable segment": 1}
    assert strange.exists()


def test_a_forked_child_neither_holds_nor_touches_its_parents_segment(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    journal.append(b"the parent's")
    (reads_child, tells_parent), (reads_parent, tells_child) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        journal.abandon()
        os.write(tells_parent, b"abandoned")
        os.read(reads_parent, 1)
        os._exit(0)
    os.read(reads_child, 9)
    journal.append(b"after the fork")
    journal.close()
    adopted = make_journal().adopt()
    os.write(tells_child, b"x")
    os.waitpid(child, 0)
    for descriptor in (reads_child, tells_parent, reads_parent, tells_child):
        os.close(descriptor)

    assert adopted is not None
    assert adopted.read(9, LIMIT).payloads == [b"the parent's", b"after the fork"]
    adopted.close()


def test_a_record_that_could_not_be_written_is_left_to_the_caller_to_count(
    make_journal: Callable[..., Journal],
) -> None:
    wrong: Any = "1GB"
    journal = make_journal(limit=wrong)
    with pytest.raises(TypeError):
        journal.append(KILOBYTE)

    assert (journal.recorded, journal.pending) == (0, 0)


def test_a_folder_that_cannot_be_listed_takes_and_holds_nothing(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    journal = make_journal(tmp_path / "file" / "journal")
    journal.append(KILOBYTE)

    assert journal.adopt() is None
    assert journal.is_in_memory
    assert ship_all(journal) == [KILOBYTE]


def test_a_process_is_in_memory_only_when_its_next_record_is(
    make_journal: Callable[..., Journal], tmp_path: Path, clock: Clock
) -> None:
    journal = make_journal()
    journal.append(KILOBYTE)
    others = tmp_path / "journal" / "0.segment"
    others.write_bytes(bytes(LIMIT))
    while not journal._supply.is_due:
        journal.append(KILOBYTE)
    journal.prepare()
    without_spare = (journal.is_in_memory, journal.is_at_risk)
    while list(journal._held)[-1].path is not None:
        journal.append(KILOBYTE)
    with_full_file = (journal.is_in_memory, journal.is_at_risk)
    others.unlink()
    clock.now_s += 60
    journal.prepare()
    with_room_again = (journal.is_in_memory, journal.is_at_risk)
    ship_all(journal)

    assert journal._guard.last_error is not None
    assert without_spare == (False, False)
    assert with_full_file == (True, True)
    assert with_room_again == (False, True)
    assert not journal.is_at_risk


def test_records_in_a_removed_file_are_at_risk_and_counted_as_lost_at_the_end(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    journal.append(b"one")
    shutil.rmtree(tmp_path / "journal")
    is_told = journal.is_in_memory and journal.is_at_risk
    journal.close()

    assert is_told
    assert dropped(journal) == {"exit": 1}
    assert journal.pending == 0
