"""Every loss has a reason, and the program, its last line and the collector say the same number."""

import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest

import headway
from headway.adoption import adopt
from headway.clients import Client
from headway.guards import Guard
from headway.identities import Identities
from headway.journals import Journal
from headway.layouts import Header
from headway.leftovers import survey
from headway.losses import Losses, Lost, decode_slot, encode_slot, make_reports
from headway.places import Place
from headway.records import Span, encode_record
from headway.segments import create
from tests.sdk.conftest import Answer, Request, StandIn
from tests.sdk.lines import DEADLINE_S
from tests.sdk.programs import run, start

MakeClient = Callable[..., Client]

LOSER = """
import json, sys
import headway

headway.init(journal_limit_bytes=300_000)
for _ in range(2000):
    with headway.span("call", input="x" * 1000): pass
stats = headway.stats()
print(json.dumps([stats.client_id, dict(stats.dropped), stats.recorded]), flush=True)
sys.stdin.readline()
"""
TELLER = """
import headway
headway.init()
print(headway.flush(20), headway.stats().recorded)
"""


def is_about_losses(request: Request) -> bool:
    return request.batch_id.startswith("loss:")


def refuse_losses(status: int) -> Callable[[Request], Answer | None]:
    return lambda request: Answer(status) if is_about_losses(request) else None


def wait_until(is_so: Callable[[], bool]) -> bool:
    tick, deadline_s = threading.Event(), time.monotonic() + DEADLINE_S
    while not is_so() and time.monotonic() < deadline_s:
        tick.wait(0.01)
    return is_so()


def test_counts_only_grow_and_what_is_confirmed_is_told_no_more() -> None:
    losses = Losses("c" * 32, clock_ns=iter((5, 6, 7)).__next__)
    losses.add("shop", "journal_full", 2)
    losses.add("desk", "journal_full", 1)
    first = losses.untold()
    losses.add("shop", "journal_full", 3)
    losses.confirm(first)

    assert first == [Lost("shop", "journal_full", 2, 5), Lost("desk", "journal_full", 1, 6)]
    assert losses.untold() == [Lost("shop", "journal_full", 5, 7)]
    assert losses.by_reason() == {"journal_full": 6}
    assert (losses.total, losses.told) == (6, 3)


def test_a_slot_gives_back_what_was_put_in_and_nothing_once_it_is_damaged() -> None:
    losses = [Lost("shop", "journal_full", 37, 5), Lost("desk", "too_large", 1, 6)]
    slot = encode_slot(losses)

    assert decode_slot(slot.ljust(2048, b"\0")) == losses
    assert decode_slot(slot.replace(b"37", b"38")) == []
    assert decode_slot(slot[:-1]) == []
    assert decode_slot(bytes(2048)) == []


def test_a_slot_that_cannot_hold_all_keeps_the_largest() -> None:
    losses = [Lost("p" * 100, f"reason {number}", number, 1) for number in range(1, 100)]
    kept = decode_slot(encode_slot(losses))

    assert len(encode_slot(losses)) <= 2048
    assert 5 < len(kept) < 99
    assert kept[0].count == 99


def test_the_collector_hears_of_losses_as_soon_as_it_is_back(
    collector: StandIn, make_client: MakeClient
) -> None:
    collector.refuse_all()
    client = make_client(collector.url, project="shop", journal_limit_bytes=300_000)
    for _ in range(1000):
        with headway.span("call", input="x" * 1000):
            pass
    collector.take_all()
    assert headway.flush()
    stats = headway.stats()
    told = [request for request in collector.requests if is_about_losses(request)]

    assert stats.dropped["journal_full"] > 100
    assert collector.lost_by(stats.client_id) == stats.dropped
    assert {request.project for request in told} == {"shop"}
    assert client.farewell() == f"headway: {sum(stats.dropped.values()):,} dropped " + (
        f"(journal_full {stats.dropped['journal_full']:,})\n"
    )


def test_a_loss_is_told_again_only_when_it_has_grown(
    collector: StandIn, make_client: MakeClient
) -> None:
    make_client(collector.url, is_raising=False)
    collector.decide = lambda request: (
        Answer(400, b'{"code":"bad","message":"poison"}')
        if any(b"poison" in line for line in request.lines)
        else None
    )
    for name in ("poison 1", "one", "two", "poison 2"):
        with headway.span(name):
            pass
        assert headway.flush()
    told = [request.lines for request in collector.requests if is_about_losses(request)]

    assert [json.loads(lines[0])["count"] for lines in told] == [1, 2]
    assert collector.lost_by(headway.stats().client_id) == {"refused": 2}


