from pathlib import Path

from tests.sdk.conftest import StandIn
from tests.sdk.programs import run


def test_a_fork_that_waited_for_the_client_does_not_come_into_its_threads_imports(
    collector: StandIn, tmp_path: Path
) -> None:
    done = run(
        """
        import os, sys, threading, time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, from 3.12 on
        # Registered before ours, this runs after it: the client's thread has time to begin.
        os.register_at_fork(before=lambda: time.sleep(0.2))
        import headway
        is_making = threading.Event()

        class Slow:
            def find_spec(self, name, path=None, target=None):
                if name == "headway.transports":
                    is_making.set()
                if name in ("headway.transports", "urllib3.util"):
                    time.sleep(0.5)

        sys.meta_path.insert(0, Slow())

        def work():
            with headway.span("parent"): pass

        thread = threading.Thread(target=work)
        thread.start()
        is_making.wait(20)
        child = os.fork()
        if child == 0:
            with headway.span("child"): pass
            os._exit(0 if headway.flush(10) else 1)
        end = os.waitpid(child, 0)[1]
        thread.join()
        print(end, headway.flush(20))
        """,
        tmp_path,
        HEADWAY_URL=collector.url,
    )

    assert done.stdout.strip() == "0 True", done.stderr
    assert sorted(span.name for span in collector.spans) == ["child", "parent"]


def test_a_fork_during_which_the_client_imports_logging_says_nothing(
    collector: StandIn, tmp_path: Path
) -> None:
    done = run(
        """
        import os, sys, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, from 3.12 on
        import headway
        assert "logging" not in sys.modules
        is_making, is_forking = threading.Event(), threading.Event()
        # Registered after ours, this runs before it.
        os.register_at_fork(before=is_forking.set)

        class Slow:
            def find_spec(self, name, path=None, target=None):
                if name == "logging":
                    is_making.set()
                    is_forking.wait(20)

        sys.meta_path.insert(0, Slow())

        def work():
            with headway.span("parent"): pass

        thread = threading.Thread(target=work)
        thread.start()
        is_making.wait(20)
        child = os.fork()
        import logging
        # Nobody is left with its lock, here or there.
        free = threading.Thread(target=logging.getLogger, args=("headway",))
        free.start()
        free.join()
        if child == 0:
            os._exit(0)
        thread.join()
        print(os.waitpid(child, 0)[1])
        """,
        tmp_path,
        HEADWAY_URL=collector.url,
    )

    assert (done.stdout.strip(), done.stderr) == ("0", "")
