"""What a call does not do to its program: ask the system, meet page faults, hold a lock."""

import mmap
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

import headway
from headway.clients import Client
from headway.identities import Identities
from headway.journals import Journal
from headway.places import Place, Refusal
from headway.segments import Segment
from headway.supplies import Supply
from tests.sdk.lines import DEADLINE_S
from tests.sdk.programs import run

MAY_ONLY_WRITE = """
import ctypes, os, struct
import headway

@headway.observe
def ask(question):
    return question.upper()

def allow_nothing_but_write():
    number = {"x86_64": 1, "aarch64": 64}[os.uname().machine]
    # Load the call's number; where it is that of write go on to the last, else kill.
    steps = (0x20, 0, 0, 0), (0x15, 1, 0, number), (0x06, 0, 0, 1 << 31), (0x06, 0, 0, 0x7FFF0000)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    return prctl(38, 1, 0, 0, 0) or prctl(22, 2, ctypes.addressof(program), 0, 0)

# Without a shipper beside it, whose thread would take turns with this one.
ask("the first call starts the client")
headway.shutdown(0)
for _ in range(100): ask("x")
refused = allow_nothing_but_write()
os.write(1, b"refused\\n" if refused else b"allowed\\n")
for _ in range(100): ask("x")
os.write(1, b"recorded\\n")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it is Linux that can be told to refuse")
def test_a_call_makes_no_system_call(tmp_path: Path) -> None:
    done = run(MAY_ONLY_WRITE, tmp_path, HEADWAY_EXIT_TIMEOUT_S="0")

    assert done.stdout.split() == ["allowed", "recorded"], done.stderr


def test_the_writer_meets_no_page_fault_in_a_segment_made_ahead(tmp_path: Path) -> None:
    complaints: list[Refusal] = []
    place = Place(tmp_path, "shop")
    supply = Supply(place, Identities(), "c" * 32, complaints.append, clock_s=time.monotonic)
    first, segment = supply.make_spare(), supply.make_spare()
    assert first is not None
    assert segment is not None
    first.delete()
    if not comes_in_large_pieces(tmp_path / "written", segment.size):
        pytest.skip("this system keeps files in memory in pieces of 4 KB")
    before = page_faults()
    fill(segment)
    faults = page_faults() - before
    segment.delete()

    # Each of its 512 pages would be one. The first, of 1 MB, may lie across two page tables.
    assert faults < 64


def comes_in_large_pieces(path: Path, size: int) -> bool:
    path.write_bytes(bytes(size))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), size) as pages:
        before = page_faults()
        for offset in range(0, size, mmap.PAGESIZE):
            pages[offset] = 1
        return page_faults() - before < 64


def fill(segment: Segment) -> None:
    payload = bytes(1000)
    while segment.append(payload, 0) or segment.extend():
        pass


def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt


def test_no_lock_is_held_while_a_record_is_encoded(make_client: Callable[..., Client]) -> None:
    client = make_client()
    with headway.span("first"):
        pass

    def record() -> None:
        with headway.span("second"):
            pass

    thread = threading.Thread(target=record)
    payloads: list[bytes] = []

    def hold(segment: Segment) -> bool:
        # Whoever looks through the segments has the lock: the thread gets as far as there.
        thread.start()
        payloads.append(wait_for_payload(thread))
        return False

    client._journal.oldest(hold)
    thread.join()

    assert len(payloads) == 1
    assert b'"second"' in payloads[0]


def wait_for_payload(thread: threading.Thread) -> bytes:
    tick, deadline_s = threading.Event(), time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        frame: FrameType | None = sys._current_frames().get(thread.ident or 0)
        while frame is not None:
            if frame.f_code is Journal.append.__code__:
                return bytes(frame.f_locals["payload"])
            frame = frame.f_back
        tick.wait(0.001)
    return b""
