"""The end of children of multiprocessing, which skip whatever is registered with ``atexit``.

Those that are forked end with ``os._exit``, after finalizers that multiprocessing runs itself.
Ours ships what is left, as at the end of any other process. Nothing here imports multiprocessing.
"""

import sys
from collections.abc import Callable
from typing import Any

from headway.interruptions import forgiven

_LAST = -100
"""The priority of a finalizer: after those that may still record."""


class ChildEndings:
    """Runs ``finish`` at the end of each child of multiprocessing.

    Args:
        finish: must not raise.
    """

    def __init__(self, finish: Callable[[], object]) -> None:
        self._finish = finish
        self._is_passed_on = False
        self._is_settled = False

    def attend(self) -> None:
        """See to it that this process, where it is such a child, and its own ones end well."""
        util = self._pass_on()
        if util is not None and not self._is_settled:
            with forgiven():
                if sys.modules["multiprocessing.process"].parent_process() is not None:
                    self._settle(util)

    def renew(self) -> None:
        """Start anew in a forked child, which may be one of multiprocessing or not."""
        self._is_settled = False
        self._pass_on()

    def _pass_on(self) -> Any:
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None and not self._is_passed_on:
            # What it has there is not documented, and must not keep a client from starting.
            with forgiven():
                # Inherited; each child runs it once it has forgotten its parent's finalizers.
                util.register_after_fork(self, ChildEndings._begin)
                self._is_passed_on = True
        return util

    def _begin(self) -> None:
        with forgiven():
            self._settle(sys.modules["multiprocessing.util"])

    def _settle(self, util: Any) -> None:
        util.Finalize(None, self._finish, exitpriority=_LAST)
        self._is_settled = True
