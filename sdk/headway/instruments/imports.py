"""Do something once a module is there: at once where it is, else right after its first import.

Nothing is imported for it. A finder, first in ``sys.meta_path``, lets the others find the module
and adds one step to its loader. It is there only as long as something waits.
"""

import importlib
import sys
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

Action = Callable[[], None]

_lock = threading.Lock()
_waiting: dict[str, list[Action]] = {}


def when_imported(module: str, action: Action) -> None:
    """Run an action now, or as soon as a module is imported whole.

    Args:
        module: its full name.
        action: must not raise, since it runs in the middle of the program's ``import``.
    """
    if sys.modules.get(module) is not None:
        # Where another thread is in the middle of it, this waits for that thread.
        importlib.import_module(module)
        action()
        return
    with _lock:
        _waiting.setdefault(module, []).append(action)
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)


def forget(module: str) -> None:
    """Wait no longer for a module."""
    with _lock:
        _waiting.pop(module, None)
        if not _waiting and _FINDER in sys.meta_path:
            sys.meta_path.remove(_FINDER)


class _Finder:
    """Finds nothing itself: what others find of the modules that are waited for, it prepares."""

    def __init__(self) -> None:
        self._asking = threading.local()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> "ModuleSpec | None":
        if name not in _waiting or getattr(self._asking, "name", None) == name:
            return None
        self._asking.name = name
        try:
            spec = _found_by_others(name, path, target)
        finally:
            self._asking.name = None
        loader: Any = spec.loader if spec else None
        run = getattr(loader, "exec_module", None)
        if run is None:
            return spec

        def exec_module(module: ModuleType) -> None:
            # The loader stays as it is for whoever asks it for sources later.
            del loader.exec_module
            loader.exec_module(module)
            actions = _waiting.get(name, ())
            forget(name)
            for action in actions:
                action()

        try:
            loader.exec_module = exec_module
        except AttributeError:
            # A loader with slots, or one that several modules share as a class.
            return spec
        return spec


def _found_by_others(
    name: str, path: Sequence[str] | None, target: ModuleType | None
) -> "ModuleSpec | None":
    for finder in list(sys.meta_path):
        find = None if finder is _FINDER else getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find(name, path, target) if find else None
        if spec is not None:
            return spec
    return None


_FINDER: Any = _Finder()
