import os
import stat
import struct
import sys
from pathlib import Path
from types import FrameType
from zlib import crc32

import pytest

from headway.adoption import adopt
from headway.layouts import FORMAT_VERSION, Header, SegmentError, largest_payload
from headway.places import bytes_taken
from headway.segments import Segment, create, create_in_memory

SIZE = 64 << 10
FIRST = 4096


def header(name: str = "0001") -> Header:
    return Header(segment_id=name, project="shop", pid=1, host="here", created_ns=5)


def filled(folder: Path, *payloads: bytes, name: str = "0001") -> Segment:
    segment = create(folder, header(name), SIZE)
    segment.extend()
    for payload in payloads:
        assert segment.append(payload, crc32(payload))
    return segment


def left_behind(folder: Path, *payloads: bytes) -> Path:
    segment = filled(folder, *payloads)
    assert segment.path is not None
    segment.close()
    return segment.path


def change(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def open_descriptors() -> list[int]:
    return [
        int(name) for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")
    ]


def inode_of(descriptor: int) -> int:
    return os.fstat(descriptor).st_ino


def test_records_come_back_in_order_and_only_until_acknowledged(tmp_path: Path) -> None:
    segment = filled(tmp_path, b"one", b"three", b"fifteen letters")

    first = segment.read(2, SIZE)
    segment.acknowledge(first.stops[-1])
    rest = segment.read(100, SIZE)

    assert list(first.payloads) == [b"one", b"three"]
    assert list(rest.payloads) == [b"fifteen letters"]
    assert rest.start == first.stops[-1]
    segment.delete()


def test_a_record_longer_than_a_batch_is_read_alone(tmp_path: Path) -> None:
    segment = filled(tmp_path, b"x" * 5000, b"y")

    extract = segment.read(100, max_bytes=1000)

    assert list(extract.payloads) == [b"x" * 5000]
    segment.delete()


def test_a_file_is_reserved_private_and_gives_the_rest_back_when_sealed(tmp_path: Path) -> None:
    segment = filled(tmp_path, b"one")
    assert segment.path is not None
    reserved = segment.path.stat()
    segment.seal()

    assert reserved.st_size == SIZE
    assert reserved.st_blocks * 512 >= SIZE
    assert stat.S_IMODE(reserved.st_mode) == 0o600
    assert segment.path.stat().st_size == segment.end
    assert not segment.append(b"two", crc32(b"two"))
    assert list(segment.read(9, SIZE).payloads) == [b"one"]
    segment.delete()


def test_a_segment_takes_its_largest_record_and_no_larger_one(tmp_path: Path) -> None:
    segment = create(tmp_path, header(), SIZE)
    segment.extend()
    largest = b"z" * largest_payload(SIZE)

    assert not segment.append(largest + b"z", 0)
    assert segment.append(largest, crc32(largest))
    segment.delete()


def test_it_is_told_once_that_an_eighth_is_full(tmp_path: Path) -> None:
    segment = create(tmp_path, header(), SIZE)
    payload = b"p" * 1000
    while segment.append(payload, crc32(payload)):
        pass

    assert segment.end <= SIZE // 8
    assert segment.extend()
    assert segment.append(payload, crc32(payload))
    assert not segment.extend()
    segment.delete()


def test_the_segment_of_a_living_process_cannot_be_adopted(tmp_path: Path) -> None:
    segment = filled(tmp_path, b"one")
    assert segment.path is not None

    assert adopt(segment.path) is None
    segment.delete()
    assert adopt(segment.path) is None


def test_a_record_counts_as_arrived_only_when_the_file_says_so(tmp_path: Path) -> None:
    segment = filled(tmp_path, b"one")
    known: list[int] = []

    def look(frame: FrameType, event: str, called: object) -> None:
        if event == "c_return" and called is os.pwrite:
            known.append(segment.acknowledged)

    before = sys.getprofile()
    sys.setprofile(look)
    segment.acknowledge(segment.end)
    sys.setprofile(before)

    # Who sees it may end the process before the next step.
    assert known == [FIRST]
    assert segment.is_done
    segment.delete()


def test_an_adopted_segment_goes_on_where_its_owner_had_been_told(tmp_path: Path) -> None:
    segment = filled(tmp_path, b"one", b"two", b"three")
    segment.acknowledge(segment.read(1, SIZE).stops[-1])
    segment.close()
    assert segment.path is not None

    adopted = adopt(segment.path)

    assert adopted is not None
    assert adopted.header == header()
    assert list(adopted.read(9, SIZE).payloads) == [b"two", b"three"]
    assert not adopted.is_damaged
    adopted.delete()


def test_a_record_torn_by_death_is_no_record_and_no_damage(tmp_path: Path) -> None:
    path = left_behind(tmp_path, b"one")
    end = FIRST + 8 + 4
    change(path, end + 4, struct.pack("=I", 77) + b"half of the payl")

    adopted = adopt(path)

    assert adopted is not None
    assert list(adopted.read(9, SIZE).payloads) == [b"one"]
    assert not adopted.is_damaged
    adopted.delete()


@pytest.mark.parametrize("content", [b"X", struct.pack("=I", 1 << 30)])
def test_what_is_whole_behind_damaged_records_is_found(tmp_path: Path, content: bytes) -> None:
    whole = b'{"type":"span"}'
    path = left_behind(tmp_path, b"one", b"two", whole, b"four", whole)
    second, fourth = FIRST + 12, FIRST + 12 + 12 + 24
    for place in (second, fourth):
        change(path, place + (8 if content == b"X" else 0), content)

    adopted = adopt(path)

    assert adopted is not None
    assert adopted.count_pending() == 3
    shipped: list[bytes] = []
    while adopted.pending_bytes:
        extract = adopted.read(9, SIZE)
        shipped += extract.payloads
        adopted.acknowledge(extract.stops[-1])
    assert shipped == [b"one", whole, whole]
    assert adopted.is_damaged
    assert [(lost.reason, lost.count) for lost in adopted.losses] == [("damaged", 2)]
    adopted.close()
    again = adopt(path)
    assert again is not None
    assert again.pending_bytes == 0
    again.delete()


def test_a_last_record_that_is_damaged_is_counted(tmp_path: Path) -> None:
    path = left_behind(tmp_path, b"one", b"two")
    change(path, FIRST + 12 + 8, b"X")

    adopted = adopt(path)

    assert adopted is not None
    assert list(adopted.read(9, SIZE).payloads) == [b"one"]
    assert [lost.count for lost in adopted.losses] == [1]
    adopted.delete()


def test_only_a_file_is_a_segment_and_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.segment")
    (tmp_path / "folder.segment").mkdir()
    (tmp_path / "link.segment").symlink_to(tmp_path / "pipe.segment")
    for name in ("pipe", "folder", "link"):
        with pytest.raises(SegmentError, match="is not a file"):
            adopt(tmp_path / f"{name}.segment")


def test_of_a_file_without_an_end_only_so_much_is_read(tmp_path: Path) -> None:
    path = left_behind(tmp_path, b"one")
    os.truncate(path, 1 << 40)

    adopted = adopt(path)

    assert adopted is not None
    assert list(adopted.read(9, SIZE).payloads) == [b"one"]
    assert bytes_taken(path.stat()) <= SIZE
    adopted.delete()


@pytest.mark.parametrize("project", ["", "two\nlines", "Grüße"])
def test_a_project_that_cannot_travel_is_told(tmp_path: Path, project: str) -> None:
    create(tmp_path, Header("0001", project, 1, "here", 5), SIZE).close()

    with pytest.raises(SegmentError, match="cannot travel"):
        adopt(tmp_path / "0001.segment")


def test_a_number_that_became_somebody_elses_is_not_touched(tmp_path: Path) -> None:
    segment = filled(tmp_path, b"one")
    assert segment.path is not None
    inode = segment.path.stat().st_ino
    mine = tmp_path / "mine"
    mine.write_bytes(b"A" * 100)
    for number in [each for each in open_descriptors() if inode_of(each) == inode]:
        with mine.open("r+b") as file:
            os.dup2(file.fileno(), number)
    segment.seal()
    segment.keep_losses([])
    first = segment.read(9, SIZE)
    segment.acknowledge(first.stops[-1])
    segment.delete()

    assert list(first.payloads) == [b"one"]
    assert mine.read_bytes() == b"A" * 100
    assert [inode_of(each) for each in open_descriptors()].count(mine.stat().st_ino) == 2


def test_a_file_that_is_closed_and_gone_is_lost_and_says_so(tmp_path: Path) -> None:
    segment = filled(tmp_path, b"one")
    segment.seal()
    assert segment.path is not None
    inode = segment.path.stat().st_ino
    segment.path.unlink()
    for number in [each for each in open_descriptors() if inode_of(each) == inode]:
        os.close(number)

    assert segment.is_lost
    assert not segment.is_on_disk
    assert segment.read(9, SIZE).payloads == []
    segment.close()


def test_a_damaged_acknowledgement_sends_everything_again(tmp_path: Path) -> None:
    path = left_behind(tmp_path, b"one", b"two")
    change(path, 16, struct.pack("=Q", FIRST + 3))

    adopted = adopt(path)

    assert adopted is not None
    assert list(adopted.read(9, SIZE).payloads) == [b"one", b"two"]
    adopted.delete()


@pytest.mark.parametrize(
    ("offset", "content", "message"),
    [
        (8, struct.pack("=I", FORMAT_VERSION + 1), "upgrade headway"),
        (0, b"PK\x03\x04", "not a journal segment"),
        (24, b"not json", "damaged header"),
    ],
)
def test_a_file_of_another_kind_or_version_is_left_as_it_is(
    tmp_path: Path, offset: int, content: bytes, message: str
) -> None:
    path = left_behind(tmp_path, b"one")
    change(path, offset, content)
    before = path.read_bytes()

    with pytest.raises(SegmentError, match=message):
        adopt(path)

    assert path.read_bytes() == before


def test_a_segment_whose_maker_died_before_the_first_record_is_cleared_away(
    tmp_path: Path,
) -> None:
    reserved, young, old = (tmp_path / f"{name}.segment" for name in ("reserved", "young", "old"))
    reserved.write_bytes(bytes(SIZE))
    young.touch()
    old.touch()
    os.utime(old, (0, 0))

    assert [adopt(path) for path in (reserved, young, old)] == [None, None, None]
    assert sorted(tmp_path.iterdir()) == [young]


def test_nothing_is_left_where_a_header_cannot_be_written(tmp_path: Path) -> None:
    before = open_descriptors()
    with pytest.raises(UnicodeEncodeError):
        create(tmp_path, Header("0001", "shop", 1, "\udcff", 5), SIZE)

    assert list(tmp_path.iterdir()) == []
    assert open_descriptors() == before


def test_nothing_is_left_where_no_segment_can_be_made(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"large|space|Invalid"):
        create(tmp_path, header(), 1 << 62)

    assert list(tmp_path.iterdir()) == []


def test_a_segment_in_memory_can_be_read_when_it_is_sealed() -> None:
    segment = create_in_memory(header(), SIZE)
    segment.append(b"one", crc32(b"one"))
    segment.seal()

    assert list(segment.read(9, SIZE).payloads) == [b"one"]
    assert segment.count_pending() == 1
    assert not segment.append(b"two", 0)
    segment.close()
    assert segment.read(9, SIZE).payloads == []
