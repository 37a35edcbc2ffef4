"""Large files are read once for as long as they stay as they are, and again after any change."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headway_evals.models.digests import DIGESTS_FILE, Digests, digest_file
from headway_evals.models.specs import ModelOptions, make_model

LARGE = bytes(2 << 20)
LATER_NS = 60_000_000_000


class Reader:
    """Reads files, and says which."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, path: Path) -> str:
        self.names.append(path.name)
        return digest_file(path)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    path = folder / "model.safetensors"
    path.write_bytes(LARGE)
    return path


def after(path: Path, pause_ns: int = LATER_NS) -> Callable[[], int]:
    """Return a clock that is that much later than a file's last change."""
    return lambda: path.stat().st_ctime_ns + pause_ns


def digest(path: Path, memo: Path, pause_ns: int = LATER_NS) -> tuple[str, list[str]]:
    """Return a folder's digest as a new process finds it, and what it read."""
    reader = Reader()
    digests = Digests(memo, read=reader, now_ns=after(path, pause_ns))
    return digests.of_folders([path.parent]), reader.names


def test_an_unchanged_large_file_is_read_once_by_all_processes(
    weights: Path, tmp_path: Path
) -> None:
    first, read_first = digest(weights, tmp_path / "memo")
    second, read_second = digest(weights, tmp_path / "memo")

    assert read_first == ["config.json", "model.safetensors"]
    assert read_second == ["config.json"]
    assert first == second == Digests().of_folders([weights.parent])


def _change_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"x")


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"x" + LARGE[1:])
    os.replace(other, path)


@pytest.mark.parametrize("change", [_change_in_place, _replace])
def test_a_change_is_seen_where_size_and_time_were_kept(
    weights: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    before = digest(weights, tmp_path / "memo")[0]
    status = weights.stat()
    change(weights)
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))

    again, read = digest(weights, tmp_path / "memo")

    assert (weights.stat().st_size, weights.stat().st_mtime_ns) == (
        status.st_size,
        status.st_mtime_ns,
    )
    assert "model.safetensors" in read
    assert again != before


def test_a_file_that_changed_just_now_is_read_again(weights: Path, tmp_path: Path) -> None:
    reads = [digest(weights, tmp_path / "memo", pause_ns=1_000_000)[1] for _ in range(2)]

    assert [read.count("model.safetensors") for read in reads] == [1, 1]


def test_a_file_that_changes_while_it_is_read_is_not_written_down(
    weights: Path, tmp_path: Path
) -> None:
    def read(path: Path) -> str:
        found = digest_file(path)
        _change_in_place(path)
        return found

    Digests(tmp_path / "memo", read=read, now_ns=after(weights)).of_file(weights)

    assert not (tmp_path / "memo" / DIGESTS_FILE).exists()


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"a": {"stamp": [1], "digest": 2}}'])
def test_a_damaged_memo_is_written_anew(weights: Path, tmp_path: Path, content: str) -> None:
    memo = tmp_path / "memo"
    memo.mkdir()
    (memo / DIGESTS_FILE).write_text(content)

    reads = [digest(weights, memo)[1].count("model.safetensors") for _ in range(2)]

    assert reads == [1, 0]


def test_a_memo_that_cannot_be_written_costs_time_alone(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "memo").write_text("a file, and no folder")

    assert digest(weights, tmp_path / "memo")[0] == Digests().of_folders([weights.parent])


def test_a_model_writes_down_what_its_weights_hold(tmp_path: Path) -> None:
    options = ModelOptions(device="cpu", digests_dir=tmp_path)

    assert make_model("hf:triage-base", options).digest

    (memo,) = tmp_path.iterdir()
    assert "triage-base/model.safetensors" in memo.read_text()
