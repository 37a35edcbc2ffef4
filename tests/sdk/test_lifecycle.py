"""How the process's client starts: when, in which circumstances, and what waits for it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from headway.clients import Client
from headway.leftovers import survey
from headway.records import Span
from headway.standing_in import StandIn as WaitingRoom
from tests.sdk.conftest import Answer, StandIn
from tests.sdk.programs import run

IMPORTS = """
import sys
before = set(sys.modules)
import headway
added = set(sys.modules) - before
heavy = {"pathlib", "logging", "urllib.parse", "urllib3", "socket", "tomllib", "hashlib", "random"}
heavy |= {"traceback", "ctypes", "asyncio", "headway.clients", "headway.journals"}
print(sorted(added & heavy))

@headway.observe
def ask(question):
    return question

print("headway.clients" in sys.modules)
ask("x")
print("headway.clients" in sys.modules, headway.stats().recorded)
"""


def test_a_client_is_imported_when_there_is_one(tmp_path: Path) -> None:
    done = run(IMPORTS, tmp_path, HEADWAY_URL="http://127.0.0.1:9", HEADWAY_EXIT_TIMEOUT_S="0")

    assert done.stdout.splitlines() == ["[]", "False", "True 1"], done.stderr


WAITS = """
import sys
import headway.clients, headway.shipping
print("urllib3" in sys.modules, "socket" in sys.modules)
"""


def test_no_caller_waits_for_what_only_the_shipper_needs(tmp_path: Path) -> None:
    done = run(WAITS, tmp_path)

    assert done.stdout.split() == ["False", "False"], done.stderr


NO_FILES = """
import resource
import headway
import headway.lifecycle

@headway.observe
def ask(question):
    return question.upper()

files, (_, most) = [], resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (40, most))
try:
    while True:
        files.append(open("/dev/null"))
except OSError:
    pass
print(ask("x"), headway.stats().recorded, headway.stats().last_error)
for file in files:
    file.close()
headway.lifecycle._due_s = 0.0
print(ask("y"), headway.stats().recorded, headway.stats().faults)
"""


def test_a_call_without_a_file_to_start_with_is_kept_until_there_is_one(tmp_path: Path) -> None:
    done = run(NO_FILES, tmp_path, HEADWAY_URL="http://127.0.0.1:9", HEADWAY_EXIT_TIMEOUT_S="0")

    first, second = done.stdout.splitlines()
    assert first.startswith("X 1 Headway could not start: OSError: [Errno 24]"), done.stderr
    assert second == "Y 2 {'starting': 1}"


def test_only_so_many_calls_wait_for_a_client_and_the_others_are_counted(
    make_client: Callable[..., Client],
) -> None:
    stand_in = WaitingRoom()
    for number in range(1500):
        span_id = f"{number:016x}"
        stand_in.record(Span(trace_id="a" * 32, span_id=span_id, name="s", start_ns=1, end_ns=2))
    waiting = stand_in.stats()
    client = make_client()
    stand_in.hand_over(client)

    assert (waiting.recorded, waiting.pending) == (1500, 1000)
    assert waiting.dropped == client.stats().dropped == {"starting": 500}
    assert client.stats().recorded == 1500


def test_what_waits_for_a_client_is_not_handed_over_again_by_a_forked_child() -> None:
    stand_in = WaitingRoom()
    stand_in.record(Span(trace_id="a" * 32, span_id="b" * 16, name="s", start_ns=1, end_ns=2))
    stand_in.refuse("starting", "one too many")
    stand_in.renew()

    assert not stand_in.is_needed
    assert stand_in.stats().recorded == 0


NEVER = """
import resource
import headway

@headway.observe
def ask(question):
    return question

resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
ask("x")
ask("y")
"""


def test_what_waits_for_a_client_that_never_comes_is_told_at_the_end(tmp_path: Path) -> None:
    done = run(NEVER, tmp_path)

    assert done.returncode == 0
    assert done.stderr.startswith(
        "headway: 2 dropped (starting 2): Headway could not start: OSError"
    )


DEEP_FILE = """
import headway

@headway.observe
def ask(question):
    return question

