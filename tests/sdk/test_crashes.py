"""``kill -9`` in the middle of writing: what had returned is shipped by the next process."""

import json
import random
from collections import Counter
from pathlib import Path

from tests.sdk.conftest import StandIn
from tests.sdk.programs import run, start

WRITER = """
import os, sys, threading
import headway

@headway.observe
def ask(name):
    return name * 50

def work(thread):
    for number in range(10**6):
        name = f"{sys.argv[1]}-{thread}-{number}"
        ask(name)
        os.write(1, f"{name}\\n".encode())

for thread in range(3):
    threading.Thread(target=work, args=(thread,)).start()
"""

SHIPPER = """
import headway
headway.init()
print(headway.flush(40))
"""


def test_every_call_that_returned_before_a_kill_is_shipped_once(
    collector: StandIn, tmp_path: Path
) -> None:
    chance = random.Random(20261122)
    returned: set[str] = set()
    for number in range(3):
        # The first writer finds a collector that takes nothing, the others die while they ship.
        collector.refuse_all() if number == 0 else collector.take_all()
        with start(WRITER, tmp_path, f"round{number}", HEADWAY_URL=collector.url) as writer:
            assert writer.stdout is not None
            wanted = chance.randrange(200, 8000)
            lines = [writer.stdout.readline() for _ in range(wanted)]
            writer.kill()
            lines += writer.stdout.readlines()
        returned |= {line.strip() for line in lines if line.endswith("\n")}
    last = run(SHIPPER, tmp_path, HEADWAY_URL=collector.url)
    stored = Counter(json.loads(bytes(span.input))["name"] for span in collector.spans)

    assert last.stdout.strip() == "True", last.stderr
    assert len(returned) > 600
    assert returned - set(stored) == set()
    assert set(stored.values()) == {1}
    assert len(set(stored) - returned) <= 3 * 3
    assert list((tmp_path / "journal").iterdir()) == []
