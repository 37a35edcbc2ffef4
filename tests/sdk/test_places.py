"""What a place takes for full, for another's, and for worth another try."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.guards import Guard
from headway.identities import Identities
from headway.journals import Journal
from headway.layouts import Header
from headway.places import Place, Usage, bytes_taken
from headway.segments import Segment
from tests.sdk.programs import run

HEADER = Header("0001", "shop", 1, "here", 5)
HERE, THERE = "http://127.0.0.1:1", "http://127.0.0.1:2"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(Place(tmp_path, "shop", url=HERE), Guard(), Identities())
    yield journal
    journal.close()


def test_of_a_file_with_holes_only_what_is_there_counts(tmp_path: Path) -> None:
    hollow = tmp_path / "0.segment"
    hollow.touch()
    os.truncate(hollow, 8 << 20)
    made = Place(tmp_path, "shop", limit_bytes=1 << 20).make(HEADER, 256 << 10)

    assert bytes_taken(hollow.stat()) < 64 << 10
    assert isinstance(made, Segment)
    made.delete()


def test_what_others_made_is_seen_a_second_later_while_the_limit_is_far(tmp_path: Path) -> None:
    now_s = 5.0
    usage, place = Usage(lambda: now_s), Place(tmp_path, "shop")
    seen = [usage.of(place, 1 << 20)]
    (tmp_path / "0.segment").touch()
    usage.add(1 << 20)
    now_s = 5.9
    seen.append(usage.of(place, 1 << 20))
    now_s = 6.1
    seen.append(usage.of(place, 1 << 20))

    assert seen == [0, 1 << 20, 8 << 20]


def test_what_others_made_is_seen_at_once_where_half_of_the_limit_is_near(tmp_path: Path) -> None:
    usage, place = Usage(lambda: 5.0), Place(tmp_path, "shop", limit_bytes=1 << 20)
    seen = [usage.of(place, 256 << 10)]
    usage.add(256 << 10)
    (tmp_path / "0.segment").write_bytes(b"x" * 4096)
    seen.append(usage.of(place, 256 << 10))

    assert seen == [0, 4096]


def test_a_folder_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    usage, place = Usage(), Place(tmp_path / "journal", "shop")
    first = place.make(HEADER, 64 << 10, usage=usage)
    assert isinstance(first, Segment)
    first.delete()
    (tmp_path / "journal").rmdir()
    second = place.make(HEADER, 64 << 10, usage=usage)

    assert isinstance(second, Segment)
    assert second.is_on_disk
    second.delete()


NO_FILES = """
import resource
from pathlib import Path
from headway.layouts import Header
from headway.places import Place

place = Place(Path("journal"), "shop")
header = Header("0001", "shop", 1, "here", 5)
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, most))
refusal = place.make(header, 1 << 20)
print(refusal.reason, refusal.message)
"""


def test_who_has_too_many_open_files_is_told_so(tmp_path: Path) -> None:
    done = run(NO_FILES, tmp_path)

    assert done.stdout.startswith("journal_unwritable"), done.stderr
    assert "raise the limit of open files" in done.stdout


def test_what_one_collector_refused_is_tried_again_with_another(
    journal: Journal, tmp_path: Path
) -> None:
    dead = Journal(Place(tmp_path, "desk"), Guard(), Identities())
    dead.append(b"for any collector")
    dead.close()
    orphan = journal.adopt()
    assert orphan is not None
    journal.leave(orphan)
    at_once = journal.adopt()
    journal.move(Place(tmp_path, "shop", url=THERE))
    elsewhere = journal.adopt()

    assert at_once is None
    assert elsewhere is not None
    elsewhere.close()
