"""The user's function inside its own process: imported, called, and what it gave looked at.

Little else is imported here, so that such a process starts quickly and stays small.
"""

import importlib
import math
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import reduce
from multiprocessing.connection import Connection
from typing import Any

from headway.errors import HeadwayError
from headway_collector.processes import end_with_parent

Value = float | bool | str | None
"""What a function may say of a call; None where it has nothing to say."""

MOST_TEXT_CHARS = 200
"""Of a value that is a text: it is a category, not a text."""

_MOST_WORDS = 300
_NICENESS = 5
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")

_Function = Callable[[str, str | None], Any]


class FunctionError(HeadwayError):
    """A function gave no value that can be used; the line says why.

    Args:
        is_lost: whether its process had to be ended, or had ended.
    """

    def __init__(self, message: str, *, is_lost: bool = False) -> None:
        super().__init__(message)
        self.is_lost = is_lost


def check_value(said: Any) -> Value:
    """Return what a function gave as a value.

    Raises:
        FunctionError: it is none.
    """
    if said is None or isinstance(said, bool):
        return said
    if isinstance(said, str):
        return _check_text(str(said))
    if not isinstance(said, int | float):
        # One number of numpy or torch.
        said = said.item() if getattr(said, "shape", None) == () else said
        if isinstance(said, bool):
            return said
    if not isinstance(said, int | float):
        raise FunctionError(
            f"it gave {type(said).__name__}, but a value is a number, a truth value, a text or None"
        )
    try:
        number = float(said)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise FunctionError("it gave a number that is not finite: give None where there is none")
    return number


def _check_text(text: str) -> str:
    if len(text) > MOST_TEXT_CHARS:
        raise FunctionError(
            f"it gave a text of {len(text):,} characters: a category has at most {MOST_TEXT_CHARS}"
        )
    if not text.isprintable():
        raise FunctionError("it gave a text with signs that cannot be printed")
    return text


def serve_function(target: str, folder: str, connection: Connection) -> None:
    """Import a function and answer with what it says of each call, until nobody asks any more.

    Args:
        target: where it is, as ``module:function``.
        folder: put before the path that modules are looked for on.
        connection: where calls come from; each answer is ``(True, value)`` or ``(False, why)``,
            the first one says whether the import went well.
    """
    # Whoever stops the collector and all it started stops it alone: it ends its processes itself.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, name="headway-parent", daemon=True).start()
    # The collector's own output is one line, which programs read; a print a call is no log either.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with suppress(OSError):
        os.nice(_NICENESS)
    for limit in _THREADS:
        os.environ.setdefault(limit, "1")
    sys.path.insert(0, folder)
    try:
        function = _import(target)
    except BaseException as error:  # a module may raise whatever it likes
        connection.send((False, _tell(error)))
        return
    connection.send((True, None))
    with suppress(EOFError, OSError):
        while True:
            connection.send(_call(function, *connection.recv()))


def _import(target: str) -> _Function:
    module_name, _, path = target.partition(":")
    module = importlib.import_module(module_name)
    try:
        found: Any = reduce(getattr, path.split("."), module)
    except AttributeError:
        raise FunctionError(f"the module {module_name!r} has no {path!r}") from None
    if not callable(found):
        raise FunctionError(f"{path!r} of {module_name!r} is {type(found).__name__}, no function")
    checked: _Function = found
    return checked


def _call(function: _Function, prompt: str, answer: str | None) -> tuple[bool, Value]:
    try:
        return True, check_value(function(prompt, answer))
    except BaseException as error:  # SystemExit would take the process, and the next call's value
        return False, _tell(error)


def _tell(error: BaseException) -> str:
    try:
        words = str(error)
    except Exception:
        words = ""
    told = words if isinstance(error, FunctionError) else f"{type(error).__name__}: {words}"
    return told[:_MOST_WORDS].encode(errors="replace").decode()
