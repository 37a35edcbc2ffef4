"""Only a regular file is opened, without waiting; and what is reserved is there."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from headway.files import open_file, reserve
from headway.layouts import SegmentError
from tests.sdk.lines import DEADLINE_S


def make_link(path: Path) -> None:
    path.with_suffix(".target").write_bytes(b"somebody's")
    path.symlink_to(path.with_suffix(".target"))


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR])
@pytest.mark.parametrize("make", [make_link, make_socket, os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_at_once(
    make: Callable[[Path], None], flags: int, tmp_path: Path
) -> None:
    path = tmp_path / "0.segment"
    make(path)
    refusals: list[str] = []

    def open_it() -> None:
        try:
            os.close(open_file(path, flags))
        except SegmentError as error:
            refusals.append(str(error))

    # A pipe without a writer would hold whoever opens it to read.
    thread = threading.Thread(target=open_it, daemon=True)
    thread.start()
    thread.join(DEADLINE_S)

    assert refusals == [f"{path} is not a file: move it out of the journal"]


@pytest.mark.parametrize("size", [4 << 10, 68 << 10, (64 << 20) + (4 << 10)])
def test_what_is_reserved_is_there_and_blank(size: int, tmp_path: Path) -> None:
    path = tmp_path / "0.segment"
    with path.open("wb") as file:
        reserve(file.fileno(), size)
    status = path.stat()

    assert status.st_size == size
    assert status.st_blocks * 512 >= size
    assert not any(path.read_bytes())
