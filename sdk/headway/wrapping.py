"""What makes the wrapper of a function pass for the function.

Others ask a function for more than its result: pytest and FastAPI for its signature and flags,
programs for its ``cache_clear``. A callable may answer with code of its own, which can raise
anything; what it does not tell is left out.
"""

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

from headway.interruptions import forgiven
from headway.peeking import found, lineage_of

_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200
"""The flags of a function's code: CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR of inspect."""


def dressed(call: Callable[..., Any], function: Any) -> Callable[..., Any]:
    """Return ``call`` with all that makes others take it for ``function``."""
    followed = _flags_of(function) & (_GENERATOR | _ASYNC_GENERATOR)
    if followed and type(call) is FunctionType:
        # It gives back a generator without being one, since its span begins with the call; inspect
        # and those who go by it, pytest and FastAPI among them, look at this flag.
        code = call.__code__.replace(co_flags=call.__code__.co_flags | followed)
        call = FunctionType(code, call.__globals__, call.__name__, None, call.__closure__)
    for name in functools.WRAPPER_ASSIGNMENTS:
        with forgiven():
            setattr(call, name, getattr(function, name))
    with forgiven():
        vars(call).update(vars(function))
    if not isinstance(function, (FunctionType, type)):
        # What the object can do beside being called, such as lru_cache's cache_clear.
        for able in {each for base in lineage_of(type(function)) for each in vars(base)}:
            if not able.startswith("_") and callable(found(type(function), able)):
                with forgiven():
                    setattr(call, able, getattr(function, able))
    vars(call)["__wrapped__"] = function
    return call


def is_coroutine_function(function: Any) -> bool:
    """Whether a call of ``function`` surely gives back a coroutine."""
    return bool(_flags_of(function) & _COROUTINE)


def function_name(function: Any) -> str:
    """Return the name that a function has, or else that of its class."""
    function, name = _unwrapped(function), None
    with forgiven():
        name = function.__name__
    return name if type(name) is str and name else type(function).__name__


def _flags_of(function: Any) -> int:
    # As inspect reads them, without importing inspect.
    function, flags = _unwrapped(function), None
    with forgiven():
        flags = function.__code__.co_flags
    return flags if type(flags) is int else 0


def _unwrapped(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function
