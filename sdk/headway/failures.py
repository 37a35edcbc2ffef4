"""What ended a span, as fields of its record: type, message and the program's own last frames."""

import functools
from types import TracebackType

from headway.interruptions import OUR_FOLDER
from headway.records import Span
from headway.texts import clip, message_of, name_of

_LONGEST_NAME = 256
_LONGEST_STACK = 8000
_LONGEST_LINE = 1000
_STACK_FRAMES = 20
_KNOWN_FRAMES = 1024


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
    traces: list[TracebackType] = []
    trace = error.__traceback__
    while trace is not None:
        traces.append(trace)
        trace = trace.tb_next
    told: list[str] = []
    while traces and len(told) < _STACK_FRAMES:
        trace = traces.pop()
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(OUR_FOLDER):
            told.append(_told(code.co_filename, trace.tb_lineno, code.co_name))
    return clip("".join(reversed(told)), _LONGEST_STACK)


@functools.lru_cache(_KNOWN_FRAMES)
def _told(file: str, line: int, function: str) -> str:
    # An error that passes hundreds of observed calls has mostly the same frames in each.
    import linecache  # only programs that fail pay for it

    linecache.checkcache(file)
    source = clip(linecache.getline(file, line).strip(), _LONGEST_LINE)
    said = f'  File "{file}", line {line}, in {function}\n'
    return f"{said}    {source}\n" if source else said
