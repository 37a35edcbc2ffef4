"""Streams of litellm: they have no iterator inside to replace, so their classes' steps are."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from headway.instruments.model_calls import Fields, ModelCall, attempt
from headway.instruments.patches import Patches
from headway.instruments.streams import Following, Reader

_FOLLOWING = "_headway_following"
"""The attribute of a stream that says who follows it."""

_ANSWERED_BY = "_provider_response_model"
"""The attribute in which a stream keeps the model that its provider named."""

_INNER = ("completion_stream", "litellm_custom_stream_wrapper")
"""The attributes in which the streams of texts and responses keep the one that they are made of."""

_CLASSES = {
    "litellm.litellm_core_utils.streaming_handler": ("CustomStreamWrapper",),
    "litellm.text_completions.streaming_iterator": ("TextCompletionStreamWrapper",),
    "litellm.responses.streaming_iterator": (
        "ResponsesAPIStreamingIterator",
        "SyncResponsesAPIStreamingIterator",
    ),
    "litellm.responses.litellm_completion_transformation.streaming_iterator": (
        "LiteLLMCompletionStreamingIterator",
    ),
}
"""By module. None inherits a step from another and adds to it: that would be followed twice."""


def follow_streams(patches: Patches) -> None:
    """Patch the classes of streams, as their modules are imported."""

    def install(module: str) -> Callable[[], None]:
        return lambda: _install(patches, module)

    for module in _CLASSES:
        patches.later(module, install(module))


def follow(stream: Any, call: ModelCall, reader: Callable[[int], Reader]) -> bool:
    """Have a call end with what is its answer, if that is a stream; whether it is one."""
    classes = {name for names in _CLASSES.values() for name in names}
    if not any(base.__name__ in classes for base in type(stream).__mro__):
        return False
    setattr(stream, _FOLLOWING, _Following(call, _Naming(reader(call.span.limits.max_bytes))))
    return True


class _Naming:
    """Reads a stream whose chunks name the model that was asked, and not the one that answers."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.answered_by: str | None = None

    def add(self, chunk: Any) -> bool:
        return self._reader.add(chunk)

    def fields(self) -> Fields:
        fields = self._reader.fields()
        named = self.answered_by
        return fields if named is None else {**fields, "response_model": named}


class _Following(Following):
    """Sees to a stream of litellm."""

    def __init__(self, call: ModelCall, reader: _Naming) -> None:
        super().__init__(call, reader)
        self._call = call
        self._reader = reader
        self._is_answered = False

    def next(self, stream: Any, original: Callable[[Any], Any]) -> Any:
        """Take the next chunk of a stream from its own step."""

        def step() -> Any:
            try:
                return original(stream)
            except Exception as error:
                self._note_status(error)
                raise

        chunk = self.step(step)
        self._note_answer(stream)
        return chunk

    async def next_waited(self, stream: Any, original: Callable[[Any], Awaitable[Any]]) -> Any:
        """Take the next chunk of a stream from its own step, which is waited for."""

        async def step() -> Any:
            try:
                return await original(stream)
            except Exception as error:
                self._note_status(error)
                raise

        chunk = await self.step_waited(step)
        self._note_answer(stream)
        return chunk

    def _note_status(self, error: Exception) -> None:
        # Some only ask in their first step. Later errors have a status that litellm makes up.
        status = getattr(error, "status_code", None)
        if type(status) is int and not self._is_answered:
            self._call.set(lambda: {"attributes": {"http.response.status_code": status}})

    def _note_answer(self, stream: Any) -> None:
        self._is_answered = True
        if self._reader.answered_by is None:
            attempt("reading a chunk", lambda: self._name(stream))

    def _name(self, stream: Any) -> None:
        for each in (stream, *(vars(stream).get(name) for name in _INNER)):
            model = getattr(each, _ANSWERED_BY, None)
            if isinstance(model, str):
                self._reader.answered_by = model


def _install(patches: Patches, module: str) -> None:
    made = {"__next__": _step, "__anext__": _step_waited, "close": _close, "aclose": _close_waited}
    for name in _CLASSES[module]:
        owner = getattr(sys.modules[module], name)
        for method in made.keys() & vars(owner).keys():
            patches.wrap(owner, method, made[method])


def _step(original: Any) -> Any:
    def step(stream: Any) -> Any:
        following = vars(stream).get(_FOLLOWING)
        return following.next(stream, original) if following else original(stream)

    return step


def _step_waited(original: Any) -> Any:
    async def step(stream: Any) -> Any:
        following = vars(stream).get(_FOLLOWING)
        if following is None:
            return await original(stream)
        return await following.next_waited(stream, original)

    return step


def _close(original: Any) -> Any:
    def close(stream: Any) -> None:
        try:
            original(stream)
        finally:
            _leave(stream)

    return close


def _close_waited(original: Any) -> Any:
    async def aclose(stream: Any) -> None:
        try:
            await original(stream)
        finally:
            _leave(stream)

    return aclose


def _leave(stream: Any) -> None:
    following = vars(stream).get(_FOLLOWING)
    if following is not None:
        following.leave()
