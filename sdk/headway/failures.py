"""What ended a span, as fields of its record: type, message and the program's own last frames."""

import os

from headway.records import Span
from headway.texts import clip, message_of, name_of

_LONGEST_NAME = 256
_LONGEST_STACK = 8000
_STACK_FRAMES = 20
_OUR_FOLDER = os.path.dirname(__file__) + os.sep


def describe(error: BaseException, record: Span) -> None:
    """Write on a record that this ended it."""
    if isinstance(error, GeneratorExit):
        # The consumer had enough; nothing went wrong.
        record.is_abandoned = True
        record.status = "ok" if record.status == "unset" else record.status
        return
    record.status = "error"
    record.error_type = clip(name_of(type(error)), _LONGEST_NAME)
    record.status_message = message_of(error)
    record.error_stack = _stack_of(error)


def _stack_of(error: BaseException) -> str:
    # The innermost frames of the program, without ours and without the values in them.
    import traceback  # only programs that fail pay for it

    frames = (
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith(_OUR_FOLDER)
    )
    stack = traceback.StackSummary.extract(frames, limit=-_STACK_FRAMES)
    return clip("".join(stack.format()), _LONGEST_STACK)
