"""Segments of other processes: adopted, left to whom they belong, or looked at and untouched."""

import os
import stat
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zlib import crc32

import pytest

from headway.adoption import Orphans, adopt
from headway.guards import Guard
from headway.journals import Journal
from headway.layouts import FORMAT_VERSION, Header
from headway.leftovers import survey
from headway.losses import Losses
from headway.places import DEFAULT_LIMIT_BYTES, Place
from headway.segments import create
from tests.sdk.shipments import ship_all

KILOBYTE = b"k" * 1024
HERE, THERE = "http://here:4318", "http://there:4318"


@pytest.fixture
def make_journal(make_journal: Callable[..., Journal]) -> Callable[..., Journal]:
    return partial(make_journal, url=HERE)


def test_a_header_says_where_its_records_go_and_whose_they_are(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    make_journal(losses=Losses("c" * 32)).append(b"one")
    content = survey(tmp_path / "journal")[0].content

    assert content is not None
    assert (content.header.url, content.header.client_id) == (HERE, "c" * 32)
    assert content.header.pid == os.getpid()


def test_a_header_of_an_older_version_names_no_collector_and_is_anybodys(tmp_path: Path) -> None:
    header = Header(segment_id="0001", project="shop", pid=1, host="h", created_ns=5)
    create(tmp_path, header, 64 << 10).close()
    path = tmp_path / "0001.segment"
    old = b'{"segment_id":"0001","project":"shop","pid":1,"host":"h","created_ns":5}'
    with path.open("r+b") as file:
        file.seek(12)
        file.write(struct.pack("=I", len(old)))
        file.seek(24)
        file.write(old)
        file.seek(4096)
        file.write(struct.pack("=II", 3, crc32(b"one")) + b"one")
    segment = adopt(path, url=HERE)

    assert segment is not None
    assert list(segment.read(9, 1 << 20).payloads) == [b"one"]
    segment.delete()


def test_a_process_takes_up_what_goes_to_its_own_collector_and_nothing_else(
    make_journal: Callable[..., Journal],
) -> None:
    for url in (THERE, HERE):
        dead = make_journal(url=url)
        dead.append(f"for {url}".encode())
        dead.close()
    journal = make_journal(url=HERE)
    adopted = journal.adopt()
    others = journal.adopt()
    journal.move(Place(journal.place.folder, "shop", url=THERE))
    moved = journal.adopt()

    assert adopted is not None
    assert list(adopted.read(9, 1 << 20).payloads) == [f"for {HERE}".encode()]
    assert others is None
    assert moved is not None
    assert list(moved.read(9, 1 << 20).payloads) == [f"for {THERE}".encode()]
    adopted.delete()
    moved.delete()


def test_a_hundred_processes_have_room_in_the_default_limit(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journals = [make_journal() for _ in range(100)]
    for journal in journals:
        journal.append(KILOBYTE)
    reserved = sum(path.stat().st_blocks * 512 for path in tmp_path.glob("journal/*"))

    assert not any(journal.is_in_memory for journal in journals)
    assert reserved <= DEFAULT_LIMIT_BYTES // 4


def test_a_busy_process_soon_has_segments_that_last(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    journal = make_journal()
    sizes: list[int] = []
    known: set[Path] = set()
    while len(sizes) < 5:
        journal.append(KILOBYTE * 16)
        journal.prepare()
        for path in set(tmp_path.glob("journal/*")) - known:
            known.add(path)
            sizes.append(path.stat().st_size >> 20)

    assert sizes == [1, 2, 4, 8, 8]


@pytest.mark.parametrize("gigabytes", [0.5, 1, 2, 4])
def test_a_full_journal_of_one_process_is_some_seventy_files_however_large(
    gigabytes: float,
) -> None:
    place = Place(None, "shop", int(gigabytes * (1 << 30)))
    sizes = [0]
    while sum(sizes) + place.bytes_after(sizes[-1]) <= place.limit_bytes:
        sizes.append(place.bytes_after(sizes[-1]))

    assert 64 <= len(sizes) <= 72


def test_a_segment_of_a_large_journal_is_adopted_whole(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    dead, shipped = make_journal(limit=1 << 30), 0
    for _ in range(30):
        dead.append(KILOBYTE * 1000)
    dead.close()
    sizes = [path.stat().st_size >> 20 for path in tmp_path.glob("journal/*")]
    journal = make_journal(limit=1 << 30)
    while (segment := journal.adopt()) is not None:
        shipped += segment.count_pending()
        journal.acknowledge(segment, segment.end, segment.count_pending())

    assert max(sizes) >= 12
    assert shipped == journal.adopted == 30


def test_a_record_larger_than_the_next_segment_gets_one_that_holds_it(
    make_journal: Callable[..., Journal],
) -> None:
    journal = make_journal()
    payloads = [b"first", b"x" * (5 << 20), b"y" * (700 << 10), b"z" * (7 << 20), b"last"]
    for payload in payloads:
        journal.append(payload)

    assert ship_all(journal) == payloads
    assert journal._guard.dropped == {}


def test_three_applications_in_one_small_folder_account_for_every_record(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    limit = 600_000
    journals = [
        make_journal(url=f"http://{name}:1", project=name, limit=limit) for name in ("a", "b", "c")
    ]
    for number in range(400):
        for journal in journals:
            journal.append(f"{number:04d}".encode() + KILOBYTE)
    on_disk = sum(path.stat().st_size for path in tmp_path.glob("journal/*"))
    counts = [(len(ship_all(each)), each._guard.dropped["journal_full"]) for each in journals]

    assert on_disk <= limit
    assert all(kept > 0 for kept, _ in counts)
    assert [kept + dropped for kept, dropped in counts] == [400, 400, 400]


def test_a_segment_of_a_newer_version_stays_and_the_host_goes_on(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    dead = make_journal()
    dead.append(b"from the future")
    dead.close()
    path = next(tmp_path.glob("journal/*.segment"))
    with path.open("r+b") as file:
        file.seek(8)
        file.write(struct.pack("=I", FORMAT_VERSION + 1))
    before = path.read_bytes()
    journal = make_journal()
    journal.append(b"mine")

    assert journal.adopt() is None
    assert "upgrade headway" in str(journal._guard.last_error)
    assert ship_all(journal) == [b"mine"]
    assert path.read_bytes() == before


def test_a_look_at_the_folder_sees_all_and_changes_nothing(
    make_journal: Callable[..., Journal], tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    dead, alive = make_journal(url=THERE), make_journal(url=HERE)
    dead.append(b"waits")
    dead.append(b"waits too")
    dead._guard.drop("too_large", 3, "they were too large", project="shop")
    dead.close()
    alive.append(b"in use")
    (folder / "0.segment").write_bytes(b"somebody's holiday photos" * 1000)
    (folder / "1.damaged").write_bytes(b"?")
    (folder / "notes.txt").write_text("no business of ours")
    before = {
        path: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()
    }
    strange, damaged, left, used = survey(folder)

    assert "not a journal segment" in strange.problem
    assert "is damaged" in damaged.problem
    assert left.content is not None
    assert (left.is_in_use, left.content.pending, left.content.header.url) == (False, 2, THERE)
    assert [(lost.reason, lost.count) for lost in left.content.losses] == [("too_large", 3)]
    assert used.content is not None
    assert (used.is_in_use, used.content.pending) == (True, 1)
    assert before == {
        path: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()
    }
    assert survey(tmp_path / "nowhere") == []


def test_in_a_crowded_folder_what_the_dead_reserved_and_did_not_use_is_given_back(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    for number in range(8):
        header = Header(f"{number:04d}", project="shop", pid=1, host="h", created_ns=5, url=HERE)
        dead = create(folder, header, 1 << 20)
        if number % 2:
            dead.append(KILOBYTE, crc32(KILOBYTE))
            dead.append(KILOBYTE, crc32(KILOBYTE))
        dead.close()
    roomy = Place(folder, "shop", limit_bytes=64 << 20, url=HERE)
    crowded = Place(folder, "shop", limit_bytes=10 << 20, url=HERE)
    before = crowded.used()

    adopted = Orphans(Guard()).adopt(roomy)
    assert adopted is not None
    adopted.close()
    assert crowded.used() >= before - (1 << 20)
    adopted = Orphans(Guard()).adopt(crowded)
    assert adopted is not None
    assert list(adopted.read(9, 1 << 20).payloads) == [KILOBYTE] * 2
    adopted.close()
    assert [path.stem for path in crowded.files()] == ["0001", "0003", "0005", "0007"]
    assert crowded.used() < 64 << 10
