"""``langchain``: a handler in all runs, and the spans of the program inside of a run under it."""

from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import manager
from langchain_core.runnables import config as runnable_config

from headway.contexts import CURRENT
from headway.instruments.langchain_runs import RunHandler
from headway.instruments.model_calls import attempt
from headway.instruments.patches import Patches

_NESTING = Patches()
"""For handlers that the program passes itself; never undone, as any of them may still be used."""


def make_handler() -> RunHandler:
    """Return a handler for a program to pass."""
    nest(_NESTING)
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
