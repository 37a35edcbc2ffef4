import os
import stat
import struct
from pathlib import Path
from zlib import crc32

import pytest

from headway.adoption import adopt
from headway.segments import (
    FORMAT_VERSION,
    Header,
    Segment,
    SegmentError,
    create,
    create_in_memory,
    largest_payload,
)

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
def test_a_damaged_segment_is_read_up_to_the_damage(tmp_path: Path, content: bytes) -> None:
    path = left_behind(tmp_path, b"one", b"two", b"three")
    second = FIRST + 12
    change(path, second + (8 if content == b"X" else 0), content)

    adopted = adopt(path)

    assert adopted is not None
    assert list(adopted.read(9, SIZE).payloads) == [b"one"]
    assert adopted.is_damaged
    adopted.delete()


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
