"""``observe``: a function's calls as spans, with its arguments by name and what it gave back.

    @headway.observe(kind="llm", model="support-7b")
    def triage(message: str) -> str: ...

What the call gives back is settled by ``following``: a plain value ends the span, a generator or
a coroutine is followed to its end.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast, overload

from headway.arguments import ArgumentReader
from headway.clients import Client, current_client
from headway.contexts import CURRENT, restore
from headway.following import follow_coroutine, settle
from headway.records import Kind
from headway.tracing import ActiveSpan, prompt_fields
from headway.values import capture

P = ParamSpec("P")
R = TypeVar("R")


@overload
def observe(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def observe(
    *,
    name: str | None = None,
    kind: Kind = "span",
    model: str | None = None,
    provider: str | None = None,
    prompt: object = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def observe(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    kind: Kind = "span",
    model: str | None = None,
    provider: str | None = None,
    prompt: object = None,
) -> Callable[..., Any]:
    """Record each call of a function as a span.

    Args:
        function: where it is used bare, as ``@observe``.
        name: the span's name; the function's where it is not given.
        kind: what sort of step it is.
        model: the model that is asked.
        provider: who runs the model, for example ``openai``.
        prompt: its name, or an object with a ``name`` and a ``version``.
    """
    fields = {"name": name, "kind": kind, "request_model": model, "provider": provider}

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        if isinstance(function, (classmethod, staticmethod)):
            bound: Any = type(function)(decorate(function.__func__))
            return cast(Callable[..., Any], bound)
        site = _Site(function, fields, prompt)
        return site.async_call() if inspect.iscoroutinefunction(function) else site.call()

    return decorate if function is None else decorate(function)


class _Site:
    """One decorated function, and what all of its spans have in common."""

    def __init__(
        self, function: Callable[..., Any], fields: dict[str, Any], prompt: object
    ) -> None:
        self._function = function
        self._fields = fields
        self._prompt = prompt
        self._arguments = ArgumentReader(function)
        self._checked: dict[str, Any] | None = None

    def call(self) -> Callable[..., Any]:
        """Return what stands in the place of a plain function."""
        function = self._function

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            span = self._open(args, kwargs)
            if span is None:
                return function(*args, **kwargs)
            token = CURRENT.set(span)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                span.close(error)
                raise
            finally:
                restore(CURRENT, token)
            return settle(span, result)

        return call

    def async_call(self) -> Callable[..., Any]:
        """Return what stands in the place of a coroutine function."""
        function = self._function

        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            span = self._open(args, kwargs)
            if span is None:
                return await function(*args, **kwargs)
            return await follow_coroutine(span, function(*args, **kwargs))

        return call

    def _open(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ActiveSpan | None:
        client = current_client()
        if not client.is_recording:
            return None
        try:
            if self._checked is None:
                self._checked = self._check(client)
            span = ActiveSpan(client, self._checked)
            span.record.input = capture(self._arguments.read(args, kwargs), client.limits)
        except Exception as error:
            client.guard.catch("opening a span", error)
            return None
        return span

    def _check(self, client: Client) -> dict[str, Any]:
        # Once, at the first call, when it is known how faults are to be treated.
        sample = ActiveSpan(client, is_recorded=False)
        function = self._function
        sample.name = getattr(function, "__name__", None) or type(function).__name__
        fields = {**self._fields, **prompt_fields(client, self._prompt)}
        sample.set_all(fields)
        return {field: getattr(sample.record, field) for field in fields}