def test_each_project_hears_of_its_own_losses(collector: StandIn, make_client: MakeClient) -> None:
    make_client(collector.url, project="shop", is_raising=False)
    collector.decide = lambda request: (
        Answer(400, b'{"code":"bad","message":"poison"}')
        if any(b"poison" in line for line in request.lines)
        else None
    )
    with headway.span("poison 1"):
        pass
    headway.init(project="desk", url=collector.url)
    for number in (2, 3):
        with headway.span(f"poison {number}"):
            pass
    assert headway.flush()

    assert {key[0]: loss.count for key, loss in collector.losses.items()} == {"shop": 1, "desk": 2}


def test_a_report_names_its_client_and_how_much_it_tells() -> None:
    losses = [
        Lost("shop", "journal_full", 2, 5),
        Lost("shop", "exit", 1, 6),
        Lost("shop", "damaged", 4, 7, client_id="d" * 32),
        Lost("desk", "exit", 8, 8),
    ]
    reports = make_reports(losses, client_id="c" * 32, host="here", pid=1)

    assert [(each.project, each.batch_id) for each in reports] == [
        ("shop", f"loss:{'c' * 32}:3"),
        ("shop", f"loss:{'d' * 32}:4"),
        ("desk", f"loss:{'c' * 32}:8"),
    ]


def test_what_is_damaged_in_several_files_of_a_process_is_told_in_full(
    collector: StandIn, make_client: MakeClient, tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    for name, damaged in (("1", 1), ("2", 2)):
        leave_damaged(folder, name, damaged, collector.url)
    first = adopt(folder / "1.segment")
    assert first is not None
    adopted_once = [lost.client_id for lost in first.losses]
    first.close()
    make_client(collector.url)
    with headway.span("call"):
        pass
    assert headway.flush()
    told = {client_id: loss.count for (_, client_id, _), loss in collector.losses.items()}

    assert sorted(told.values()) == [1, 2]
    assert set(adopted_once) < set(told)
    assert all(re.fullmatch("[0-9a-f]{32}", client_id) for client_id in told)


def leave_damaged(folder: Path, name: str, damaged: int, url: str) -> None:
    header = Header(name, "shop", 1, "here", 5, url, client_id="c" * 32)
    segment = create(folder, header, 64 << 10)
    for number in range(damaged):
        segment.append(b"broken", 0)
        span_id = f"{number:015x}{name}"
        span = Span(trace_id="a" * 32, span_id=span_id, name="whole", start_ns=1, end_ns=2)
        whole = encode_record(span)
        segment.append(whole, crc32(whole))
    segment.close()


def test_losses_of_a_process_without_a_file_get_one_of_their_own(tmp_path: Path) -> None:
    journal = Journal(Place(tmp_path / "journal", "shop"), Guard(), Identities())
    journal.refuse("too_large", "the only call was too large")
    journal.close()
    (leftover,) = survey(tmp_path / "journal")

    assert leftover.content is not None
    assert [(lost.reason, lost.count) for lost in leftover.content.losses] == [("too_large", 1)]


def test_losses_are_told_to_the_collector_that_their_project_had(
    collector: StandIn, tmp_path: Path
) -> None:
    other = StandIn()
    other.refuse_all()
    done = run(
        """
        import os, headway
        from headway.lifecycle import current_client
        headway.init(project="shop", url=os.environ["OTHER"])
        current_client().guard.drop("journal_full", 3, "it was full", project="shop")
        headway.init(project="desk", url=os.environ["THIS"])
        with headway.span("call"): pass
        print(headway.flush(0.5))
        """,
        tmp_path,
        THIS=collector.url,
        OTHER=other.url,
        HEADWAY_EXIT_TIMEOUT_S="0",
    )
    other.stop()

    assert done.stdout.strip() == "False", done.stderr
    assert {request.project for request in other.requests} == {"shop"}
    assert {request.project for request in collector.requests} == {"desk"}


@pytest.mark.parametrize("status", [400, 422, 413])
def test_a_collector_that_takes_no_losses_gets_the_records_all_the_same(
    collector: StandIn, make_client: MakeClient, status: int
) -> None:
    client = make_client(collector.url)
    collector.decide = refuse_losses(status)
    client.guard.drop("journal_full", 3, "some are lost")
    with headway.span("one"):
        pass
    is_first_shipped = headway.flush()
    with headway.span("two"):
        pass

    assert is_first_shipped
    assert headway.flush()
    assert [span.name for span in collector.spans] == ["one", "two"]
    assert headway.stats().dropped == {"journal_full": 3}


def test_what_a_process_lost_and_could_not_tell_is_told_by_the_next_one(
    collector: StandIn, tmp_path: Path
) -> None:
    collector.refuse_all()
    loser = run(LOSER, tmp_path, HEADWAY_URL=collector.url)
    client_id, dropped, recorded = json.loads(loser.stdout)
    collector.take_all()
    teller = run(TELLER, tmp_path, HEADWAY_URL=collector.url)
    told = collector.lost_by(client_id)
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in told.items())
    last_line = loser.stderr.splitlines()[-1]

    assert teller.stdout.split() == ["True", "0"]
    assert told["journal_full"] == dropped["journal_full"] > 100
    assert last_line.endswith(f"{sum(told.values()):,} dropped ({reasons})")
    assert len(collector.spans) == recorded - sum(told.values())
    assert list((tmp_path / "journal").iterdir()) == []


