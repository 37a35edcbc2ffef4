"""What ``import headway`` costs a program that may never log a call."""

from pathlib import Path

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
