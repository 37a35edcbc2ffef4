"""``python:module:function`` models: any callable that turns a prompt into text.

    def answer(prompt: str) -> str                   one at a time
    def answer(prompts: list[str]) -> list[str]      many at once, told apart by the annotation
    async def answer(prompt: str) -> str             many at once, each awaited for itself

Where the suite's prompts are chats, a prompt is a list of ``{"role": …, "content": …}``, and a
function for many at once is annotated ``list[list[dict[str, str]]]``. It gets them in chunks, so
that a run that is broken off loses no more than one; so many calls of an ``async`` function for one
prompt are awaited together. All calls of a run share one event loop, as clients that they hold ask.
"""

import asyncio
import hashlib
import importlib
import inspect
import sys
import time
import typing
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from headway.texts import message_of
from headway_evals.errors import ModelError
from headway_evals.models.cache_keys import model_key
from headway_evals.models.requests import Completion, OnProgress, Request
from headway_measures.scores import shown

# What the user's code may raise. An exit is a fault too: as one it would end the gate with code 0.
_FAULTS = (Exception, SystemExit)
# Enough for an engine that batches by itself, and what a run that is broken off may lose.
_CHUNK = 256


class Function:
    """A Python function as a model.

    Args:
        target: ``module:function``, or the function itself.
        folder: where modules are looked for besides the installed ones.
        is_cached: whether the same prompt may be answered from an earlier call, for as long as
            the file that the function stands in is the same.
        most_prompts: how many a function for many gets at once.
        concurrency: how many calls of an async function for one are awaited together.
        clock: seconds, for latencies.

    Raises:
        ModelError: it cannot be imported.
    """

    def __init__(
        self,
        target: str | Callable[..., Any],
        *,
        folder: Path,
        is_cached: bool = False,
        most_prompts: int = _CHUNK,
        concurrency: int = 16,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._call = _import(target, folder) if isinstance(target, str) else target
        self._takes_many = _takes_many(self._call)
        self._is_async = _is_async(self._call)
        alone = concurrency if self._is_async else 1
        self._chunk = most_prompts if self._takes_many else alone
        self._name = f"python:{target if isinstance(target, str) else _describe(target)}"
        self._is_cached = is_cached
        self._clock = clock

    @property
    def name(self) -> str:
        """Return the spec, which says best what it is."""
        return self._name

    @property
    def digest(self) -> str:
        """Return a digest of the file that the function stands in."""
        try:
            source = inspect.getsourcefile(inspect.unwrap(self._call))
        except _FAULTS:  # objects have no source, and a hostile one raises where it is looked at
            source = None
        content = Path(source).read_bytes() if source else b""
        return hashlib.sha256(f"{self._name}\n".encode() + content).hexdigest()

    @property
    def cache_key(self) -> str | None:
        """Return the key that its answers are kept under, where that is wanted.

        What the function reads besides its own file, nobody knows but the user.
        """
        return model_key(self.digest, {}) if self._is_cached else None

    @property
    def settings(self) -> dict[str, Any]:
        """Return nothing: a function keeps its settings to itself."""
        return {}

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        """Call the function; what it raises is the error of the prompts it was called with.

        Raises:
            ModelError: it takes many prompts at once and returns another number of answers.
        """
        prompts = [_argument(request) for request in requests]
        completions: list[Completion] = []
        with asyncio.Runner() if self._is_async else nullcontext() as runner:
            for start in range(0, len(prompts), self._chunk):
                chunk = prompts[start : start + self._chunk]
                answered = runner.run(self._await(chunk)) if runner else self._answer(chunk)
                for completion in answered:
                    on_progress(len(completions), completion)
                    completions.append(completion)
        return completions

    def _answer(self, prompts: list[Any]) -> list[Completion]:
        started = self._clock()
        try:
            answers = self._call(prompts) if self._takes_many else [self._call(prompts[0])]
        except _FAULTS as error:
            return [self._fault(error)] * len(prompts)
        return self._completions(prompts, answers, started)

    async def _await(self, prompts: list[Any]) -> list[Completion]:
        if self._takes_many:
            return await self._await_call(prompts, prompts)
        alone = [self._await_call(prompt, [prompt]) for prompt in prompts]
        return [completion for (completion,) in await asyncio.gather(*alone)]

    async def _await_call(self, argument: Any, prompts: list[Any]) -> list[Completion]:
        started = self._clock()
        try:
            answer = await self._call(argument)
        except (*_FAULTS, asyncio.CancelledError) as error:  # also of what it awaits
            return [self._fault(error)] * len(prompts)
        return self._completions(prompts, answer if self._takes_many else [answer], started)

    def _fault(self, error: BaseException) -> Completion:
        told = f"{self._name} raised {type(error).__name__}: {message_of(error)}"
        return Completion(None, error=told)

    def _completions(self, prompts: list[Any], answers: Any, started: float) -> list[Completion]:
        latency_ms = round((self._clock() - started) * 1000, 3)
        if not isinstance(answers, Sequence) or len(answers) != len(prompts):
            raise ModelError(
                f"{self._name} got {len(prompts)} prompts and returned {shown(answers)}: "
                "it must return a list with one answer each"
            )
        return [self._completion(answer, latency_ms) for answer in answers]

    def _completion(self, answer: Any, latency_ms: float) -> Completion:
        if isinstance(answer, str) and _is_unicode(answer):
            return Completion(answer, latency_ms=latency_ms)
        return Completion(None, error=f"{self._name} returned {shown(answer)}, which is not text")


def _import(target: str, folder: Path) -> Callable[..., Any]:
    module_name, _, path = target.partition(":")
    if not module_name or not path:
        raise ModelError(f"python:{target} names no function: write python:module:function")
    # As with `python -m`: the folder one stands in comes first, now and for later imports.
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ModelError(
            f"python:{target} cannot be imported from {folder}: {message_of(error)}"
        ) from error
    except _FAULTS as error:  # importing runs the user's module
        raise ModelError(
            f"python:{target} cannot be imported: {module_name} raised "
            f"{type(error).__name__}: {message_of(error)}"
        ) from error
    if not callable(found):
        raise ModelError(f"python:{target} is {shown(found)}, which cannot be called")
    call: Callable[..., Any] = found
    return call


def _describe(call: Callable[..., Any]) -> str:
    """Return a function's place as a spec has it; objects that can be called go by their class."""
    named = call if hasattr(call, "__qualname__") else type(call)
    return f"{getattr(named, '__module__', 'builtins')}:{named.__qualname__}"


def _takes_many(call: Callable[..., Any]) -> bool:
    """Return whether the first parameter is annotated as a list of prompts."""
    try:
        parameters = list(inspect.signature(call, eval_str=True).parameters.values())
    except _FAULTS:  # a builtin has no signature, and annotations are the user's code
        return False
    annotation = parameters[0].annotation if parameters else None
    if typing.get_origin(annotation) not in (list, Sequence):
        return False
    (item,) = typing.get_args(annotation)
    # A list of messages is one prompt.
    return typing.get_origin(item) is not dict


def _is_async(call: Callable[..., Any]) -> bool:
    """Return whether a call is to be awaited: that of a function, or an object's own."""
    own = type(call).__call__
    try:
        return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(own)
    except _FAULTS:  # a hostile object raises where it is looked at
        return inspect.iscoroutinefunction(own)


def _is_unicode(text: str) -> bool:
    """Return whether a text can be written down: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _argument(request: Request) -> Any:
    if isinstance(request.prompt, str):
        return request.prompt
    return [{"role": each.role, "content": each.content} for each in request.prompt]
