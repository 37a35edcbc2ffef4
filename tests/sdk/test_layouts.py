"""What a segment holds at any moment at which its process may die."""

from pathlib import Path
from zlib import crc32

import pytest

from headway.adoption import adopt
from headway.layouts import Header
from headway.segments import create

SIZE = 64 << 10


def test_a_record_whose_writing_is_broken_off_is_no_record(tmp_path: Path) -> None:
    segment = create(tmp_path, Header("0001", "shop", 1, "here", 5), SIZE)
    assert segment.append(b"whole", crc32(b"whole"))
    # No number of four bytes: it is broken off there, as death would between two stores.
    with pytest.raises(ValueError, match="invalid value"):
        segment.append(b"half", -1)
    segment.close()
    assert segment.path is not None
    adopted = adopt(segment.path)
    assert adopted is not None
    payloads, is_damaged = adopted.read(9, SIZE).payloads, adopted.is_damaged
    adopted.delete()

    assert payloads == [b"whole"]
    assert not is_damaged
