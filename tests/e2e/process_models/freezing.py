"""A function as a service: each line on stdin is an event, and how long a flush may take."""

import sys
import time

import headway
from tests.e2e.process_models.ledgers import call, tell


def handle(timeout_s: float) -> None:
    """Log, and flush as the handler of an event does before it returns."""
    for _ in range(3):
        call()
    started_s = time.monotonic()
    has_arrived = headway.flush(timeout_s)
    is_late = time.monotonic() - started_s > timeout_s + 5.0
    tell("late" if is_late else "arrived" if has_arrived else "waiting")


if __name__ == "__main__":
    for line in sys.stdin:
        handle(float(line))
