"""Whose an exception is that comes up inside our code: ours, or that of a signal handler.

A handler runs wherever the main thread is, also in the middle of us. What it raises, for example
to end a task whose time is up, is the program's.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, MethodType
from typing import Any

from headway.peeking import found

OUR_FOLDER = os.path.dirname(__file__) + os.sep
_LIBRARY_FOLDER = os.path.dirname(os.__file__) + os.sep
_INSTALLED_FOLDERS = tuple(_LIBRARY_FOLDER + name for name in ("site-packages", "dist-packages"))


def is_from_outside(error: BaseException) -> bool:
    """Whether the program raised this in the middle of our code, and must have it.

    To be asked where no code of the program is run: its frame is neither ours nor the standard
    library's.
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
    if file_name.startswith((OUR_FOLDER, "<frozen ")):
        return False
    is_library = file_name.startswith(_LIBRARY_FOLDER)
    return not is_library or file_name.startswith(_INSTALLED_FOLDERS)
