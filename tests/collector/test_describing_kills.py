"""A process that describes while calls come in and are written anew, killed again and again."""

import subprocess
import sys
from pathlib import Path

from tests.collector.call_worlds import describe_all, open_world

# Says the number of the last call of each commit; every third call is then written anew.
DESCRIBING = """
import sys
from headway_collector.describing import Rhythm
from tests.collector.call_worlds import make_span, open_world

first = int(sys.argv[2])
with open_world(sys.argv[1]) as world:
    world.clock.now_ns += first * 10**9
    describer = world.make_describer(rhythm=Rhythm(0, 0, 0, 0, 0), chunk_rows=3)
    world.writer.call_after_commits(describer.wake)
    world.append(make_span(first))
    describer.describe_next()
    describer.start()
    for number in range(first + 1, first + 100_000, 5):
        world.append(*(make_span(each) for each in range(number, number + 5)))
        world.rewrite(number, output=b'"written anew"')
        sys.stdout.write(f"{number + 5}\\n")
        sys.stdout.flush()
"""


def test_a_killed_describer_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    next_number, described_before = 1, 0
    for commits in (2, 40, 11):
        next_number = describe_and_kill(database, next_number, commits) + 5
        with open_world(database) as world:
            keys = [row["span_key"] for row in world.list_rows()]
            calls = world.store.read("SELECT count(*) AS n FROM store.spans")[0]["n"]
        assert len(set(keys)) == len(keys) <= calls
        described_before = len(keys)
    with open_world(database) as world:
        describe_all(world.make_describer())
        rows = world.list_rows("span_key, answer_chars")
        calls = world.store.read(
            "SELECT span_key, strlen(output->>'$') AS answer_chars FROM store.spans ORDER BY ALL"
        )

    assert described_before > 0
    assert rows == calls


def describe_and_kill(database: Path, first: int, commits: int) -> int:
    """Let a process go on until it said so many commits, and return the last that it said."""
    with subprocess.Popen(
        [sys.executable, "-c", DESCRIBING, str(database), str(first)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(commits)]
        process.kill()
        # Some more may have come meanwhile.
        said += [int(line) for line in process.stdout if line.endswith("\n")]
    return said[-1]
