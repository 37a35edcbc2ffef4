"""Programs that end in every way there is; the first argument says which."""

import atexit
import os
import signal
import sys
import threading

import headway
from tests.e2e.process_models.ledgers import call


def returning() -> None:
    call()


def atexit_handler() -> None:
    atexit.register(call, "at exit")
    call()


def exiting() -> None:
    call()
    sys.exit(3)


def failing() -> None:
    call()
    raise RuntimeError("nobody handles it")


def exiting_in_a_thread() -> None:
    """End a thread, which ends nothing else."""

    def work() -> None:
        call("in the thread")
        sys.exit(3)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    call()


def leaving_a_thread() -> None:
    """Return while a thread still works, for which Python waits."""

    def work() -> None:
        threading.main_thread().join()
        call("in the thread")

    threading.Thread(target=work).start()
    call()


def flushing() -> None:
    call()
    assert headway.flush(20)
    os._exit(0)


def shutting_down() -> None:
    call()
    assert headway.shutdown(20)
    os._exit(0)


def interrupted() -> None:
    call()
    assert headway.flush(20)
    call()
    os.kill(os.getpid(), signal.SIGINT)


def terminated_with_a_handler() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    call()
    os.kill(os.getpid(), signal.SIGTERM)


def os_exiting() -> None:
    call()
    os._exit(0)


def terminated() -> None:
    call()
    os.kill(os.getpid(), signal.SIGTERM)


def killed() -> None:
    call()
    os.kill(os.getpid(), signal.SIGKILL)


def aborting() -> None:
    call()
    os.abort()


def executing() -> None:
    """Become another program, under the same id."""
    call()
    os.execv(sys.executable, [sys.executable, *sys.argv[:1], "returning"])


if __name__ == "__main__":
    globals()[sys.argv[1]]()
