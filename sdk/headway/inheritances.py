"""What is open at a fork stays the parent's: the child may leave it, and does not record it too.

It remains the parent of what the child logs. It is found only then, by the tokens of spans and the
frames of observed functions, so that a call has to keep no list of what is around it.
"""

import sys
from typing import Any

from headway.contexts import CURRENT
from headway.interruptions import OUR_FOLDER

_OBSERVED = (OUR_FOLDER + "observing.py", "call")
"""Whose frames have a call that is open."""


class Elsewhere:
    """Stands where the verdict of sampling is.

    Args:
        verdict: what still holds for what begins inside.
    """

    def __init__(self, verdict: Any) -> None:
        self.verdict = verdict

    def admits(self, record: object) -> bool:
        """Say that the record is not to be written here."""
        return False


def leave_to_parent() -> None:
    """Record nothing, in a forked child, of what is open in the thread that forked."""
    found: list[Any] = [CURRENT.get()]
    frame = sys._getframe().f_back
    while frame is not None:
        if (frame.f_code.co_filename, frame.f_code.co_name) == _OBSERVED:
            here = frame.f_locals
            found += [here.get("opened"), here.get("previous")]
            found.append(getattr(here.get("token"), "old_value", None))
        frame = frame.f_back
    while found:
        each = found.pop()
        # What came from another process has none, and each is met once.
        if hasattr(each, "verdict") and not isinstance(each.verdict, Elsewhere):
            each.verdict = Elsewhere(each.verdict)
            found.append(getattr(each, "span", None))
            found.append(getattr(getattr(each, "_token", None), "old_value", None))
