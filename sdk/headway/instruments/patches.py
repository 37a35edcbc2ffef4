"""Attributes of others' classes and modules, replaced and put back."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from headway.instruments.imports import when_imported
from headway.interruptions import is_from_handler
from headway.lifecycle import current_client

_ABSENT: Any = object()


class Patch(NamedTuple):
    """One attribute that was replaced."""

    owner: Any
    name: str
    before: Any
    """What stood there itself, or a mark where it was inherited."""
    after: Any


class Patches:
    """What was replaced for one library."""

    def __init__(self) -> None:
        self._made: list[Patch] = []
        self._is_undone = False

    def wrap(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replace an attribute, once, by what is made of it.

        Args:
            owner: a class or a module.
            name: of a function, method, classmethod or staticmethod, its own or an inherited one.
            make: gets the function, and returns the one in its place; it is dressed as the other.

        Raises:
            AttributeError: there is no such attribute.
        """
        before = vars(owner).get(name, _ABSENT)
        if any(patch.owner is owner and patch.after is before for patch in self._made):
            return
        found = getattr(owner, name) if before is _ABSENT else before
        is_method = isinstance(found, (classmethod, staticmethod))
        function = found.__func__ if is_method else found
        made = functools.wraps(function)(make(function))
        after = type(found)(made) if is_method else made
        setattr(owner, name, after)
        self._made.append(Patch(owner, name, before, after))

    def later(self, module: str, install: Callable[[], None]) -> None:
        """Patch a further module of the library as soon as it is imported, if it ever is.

        Args:
            module: its full name.
            install: makes the patches; what it raises is a fault.
        """

        def action() -> None:
            try:
                if not self._is_undone:
                    install()
            except Exception as error:
                if is_from_handler(error):
                    raise
                current_client().guard.catch("instrumenting", error, of=module)

        when_imported(module, action)

    def undo(self) -> None:
        """Put everything back, except where somebody else replaced it since."""
        self._is_undone = True
        while self._made:
            patch = self._made.pop()
            if vars(patch.owner).get(patch.name) is not patch.after:
                continue
            if patch.before is _ABSENT:
                delattr(patch.owner, patch.name)
            else:
                setattr(patch.owner, patch.name, patch.before)
