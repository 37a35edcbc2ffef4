"""``instrument``: calls of client libraries recorded without a decorator.

    import headway, openai
    headway.instrument()                  # all that are known, where the program has them
    headway.instrument("openai")          # only this one
    headway.instrument(exclude=["litellm"])

A library that is loaded is patched at once, one that comes later when it is first imported; none
is imported for it. One that is too old, or whose patching fails, is a fault and works as before.
"""

import importlib
import threading
from collections.abc import Iterable
from typing import NamedTuple

from headway.instruments.imports import forget, when_imported
from headway.instruments.patches import Patches
from headway.interruptions import is_from_handler
from headway.lifecycle import current_client


class Library(NamedTuple):
    """A library that can be instrumented."""

    module: str
    """What is waited for."""
    install: str
    """``module:function`` of ours, which gets the ``Patches`` to make."""


LIBRARIES: dict[str, Library] = {
    "openai": Library("openai", "headway.instruments.openai_calls:install"),
    "anthropic": Library("anthropic", "headway.instruments.anthropic_calls:install"),
    "langchain": Library(
        "langchain_core.runnables.config", "headway.instruments.langchain_calls:install"
    ),
    "litellm": Library("litellm", "headway.instruments.litellm_calls:install"),
    "transformers": Library("transformers", "headway.instruments.transformers_calls:install"),
    "threads": Library("threading", "headway.instruments.threads:install_threads"),
    "executors": Library(
        "concurrent.futures.thread", "headway.instruments.threads:install_executors"
    ),
    "process_pools": Library(
        "concurrent.futures.process", "headway.instruments.threads:install_process_pools"
    ),
    "httpx": Library("httpx", "headway.instruments.http_clients:install_httpx"),
    "httpx2": Library("httpx2", "headway.instruments.http_clients:install_httpx2"),
    "urllib3": Library(
        "urllib3.connectionpool", "headway.instruments.http_clients:install_urllib3"
    ),
}

_lock = threading.RLock()
_patches: dict[str, Patches] = {}


def instrument(*names: str | Iterable[str], exclude: str | Iterable[str] = ()) -> None:
    """Record the calls of client libraries; those named, or all that are known.

    Args:
        names: for example ``openai``; a list of them is taken as well.
        exclude: those to leave alone.

    Raises:
        SettingsError: a name is unknown, or is none.
    """
    left_out = _checked((exclude,))
    for name in _checked(names) if names else LIBRARIES:
        with _lock:
            if name in left_out or name in _patches:
                continue
            _patches[name] = patches = Patches()
        when_imported(LIBRARIES[name].module, _Installation(name, patches))


def uninstrument() -> None:
    """Let all client libraries be as they were; calls that run are recorded to their end."""
    with _lock:
        for name, patches in _patches.items():
            forget(LIBRARIES[name].module)
            patches.undo()
        _patches.clear()


class _Installation:
    """Patches one library, when it is there."""

    def __init__(self, name: str, patches: Patches) -> None:
        self._name = name
        self._patches = patches

    def __call__(self) -> None:
        """Patch it whole or not at all."""
        with _lock:
            if _patches.get(self._name) is not self._patches:
                return  # it was uninstrumented meanwhile
            module, _, function = LIBRARIES[self._name].install.partition(":")
            try:
                getattr(importlib.import_module(module), function)(self._patches)
            except Exception as error:
                self._patches.undo()
                if is_from_handler(error):
                    raise
                current_client().guard.catch("instrumenting", error, of=self._name)


def _checked(given: Iterable[str | Iterable[str]]) -> list[str]:
    names: list[str] = []
    for each in given:
        if isinstance(each, str) or not isinstance(each, Iterable):
            names.append(each)
        else:
            names.extend(each)
    for name in names:
        if not isinstance(name, str) or name not in LIBRARIES:
            from headway.errors import SettingsError

            known = ", ".join(LIBRARIES)
            raise SettingsError(f"{name!r} cannot be instrumented; what can is {known}")
    return names
