"""``kill -9`` on either side loses nothing and doubles nothing.

Two kills of the client for each of the collector: 30 in all here; ``make soak`` runs the same code
with ``HEADWAY_CRASH_ROUNDS`` at 300.
"""

import os
import random
import selectors
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.processes import CollectorProcess, clean_environment

ROUNDS = int(os.environ.get("HEADWAY_CRASH_ROUNDS", "30"))
COLLECTOR_ROUNDS = ROUNDS // 3
CLIENT_ROUNDS = ROUNDS - COLLECTOR_ROUNDS
THREADS = 4
CLIENT = Path(__file__).with_name("crashing_client.py")


@pytest.mark.timeout(60 + 15 * ROUNDS)
def test_every_call_that_returned_before_the_client_was_killed_is_stored_once(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    chance = random.Random(20261122)
    returned: set[str] = set()

    for number in range(CLIENT_ROUNDS):
        client = start_client(collector, tmp_path, prefix=f"round{number}", calls=10**6)
        # Most die young: first segments, first rotations and first batches are the tender moments.
        returned |= read_names(client, for_s=0.002 * 200 ** chance.random())
        client.kill()
        returned |= read_names(client)
    last = start_client(collector, tmp_path, prefix="last", calls=5)
    returned |= read_names(last) - {"flushed"}

    assert last.returncode == 0
    assert_stored_once(collector, returned, in_flight=THREADS * CLIENT_ROUNDS)


@pytest.mark.timeout(60 + 15 * ROUNDS)
def test_every_call_that_returned_while_the_collector_was_killed_is_stored_once(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    chance = random.Random(20261123)
    returned: set[str] = set()
    interrupted = 0

    for number in range(COLLECTOR_ROUNDS):
        client = start_client(collector, tmp_path, prefix=f"round{number}", calls=200)
        names = read_names(client, for_s=chance.uniform(0.0, 0.15))
        collector.kill()
        interrupted += "flushed" not in names
        collector.start()
        returned |= names | read_names(client)

    returned -= {"flushed"}
    assert interrupted >= COLLECTOR_ROUNDS // 2
    assert "not flushed" not in returned
    assert len(returned) == COLLECTOR_ROUNDS * 200 * THREADS
    assert_stored_once(collector, returned, in_flight=0)


def start_client(
    collector: CollectorProcess, folder: Path, *, prefix: str, calls: int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(CLIENT), prefix, str(calls), str(THREADS)],
        env=clean_environment(
            HEADWAY_URL=collector.url, HEADWAY_JOURNAL_DIR=str(folder / "journal")
        ),
        stdout=subprocess.PIPE,
    )


def read_names(client: subprocess.Popen[bytes], for_s: float | None = None) -> set[str]:
    """Read whole lines of the client, for a while after its first or until it ends."""
    assert client.stdout is not None
    if client.stdout.closed:
        return set()
    text = b""
    deadline = float("inf")
    with selectors.DefaultSelector() as selector:
        selector.register(client.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            wait_s = None if deadline == float("inf") else deadline - time.monotonic()
            if not selector.select(wait_s):
                break
            chunk = os.read(client.stdout.fileno(), 1 << 16)
            if not chunk:
                client.wait(30)
                client.stdout.close()
                break
            text += chunk
            if for_s is not None and deadline == float("inf"):
                deadline = time.monotonic() + for_s
    if not client.stdout.closed and not text.endswith(b"\n"):
        text += client.stdout.readline()
    return {line for line in text.decode().split("\n") if line}


def assert_stored_once(collector: CollectorProcess, returned: set[str], *, in_flight: int) -> None:
    """Check that each name is stored once, and at most ``in_flight`` beside those returned."""
    spans = collector.api.pages("/v1/spans", "spans", {"content": "none", "limit": 1000})
    stored = Counter(span["session_id"] for span in spans)
    assert len(returned) > 100
    assert returned - set(stored) == set()
    assert [name for name, count in stored.items() if count > 1] == []
    assert len(set(stored) - returned) <= in_flight
