"""Streaming responses of Starlette and FastAPI: the span lasts as long as the body.

    @app.post("/chat")
    @headway.observe(kind="llm")
    async def chat(question: str) -> StreamingResponse:
        return StreamingResponse(model.stream(question))

The response is the same but for its ``body_iterator``. Where the client leaves, the span is
abandoned: at once where the body is waited for, else as soon as the server lets go of it.
"""

import sys
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from headway.chunks import Chunks, Reduce
from headway.contexts import CURRENT, restore
from headway.peeking import instance_dict
from headway.tracing import ActiveSpan

_BODY = "body_iterator"
_CANCELLATIONS = ("CancelledError", "Cancelled")
"""Of asyncio and of trio, which are too heavy to import for it."""


def is_streaming(kind: type, response: object) -> bool:
    """Whether this is a response of Starlette, or one like it, that streams its body."""
    responses = sys.modules.get("starlette.responses")
    base = getattr(responses, "Response", None)
    return base is not None and issubclass(kind, base) and _BODY in instance_dict(response)


def follow_response(span: ActiveSpan, response: Any, reduce: Reduce | None = None) -> Any:
    """Let the body of a response be followed, and return the response."""
    attributes = instance_dict(response)
    attributes[_BODY] = FollowedBody(attributes[_BODY], span, reduce)
    return response


def ended_by(error: BaseException) -> BaseException:
    """Return what ended an asynchronous stream; who reads it is cancelled because he left."""
    return GeneratorExit() if type(error).__name__ in _CANCELLATIONS else error


class FollowedBody:
    """The chunks of a response's body, as they are.

    It is no generator: a response that nobody sends never starts one, and is a call all the same.
    """

    def __init__(self, body: AsyncIterable[Any], span: ActiveSpan, reduce: Reduce | None) -> None:
        self._body = body
        self._span = span
        self._chunks = Chunks(span, reduce)
        self._iterator: AsyncIterator[Any] | None = None

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        token = CURRENT.set(self._span)
        try:
            if self._iterator is None:
                self._iterator = aiter(self._body)
            chunk = await anext(self._iterator)
        except StopAsyncIteration:
            self._chunks.finish()
            raise
        except BaseException as error:
            self._chunks.finish(ended_by(error))
            raise
        finally:
            restore(CURRENT, token)
        self._chunks.add(chunk)
        return chunk

    async def aclose(self) -> None:
        """Close the body, where it can be closed."""
        close = getattr(self._iterator or self._body, "aclose", None)
        try:
            if close is not None:
                await close()
        finally:
            self._chunks.finish(GeneratorExit())
