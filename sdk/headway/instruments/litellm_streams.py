"""Streams of litellm: they have no iterator inside to replace, so their classes' steps are."""

import sys
from collections.abc import Callable
from typing import Any

from headway.instruments.model_calls import ModelCall
from headway.instruments.patches import Patches
from headway.instruments.streams import Following, Reader

_FOLLOWING = "_headway_following"
"""The attribute of a stream that says who follows it."""

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
    setattr(stream, _FOLLOWING, Following(call, reader(call.span.limits.max_bytes)))
    return True


def _install(patches: Patches, module: str) -> None:
    made = {"__next__": _step, "__anext__": _step_waited, "close": _close, "aclose": _close_waited}
    for name in _CLASSES[module]:
        owner = getattr(sys.modules[module], name)
        for method in made.keys() & vars(owner).keys():
            patches.wrap(owner, method, made[method])


def _step(original: Any) -> Any:
    def step(stream: Any) -> Any:
        following = vars(stream).get(_FOLLOWING)
        return following.step(lambda: original(stream)) if following else original(stream)

    return step


def _step_waited(original: Any) -> Any:
    async def step(stream: Any) -> Any:
        following = vars(stream).get(_FOLLOWING)
        if following is None:
            return await original(stream)
        return await following.step_waited(lambda: original(stream))

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
