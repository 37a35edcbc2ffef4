"""What ended a span, as fields of its record: type, message and the program's own last frames.

And whose an exception is that comes up inside our code: ours, or that of a signal handler which
ran in the middle of it.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, MethodType, TracebackType
from typing import Any

from headway.peeking import found
from headway.records import Span
from headway.texts import clip, message_of, name_of

_LONGEST_NAME = 256
_LONGEST_STACK = 8000
_LONGEST_LINE = 1000
_STACK_FRAMES = 20
_KNOWN_FRAMES = 1024
_OUR_FOLDER = os.path.dirname(__file__) + os.sep
_LIBRARY_FOLDER = os.path.dirname(os.__file__) + os.sep
_INSTALLED_FOLDERS = tuple(_LIBRARY_FOLDER + name for name in ("site-packages", "dist-packages"))


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


def is_from_outside(error: BaseException) -> bool:
    """Whether the program raised this in the middle of our code, and must have it.

    A signal handler runs wherever the main thread is. What it raises, for example to end a task
    whose time is up, is no fault of ours. Its frame is neither ours nor the standard library's.
    """
    trace = error.__traceback__
    while trace is not None:
        if _is_outside(trace.tb_frame.f_code.co_filename):
            return True
        trace = trace.tb_next
    return False


def is_from_handler(error: BaseException) -> bool:
    """Whether a signal handler raised this, told apart from other code of the program.

    To be asked where such code is run, as a property or a reducer, whose own errors stay with us.
    """
    import signal  # only programs that fail pay for it

    codes = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return False


@contextmanager
def forgiven() -> Iterator[None]:
    """Pass over what the program's code raises inside, unless a signal handler raised it."""
    try:
        yield
    except Exception as error:
        if is_from_handler(error):
            raise


def _code_of(handler: Any) -> CodeType | None:
    while isinstance(handler, (functools.partial, MethodType)):
        handler = handler.func if isinstance(handler, functools.partial) else handler.__func__
    if type(handler) is not FunctionType:
        handler = found(type(handler), "__call__")
    return handler.__code__ if type(handler) is FunctionType else None


def _is_outside(file_name: str) -> bool:
    if file_name.startswith((_OUR_FOLDER, "<frozen ")):
        return False
    is_library = file_name.startswith(_LIBRARY_FOLDER)
    return not is_library or file_name.startswith(_INSTALLED_FOLDERS)


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
        if not code.co_filename.startswith(_OUR_FOLDER):
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
