"""``langchain``: a handler in all runs, and what the program calls inside of a run under it."""

import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import manager
from langchain_core.runnables import config as runnable_config

from headway.contexts import CURRENT
from headway.instruments.langchain_runs import RunHandler
from headway.instruments.model_calls import COVERING, Cover, ModelSpan, attempt
from headway.instruments.patches import Patches

_Told = Mapping[str, Any]

_NESTING = Patches()
"""For handlers that the program passes itself; never undone, as any of them may still be used."""


def make_handler() -> RunHandler:
    """Return a handler for a program to pass."""
    nest(_NESTING)
    tell_of_texts(_NESTING)
    return RunHandler()


def install(patches: Patches) -> None:
    """Add a handler to the callbacks of every run that has none of ours."""
    handler = RunHandler()

    def make(configure: Callable[..., Any]) -> Callable[..., Any]:
        def configured(*args: Any, **kwargs: Any) -> Any:
            callbacks = configure(*args, **kwargs)
            attempt("following a run", lambda: _add(handler, callbacks))
            return callbacks

        return configured

    patches.wrap(manager, "_configure", make)
    nest(patches)
    tell_of_texts(patches)


def nest(patches: Patches) -> None:
    """Make the span of a run the current one for what the run itself calls.

    LangChain calls it in a copy of the context, of which this is the last preparation, so that
    nothing has to be undone, however the run ends.
    """

    def make(prepare: Callable[..., Any]) -> Callable[..., Any]:
        def prepared(config: Any, *args: Any, **kwargs: Any) -> Any:
            attempt("following a run", lambda: _enter(config))
            return prepare(config, *args, **kwargs)

        return prepared

    patches.wrap(runnable_config, "_set_config_context", make)


def tell_of_texts(patches: Patches) -> None:
    """Tell our handler ourselves of the calls of models that complete texts and are waited for.

    LangChain tells of them in tasks of their own, so that what is set there never reaches the call;
    what is called to make such a task still runs where the call does. And where one handler is
    inline, as ours is, LangChain tells no handler of the program that is not.
    """

    def make(start: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def tell(
            call: _TextCall, serialized: Any, prompts: Sequence[str], run_id: Any, told: _Told
        ) -> Any:
            runs = await start(call.without_ours, serialized, prompts, run_id=run_id, **told)
            attempt("following a run", lambda: call.begin(runs, serialized, prompts, told))
            return runs

        def started(
            self: Any, serialized: Any, prompts: Sequence[str], run_id: Any = None, **told: Any
        ) -> Awaitable[Any]:
            call = attempt("following a run", lambda: _TextCall(self))
            if call is None or not call.ours:
                return start(self, serialized, prompts, run_id=run_id, **told)
            COVERING.set(call.cover)
            return tell(call, serialized, prompts, run_id, told)

        return started

    patches.wrap(manager.AsyncCallbackManager, "on_llm_start", make)


class _TextCall:
    """The start of a text model's call, of which LangChain is to tell the program's handlers."""

    def __init__(self, callbacks: Any) -> None:
        handlers = callbacks.handlers
        self.cover = Cover()
        self.ours = [each for each in handlers if isinstance(each, RunHandler)]
        self.without_ours = copy.copy(callbacks)
        self.without_ours.handlers = [each for each in handlers if not isinstance(each, RunHandler)]
        self._callbacks = callbacks

    def begin(
        self, runs: Sequence[Any], serialized: Any, prompts: Sequence[str], told: _Told
    ) -> None:
        """Tell our handler, which LangChain then tells the rest."""
        about = self._callbacks
        for run in runs:
            run.handlers = about.handlers
        for run, prompt in zip(runs, prompts, strict=True):
            for handler in self.ours:
                handler.on_llm_start(
                    serialized,
                    [prompt],
                    run_id=run.run_id,
                    parent_run_id=about.parent_run_id,
                    tags=about.tags,
                    metadata=about.metadata,
                    **told,
                )
                span = handler.span_of(run.run_id)
                self.cover.span = span if isinstance(span, ModelSpan) else self.cover.span


def _add(handler: RunHandler, callbacks: Any) -> None:
    if not any(isinstance(each, RunHandler) for each in callbacks.handlers):
        callbacks.add_handler(handler, inherit=True)


def _enter(config: Any) -> None:
    callbacks = config.get("callbacks")
    run_id = getattr(callbacks, "parent_run_id", None)
    for handler in getattr(callbacks, "handlers", ()) if run_id is not None else ():
        span = handler.span_of(run_id) if isinstance(handler, RunHandler) else None
        if span is not None:
            CURRENT.set(span)
            return
