"""One call of a model by a client library, as one span: what all instruments share.

    call = open_call(operation="chat", provider="openai", model="gpt-4o", read_input=lambda: ...)
    if call is None:                      # nothing is recorded, or the call is recorded already
        return original(...)
    with call.running():                  # what it raises ends the span, and goes on
        result = original(...)
    call.finish(lambda: {"output": ..., "input_tokens": ...})      # or call.fail(error), once

Nothing here raises into the program: what reads requests and answers is handed over as a function,
and whatever goes wrong in it is a fault. ``streams`` follows answers that come in pieces.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TypeVar

from headway.calls import begin, template_of
from headway.contexts import CURRENT, Ancestor
from headway.interruptions import is_from_handler
from headway.lifecycle import current_client
from headway.records import Kind
from headway.tracing import ActiveSpan

T = TypeVar("T")

Operation = Literal["chat", "text_completion", "embeddings"]
"""What is asked of a model, in the words of OpenTelemetry."""

_KINDS: dict[Operation, Kind] = {"embeddings": "embedding"}

_RESENT = "http.request.resend_count"

Fields = Mapping[str, Any]
"""Fields of a span by name; those that are None say nothing, and ``attributes`` are added."""


class ModelSpan(ActiveSpan):
    """The span of a model call that runs: what is asked right under it is the same call."""

    @property
    def is_open(self) -> bool:
        """Whether the call still runs."""
        return self._is_open

    def leave(self, previous: Ancestor | None) -> None:
        """Let what was current before be so again, without an end of the span."""
        if CURRENT.get() is self:
            CURRENT.set(previous)


class Cover:
    """The place of a span that is opened in a copy of the context in which the call is made."""

    def __init__(self) -> None:
        self.span: ModelSpan | None = None

    @property
    def is_open(self) -> bool:
        """Whether the call still runs."""
        return self.span is not None and self.span.is_open


COVERING: ContextVar[ModelSpan | Cover | None] = ContextVar("headway_covering", default=None)
"""The call of an outer library that cannot make its span the current one, as it learns of the
call by callbacks: left behind in a context, a span that has ended is no parent of anything."""


class ModelCall:
    """A call that runs, or whose answer still comes."""

    def __init__(self, span: ModelSpan) -> None:
        self.span = span

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make its span the current one; what is raised inside ends it, and is raised on."""
        previous = CURRENT.get()
        self.span.__enter__()
        try:
            yield
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            # Only left, since the answer may still come in pieces.
            self.span.leave(previous)

    def set(self, read: Callable[[], Fields]) -> None:
        """Set fields of the span; a fault in reading them leaves those out."""
        attempt("reading an answer", lambda: _set_fields(self.span, read()))

    def finish(self, read: Callable[[], Fields]) -> None:
        """Record the span with what came back."""
        self.set(read)
        self.span.close()

    def fail(self, error: BaseException) -> None:
        """Record the span with what ended it, and the status of the answer that said so."""
        status = getattr(error, "status_code", None)
        if type(status) is int:
            self.span.attributes["http.response.status_code"] = status
        self.span.close(error)


def open_call(
    *,
    operation: Operation,
    provider: str | None,
    model: str | None,
    read_input: Callable[[], object] | None = None,
    params: Fields | None = None,
    attributes: Fields | None = None,
) -> ModelCall | None:
    """Open the span of a call; None where nobody records it or another instrument does already.

    Args:
        operation: also the first word of the span's name.
        provider: in OpenTelemetry's words, for example ``openai``.
        model: as it was asked for.
        read_input: returns messages in the form of the GenAI conventions (``messages``), or what is
            embedded; not called where nobody records it.
        params: of the request, under the names of the provider; those that are None are left out.
        attributes: more about it, for example ``server.address``.
    """
    client = current_client()
    if not client.is_recording or is_inside_call():
        return None
    settings = client.settings
    start = begin(client, template_of(settings.environment, settings.release), client.clock_ns())
    span = ModelSpan(client, start)
    given = {name: value for name, value in (params or {}).items() if value is not None}
    _set_fields(
        span,
        {
            "name": f"{operation} {model}" if model else operation,
            "kind": _KINDS.get(operation, "llm"),
            "provider": provider,
            "request_model": model,
            "input": read_input and attempt("reading a request", read_input),
            "params": given or None,
            "attributes": {"gen_ai.operation.name": operation, **(attributes or {})},
        },
    )
    span.decide_sampling()
    span.take_over_prompt()
    return ModelCall(span)


def is_inside_call() -> bool:
    """Whether what runs here is part of a model call that is recorded already."""
    current, covering = CURRENT.get(), COVERING.get()
    is_current = isinstance(current, ModelSpan) and current.is_open
    return is_current or (covering is not None and covering.is_open)


def count_retry() -> None:
    """Note on the call that runs here that its request is sent once more."""
    current = CURRENT.get()
    if isinstance(current, ModelSpan) and current.is_open:
        current.attributes[_RESENT] = current.attributes.get(_RESENT, 0) + 1


def attempt(cause: str, read: Callable[[], T]) -> T | None:
    """Return what a function of ours gives; None, and a fault, where it raises.

    Args:
        cause: what it does, in a fixed word or two, for example ``reading a request``.
        read: looks at what the program and its libraries have.
    """
    try:
        return read()
    except Exception as error:
        if is_from_handler(error):
            raise
        current_client().guard.catch(cause, error)
        return None


def _set_fields(span: ActiveSpan, fields: Fields) -> None:
    for name, value in fields.items():
        if name == "attributes":
            span.attributes.update({key: each for key, each in value.items() if each is not None})
        elif value is not None and value != []:
            span.set_all({name: value})