def test_what_a_killed_process_lost_is_told_by_the_next_one(
    collector: StandIn, tmp_path: Path
) -> None:
    collector.refuse_all()
    with start(LOSER, tmp_path, HEADWAY_URL=collector.url) as loser:
        assert loser.stdout is not None
        client_id, dropped, _ = json.loads(loser.stdout.readline())

        def kept() -> int:
            leftovers = [each.content for each in survey(tmp_path / "journal")]
            return sum(lost.count for each in leftovers if each for lost in each.losses)

        is_kept = wait_until(lambda: kept() == dropped["journal_full"])
        loser.kill()
    collector.take_all()
    teller = run(TELLER, tmp_path, HEADWAY_URL=collector.url)

    assert is_kept
    assert teller.stdout.split() == ["True", "0"]
    assert collector.lost_by(client_id) == dropped


def test_losses_alone_are_worth_a_file_when_all_records_have_arrived(
    collector: StandIn, tmp_path: Path
) -> None:
    collector.decide = refuse_losses(503)
    loser = run(LOSER, tmp_path, HEADWAY_URL=collector.url)
    client_id, dropped, recorded = json.loads(loser.stdout)
    files = list((tmp_path / "journal").iterdir())
    collector.take_all()
    run(TELLER, tmp_path, HEADWAY_URL=collector.url)

    assert len(files) == 1
    assert collector.lost_by(client_id) == dropped
    assert len(collector.spans) == recorded - sum(dropped.values())
    assert list((tmp_path / "journal").iterdir()) == []


def test_calls_after_shutdown_are_shipped_by_the_next_process(
    collector: StandIn, tmp_path: Path
) -> None:
    late = run(
        """
        import headway
        with headway.span("in time"): pass
        headway.shutdown()
        for _ in range(3):
            with headway.span("late"): pass
        """,
        tmp_path,
        HEADWAY_URL=collector.url,
    )
    run(TELLER, tmp_path, HEADWAY_URL=collector.url)

    waiting = f"3 recorded and not shipped, they wait in {tmp_path / 'journal'}"
    assert late.stderr == f"headway: {waiting}\n"
    assert [span.name for span in collector.spans].count("late") == 3
    assert collector.losses == {}
    assert list((tmp_path / "journal").iterdir()) == []


def test_calls_lost_after_the_end_are_told_by_the_next_process(
    collector: StandIn, tmp_path: Path
) -> None:
    late = run(
        """
        import os, headway
        with headway.span("in time"): pass
        headway.shutdown()
        for _ in range(20):
            with headway.span("late", input="x" * 50_000): pass
        print(headway.stats().client_id, headway.stats().last_error)
        os._exit(0)
        """,
        tmp_path,
        HEADWAY_URL=collector.url,
        HEADWAY_JOURNAL_LIMIT_BYTES="262144",
    )
    run(TELLER, tmp_path, HEADWAY_URL=collector.url)
    client_id, _, said = late.stdout.partition(" ")

    assert said.startswith("a call came after Headway had ended, and the journal"), late.stderr
    arrived = [span.name for span in collector.spans].count("late")
    assert 0 < arrived < 20
    assert collector.lost_by(client_id) == {"shut_down": 20 - arrived}


def test_a_forked_child_counts_its_losses_under_an_id_of_its_own(
    collector: StandIn, tmp_path: Path
) -> None:
    done = run(
        """
        import os
        import headway
        from headway.lifecycle import current_client
        current_client().guard.drop("journal_full", 2, "lost by the parent")
        child = os.fork()
        if child == 0:
            current_client().guard.drop("journal_full", 5, "lost by the child")
        else:
            os.waitpid(child, 0)
        with headway.span("call"): pass
        assert headway.flush()
        os.write(1, f"{headway.stats().client_id} {headway.stats().dropped}\\n".encode())
        os._exit(0)
        """,
        tmp_path,
        HEADWAY_URL=collector.url,
    )
    child, parent = done.stdout.splitlines()

    assert re.fullmatch(r"[0-9a-f]{32} \{'journal_full': 5\}", child)
    assert collector.lost_by(child[:32]) == {"journal_full": 5}
    assert collector.lost_by(parent[:32]) == {"journal_full": 2}
