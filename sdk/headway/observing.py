"""``observe``: a function's calls as spans, with its arguments by name and what it gave back.

    @headway.observe(kind="llm", model="support-7b")
    def triage(message: str) -> str: ...

What the call gives back is settled by ``following``: a plain value ends the span, a generator or
a coroutine is followed to its end.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from headway.arguments import ArgumentReader
from headway.calls import Call, begin, template_of
from headway.chunks import Reduce
from headway.contexts import CURRENT, restore
from headway.following import settle
from headway.interruptions import is_from_outside
from headway.lasting import are_lasting, is_lasting_text
from headway.lifecycle import current_client
from headway.otel_parents import OTEL, active_id, modules
from headway.prompts import prompt_fields
from headway.records import EMPTY, Kind, Span
from headway.tracing import ActiveSpan, span_of
from headway.values import capture
from headway.wrapping import dressed, function_name, is_coroutine_function

if TYPE_CHECKING:
    from headway.client_settings import ClientSettings
    from headway.clients import Client

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
    reduce: Reduce | None = None,
    capture_content: bool = True,
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
    reduce: Reduce | None = None,
    capture_content: bool = True,
) -> Callable[..., Any]:
    """Record each call of a function as a span.

    What the function gives back is handed on as it is, but for a generator, an async generator or
    a coroutine, also one that a plain function got from elsewhere: the caller gets another object
    in its place, of the same type, which follows it to its end.

    Args:
        function: where it is used bare, as ``@observe``.
        name: the span's name; the function's where it is not given.
        kind: what sort of step it is.
        model: the model that is asked.
        provider: who runs the model, for example ``openai``.
        prompt: a ``Prompt``, its name, or an object with a ``name`` and a ``version``.
        reduce: makes the output of a stream: it gets the list of the chunks as they were given,
            also of a stream that was left or failed. They are held for it until the end, up to
            10,000 and ``capture_limit_bytes``; beyond that, or where it raises, the output is the
            chunks joined.
        capture_content: False keeps only the sizes of the input and the output.
    """
    fields = {"name": name, "kind": kind, "request_model": model, "provider": provider}

    def decorate(function: Any) -> Any:
        if isinstance(function, (classmethod, staticmethod)):
            return type(function)(decorate(function.__func__))
        if isinstance(function, property) and function.fget is not None:
            return function.getter(decorate(function.fget))
        if not callable(function):
            raise TypeError(_advice(function))
        site = _Site(function, fields, prompt, reduce, is_silent=not capture_content)
        # A coroutine of what is none by its flags is followed when the call gives it back.
        return site.async_call() if is_coroutine_function(function) else site.call()

    return decorate if function is None else decorate(function)


class _Site:
    """One decorated function, and what all of its spans have in common."""

    def __init__(
        self,
        function: Callable[..., Any],
        fields: dict[str, Any],
        prompt: object,
        reduce: Reduce | None,
        *,
        is_silent: bool,
    ) -> None:
        self._function = function
        self._is_silent = is_silent
        self._fields = fields
        self._prompt = prompt
        self._reduce = reduce
        self._arguments = ArgumentReader(function)
        self._settings: ClientSettings | None = None
        self._template: Span | None = None

    def call(self) -> Callable[..., Any]:
        """Return what stands in the place of a plain function."""
        function, open_call, reduce = self._function, self._open, self._reduce

        def call(*args: Any, **kwargs: Any) -> Any:
            client = current_client()
            opened = open_call(client, args, kwargs)
            if opened is None:
                return function(*args, **kwargs)
            previous = CURRENT.get()
            try:
                # In here, and left without asking anything: a signal handler may raise anywhere.
                CURRENT.set(opened)
                result = function(*args, **kwargs)
            except BaseException as error:
                span_of(opened, client).close(error)
                raise
            finally:
                CURRENT.set(previous)
            return _end(opened, client, result, reduce)

        return dressed(call, function)

    def async_call(self) -> Callable[..., Any]:
        """Return what stands in the place of a coroutine function."""
        function, open_call, reduce = self._function, self._open, self._reduce

        async def call(*args: Any, **kwargs: Any) -> Any:
            client = current_client()
            opened = open_call(client, args, kwargs)
            if opened is None:
                return await function(*args, **kwargs)
            token = CURRENT.set(opened)
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                span_of(opened, client).close(error)
                raise
            finally:
                restore(CURRENT, token)
            return _end(opened, client, result, reduce)

        return dressed(call, function)

    def _open(self, client: "Client", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        if not client.is_recording:
            return None
        try:
            if client.settings is not self._settings or self._template is None:
                self._settings, self._template = client.settings, self._make_template(client)
            record: Any = begin(client, self._template, client.clock_ns())
            named = self._arguments.read(args, kwargs)
            record.input = (
                named if are_lasting(named, client.limits) else capture(named, client.limits)
            )
        except Exception as error:
            if is_from_outside(error):
                raise
            client.guard.catch("opening a span", error)
            client.refuse("unreadable", "a call could not be read, it was not recorded")
            return None
        call = Call(record.trace_id, record.span_id, record)
        if OTEL in modules:
            call.otel_id = active_id()
        if client.sampler is not None:
            call.verdict = client.sampler.verdict_on(record)
        return call

    def _make_template(self, client: "Client") -> Span:
        # Once, at the first call, when it is known how faults are to be treated.
        template = template_of(client.settings.environment, client.settings.release)
        if self._is_silent:
            from headway.redaction.records import silent  # only who wants it pays for it

            template = silent(template)
            client.heed_silence()
        sample = ActiveSpan(client, template, is_recorded=False)
        sample.name = function_name(self._function)
        sample.set_all({**self._fields, **prompt_fields(client, self._prompt)})
        return template


def _end(call: Call, client: "Client", result: Any, reduce: Reduce | None) -> Any:
    # Most calls give back plain data, and nobody looked at their span.
    kind = type(result)
    is_plain = kind is str or kind is dict or kind is list or result is None
    if call.span is not None or not is_plain:
        return settle(span_of(call, client), result, reduce)
    limits, record = client.limits, cast(Any, call.record)
    record.output = result if is_lasting_text(result, limits) else capture(result, limits)
    record.status = "ok"
    end_ns = client.clock_ns()
    if end_ns > record.start_ns:
        record.end_ns = end_ns
    if call.verdict is None or call.verdict.admits(record):
        client.record(record)
    # A task that was started inside may keep this call alive for days.
    record.input = record.output = EMPTY
    return result


def _advice(given: object) -> str:
    if isinstance(given, str):
        return f"observe() takes a function: for the kind {given!r} write observe(kind={given!r})"
    return (
        f"observe() takes a function and no {type(given).__name__}: "
        "write it right above the function, below the other decorators"
    )
