"""A program that logs as fast as it can and tells its tester each call that returned.

Run as ``python crashing_client.py PREFIX CALLS THREADS``; it is meant to be killed. After every
return it writes the call's name to stdout, in one write, so that the tester knows exactly which
calls had returned when the process died.
"""

import os
import sys
import threading

import headway


@headway.observe(kind="llm", model="crash-test")
def answer(message: str) -> str:
    return message.upper() * 20


def work(prefix: str, thread: int, calls: int) -> None:
    for number in range(calls):
        name = f"{prefix}-{thread}-{number}"
        with headway.context(session=name):
            answer(name)
        os.write(1, f"{name}\n".encode())


def main() -> None:
    prefix, calls, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    workers = [
        threading.Thread(target=work, args=(prefix, thread, calls)) for thread in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    delivered = headway.flush(timeout_s=300.0)
    os.write(1, b"flushed\n" if delivered else b"not flushed\n")


if __name__ == "__main__":
    main()
