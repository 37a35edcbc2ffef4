"""What an observed function gave back: a value that ends its span, or a stream to follow.

Coroutines, generators and async generators are followed to their end, also where a plain function
returns one of them, and so is the body of a streaming response. No context token is held while a
generator waits at a ``yield``: the span is current only while the generator itself runs. A
generator that nobody starts has done nothing and is no span, and one that somebody else holds as
well is not closed.
"""

import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from headway.chunks import Chunks, Reduce
from headway.contexts import CURRENT, restore
from headway.responses import ended_by, follow_response, is_streaming
from headway.tracing import ActiveSpan
from headway.values import capture

_OUR_REFERENCES = 3
"""To a stream that nobody else holds: the variable, its next step, and the question itself."""


def settle(span: ActiveSpan, result: Any, reduce: Reduce | None = None) -> Any:
    """Record the span with what its function gave back, now or at the end of what that starts.

    Args:
        span: of the call.
        result: a value, or a stream.
        reduce: makes the output of a stream's chunks.
    """
    kind = type(result)
    follow = _FOLLOWERS.get(id(kind))
    if follow is not None:
        return follow(span, result, reduce)
    if is_streaming(kind, result):
        return follow_response(span, result, reduce)
    if not span.has_output:
        span.record.output = capture(result, span.limits)
    span.close()
    return result


async def _follow_coroutine(
    span: ActiveSpan, coroutine: Coroutine[Any, Any, Any], reduce: Reduce | None
) -> Any:
    token = CURRENT.set(span)
    try:
        result = await coroutine
    except BaseException as error:
        span.close(error)
        raise
    finally:
        restore(CURRENT, token)
    return settle(span, result, reduce)


def _follow_generator(
    span: ActiveSpan, generator: Generator[Any, Any, Any], reduce: Reduce | None
) -> Generator[Any, Any, Any]:
    chunks = Chunks(span, reduce)
    step: Callable[[Any], Any] = generator.send
    given: Any = None
    try:
        while True:
            previous = CURRENT.get()
            try:
                CURRENT.set(span)
                chunk = step(given)
            finally:
                CURRENT.set(previous)
            chunks.add(chunk)
            try:
                given, step = (yield chunk), generator.send
            except BaseException as error:
                if type(error) is GeneratorExit and sys.getrefcount(generator) > _OUR_REFERENCES:
                    # The function handed through what somebody else reads on in.
                    raise
                given, step = error, generator.throw
    except StopIteration as stop:
        chunks.finish(_ending(None, given))
        return stop.value
    except BaseException as error:
        chunks.finish(_ending(error, given))
        raise


async def _follow_async_generator(
    span: ActiveSpan, generator: AsyncGenerator[Any, Any], reduce: Reduce | None
) -> AsyncGenerator[Any, Any]:
    chunks = Chunks(span, reduce)
    step: Callable[[Any], Any] = generator.asend
    given: Any = None
    try:
        while True:
            token = CURRENT.set(span)
            try:
                chunk = await step(given)
            finally:
                restore(CURRENT, token)
            chunks.add(chunk)
            try:
                given, step = (yield chunk), generator.asend
            except BaseException as error:
                if type(error) is GeneratorExit and sys.getrefcount(generator) > _OUR_REFERENCES:
                    raise
                given, step = error, generator.athrow
    except StopAsyncIteration:
        chunks.finish(_ending(None, given))
    except BaseException as error:
        chunks.finish(_ending(ended_by(error), given))
        raise


def _ending(error: BaseException | None, given: Any) -> BaseException | None:
    # A consumer that has had enough throws this into the generator, which passes it on or
    # swallows it. Known by name, because asyncio is too heavy to import for it.
    is_leaving = type(given).__name__ in ("GeneratorExit", "CancelledError")
    return GeneratorExit() if is_leaving and (error is None or error is given) else error


_FOLLOWERS: dict[int, Callable[[ActiveSpan, Any, Reduce | None], Any]] = {
    id(GeneratorType): _follow_generator,
    id(AsyncGeneratorType): _follow_async_generator,
    id(CoroutineType): _follow_coroutine,
}
"""By ``id``, since the class of a result may have a hash of its own that raises."""
