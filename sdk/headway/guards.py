"""The host must not notice us: what goes wrong is counted, said once a minute, never raised.

A client has one guard. A *fault* is an error of ours or of what we were given; a *drop* is a
record that is lost, with the reason. Both are in ``headway.stats()``, and drops reach the
collector too.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from headway.interruptions import forgiven, is_from_handler
from headway.losses import Losses
from headway.records import DEFAULT_PROJECT
from headway.texts import message_of, name_of

_QUIET_S = 60.0


class Guard:
    """Keeps a client's faults and drops away from the program that it observes.

    Args:
        is_raising: raise faults instead, for tests (``HEADWAY_RAISE=1``).
        clock_s: paces the log lines.
        losses: where drops are counted; None starts a count of its own.
    """

    def __init__(
        self,
        *,
        is_raising: bool = False,
        clock_s: Callable[[], float] = time.monotonic,
        losses: Losses | None = None,
    ) -> None:
        self.is_raising = is_raising
        self.last_error: str | None = None
        self.redact: Callable[[str], str] | None = None
        """Makes of a message what may be said, where a program keeps something out of its log."""
        self.is_quoting = True
        """Whether messages have in them what errors say, which may be of a value."""
        self.faults: Counter[str] = Counter()
        self.losses = losses or Losses()
        self._clock_s = clock_s
        self._said_s: dict[str, float] = {}
        # Reentrant: a garbage collection inside may run an observed generator's last lines.
        self._lock = threading.RLock()

    @property
    def dropped(self) -> Counter[str]:
        """How many records are lost, by reason."""
        return self.losses.by_reason()

    def catch(self, cause: str, error: BaseException, *, of: str = "") -> None:
        """Swallow ``error``, which came up while we did ``cause``.

        Args:
            cause: a fixed word or two, since faults are counted by it.
            error: what came up.
            of: a name of the program's, for the message only.

        Raises:
            BaseException: ``error`` itself, where the guard is told to raise, or a signal handler
                raised it.
        """
        if self.is_raising or is_from_handler(error):
            raise error
        doing = f"{cause} of {of}" if of else cause
        said = f": {message_of(error)}" if self.is_quoting else ""
        self.fault(cause, f"{doing}: {name_of(type(error))}{said}")

    def fault(self, cause: str, message: str) -> None:
        """Count something that went wrong without a record being lost."""
        with self._lock:
            self.faults[cause] += 1
        self.warn(cause, message)

    def drop(
        self, reason: str, count: int, message: str, *, project: str = DEFAULT_PROJECT
    ) -> None:
        """Count ``count`` lost records; ``message`` says why and what to do."""
        self.losses.add(project, reason, count)
        self.warn(reason, message)

    def warn(self, cause: str, message: str) -> None:
        """Log ``message``, at most once a minute for each cause."""
        if self.redact is not None:
            message = self.redact(message)
        self.last_error = message
        now_s = self._clock_s()
        with self._lock:
            if now_s - self._said_s.get(cause, -_QUIET_S) < _QUIET_S:
                return
            self._said_s[cause] = now_s
        # Only now, since it takes the lock of logging, which a fork holds that waits for the client
        # to be made. And a handler's fault is not the program's, nor that of our thread.
        with forgiven():
            logging.getLogger("headway").warning("%s", message)