print(ask("x"), headway.stats().faults, headway.stats().last_error)
"""


def test_a_file_of_settings_that_is_nested_too_deeply_is_told(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text(f"project = {'[' * 9000}{']' * 9000}")

    done = run(DEEP_FILE, tmp_path)

    assert done.stdout.startswith("x {'settings': 1} nothing is recorded: "), done.stderr
    assert "headway.toml is nested too deeply" in done.stdout


FORKS = """
import os, signal, sys, threading
import headway

@headway.observe
def ask(question):
    return question

awaited = sys.argv[1]
thread = threading.Thread(target=ask, args=("x",))
thread.start()
while awaited not in sys.modules:
    pass
child = os.fork()
if child == 0:
    signal.alarm(10)
    ask("y")
    os._exit(headway.stats().recorded)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread.join()
print(headway.stats().recorded)
"""


@pytest.mark.parametrize("awaited", ["headway.clients", "headway.journals", "urllib", "logging"])
def test_a_fork_waits_for_the_client_that_another_thread_makes(
    tmp_path: Path, awaited: str
) -> None:
    done = run(FORKS, tmp_path, awaited, HEADWAY_EXIT_TIMEOUT_S="0")

    assert done.stdout.splitlines() == ["1", "1"], done.stderr


ORPHANED = """
import os
from pathlib import Path
import headway
from headway.leftovers import survey

with headway.span("the parent's"): pass
reading, writing = os.pipe()
if os.fork():
    os._exit(0)
os.close(writing)
os.read(reading, 1)  # nothing, once the parent is dead
folder = Path(os.environ["HEADWAY_JOURNAL_DIR"])
print([leftover.is_in_use for leftover in survey(folder)], flush=True)
os._exit(0)
"""


def test_a_forked_child_does_not_keep_the_journal_of_its_dead_parent(tmp_path: Path) -> None:
    done = run(ORPHANED, tmp_path, HEADWAY_URL="http://127.0.0.1:9")

    assert done.stdout.strip() == "[False]", done.stderr


AFTERWARDS = """
import atexit

@atexit.register
def afterwards():
    # Registered before headway is imported, and so run after its own end.
    for name in ("late", "later"):
        with headway.span(name): pass

import headway

with headway.span("in time"): pass
"""


@pytest.mark.parametrize(
    ("status", "waiting", "said"),
    [(200, ["late", "later"], ""), (503, ["in time", "late", "later"], "1 recorded and not")],
)
def test_calls_after_the_last_line_wait_for_the_next_process(
    collector: StandIn, tmp_path: Path, status: int, waiting: list[str], said: str
) -> None:
    collector.decide = lambda request: Answer(status) if status != 200 else None
    first = run(AFTERWARDS, tmp_path, HEADWAY_URL=collector.url)
    at_first = {span.name for span in collector.spans}
    left = sum(each.content.pending for each in survey(tmp_path / "journal") if each.content)
    collector.take_all()
    run("import headway; headway.init(); headway.flush()", tmp_path, HEADWAY_URL=collector.url)

    assert said in first.stderr
    assert bool(first.stderr) == bool(said)
    assert (left, at_first) == (len(waiting), {"in time", "late", "later"} - set(waiting))
    assert sorted(span.name for span in collector.spans) == ["in time", "late", "later"]
    assert (collector.repeated, collector.losses) == ([], {})


DAEMON = """
import itertools, os, threading
import headway

is_going = threading.Event()

def go():
    for number in itertools.count():
        with headway.span(str(number)): pass
        os.write(1, b"%d\\n" % number)
        if number == 20: is_going.set()

threading.Thread(target=go, daemon=True).start()
is_going.wait()
"""


def test_a_thread_that_goes_on_while_the_process_ends_loses_no_call_that_returned(
    collector: StandIn, tmp_path: Path
) -> None:
    first = run(DAEMON, tmp_path, HEADWAY_URL=collector.url)
    run("import headway; headway.init(); headway.flush()", tmp_path, HEADWAY_URL=collector.url)
    returned = first.stdout.split()

    assert first.returncode == 0
    assert len(returned) > 20
    assert set(returned) <= {span.name for span in collector.spans}
    assert len(collector.spans) - len(returned) in (0, 1)
    assert collector.losses == {}
