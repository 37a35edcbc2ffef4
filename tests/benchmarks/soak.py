"""``make soak``: the crash rounds in full, with their outcome written to RESULTS.md."""

import os
import subprocess
import sys
import time

from tests.benchmarks.results import record

ROUNDS = os.environ.get("HEADWAY_CRASH_ROUNDS", "300")


def main() -> int:
    """Run the crash tests with all rounds and return pytest's exit code."""
    started = time.monotonic()
    code = subprocess.call(
        [sys.executable, "-m", "pytest", "tests/e2e/test_crashes.py", "-v"],
        env={**os.environ, "HEADWAY_CRASH_ROUNDS": ROUNDS},
    )
    minutes = (time.monotonic() - started) / 60
    outcome = "every call stored exactly once" if code == 0 else f"FAILED (pytest exit {code})"
    record(
        f"kill -9, {ROUNDS} rounds of the client and {ROUNDS} of the collector",
        "make soak",
        [f"{outcome}; {minutes:.1f} minutes."],
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
