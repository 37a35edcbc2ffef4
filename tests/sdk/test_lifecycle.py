"""How the process's client starts: when, in which circumstances, and what waits for it."""

from pathlib import Path

import pytest

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
