"""Which names of all dialects a span bears, found out once for all spans with the same keys.

The dialects know hundreds of names, a span has a few dozen attributes, and the spans of one
instrumentation have the same ones every time. So a reader asks for what is there, and never for
what is not:

    keys = recall(attributes)
    for name in keys[Names("gen_ai.request.model", "llm.model_name")]:
        attributes[name]
"""

from collections.abc import Iterable

from headway_collector.otlp.telemetry import Attributes

_MOST_REMEMBERED = 512
# Of one span: a stranger's keys may be as many and as long as a request has room for.
_MOST_KEYS = 256
_MOST_CHARS = 8192


class Names:
    """What a thing is called, in order of precedence.

    Args:
        names: attributes.
        prefixes: beginnings of further attributes.
    """

    __slots__ = ("_ranks", "names", "prefixes")

    def __init__(self, *names: str, prefixes: tuple[str, ...] = ()) -> None:
        self._ranks = {name: rank for rank, name in enumerate(dict.fromkeys(names))}
        self.names = frozenset(names)
        self.prefixes = prefixes

    def pick(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Return the names that are among the keys, and after them the keys that begin so."""
        picked = sorted(self.names.intersection(keys), key=self._ranks.__getitem__)
        if self.prefixes:
            picked += [
                key for key in keys if key.startswith(self.prefixes) and key not in self.names
            ]
        return tuple(picked)


class Keys(dict[Names, tuple[str, ...]]):
    """The keys of a span; to names, those of them that are among the keys."""

    __slots__ = ("_keys",)

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__()
        self._keys = keys

    def __missing__(self, names: Names) -> tuple[str, ...]:
        picked = self[names] = names.pick(self._keys)
        return picked


_remembered: dict[tuple[str, ...], Keys] = {}


def recall(attributes: Attributes) -> Keys:
    """Return the keys of the attributes, with all that was found out of such keys before."""
    names = tuple(attributes)
    keys = _remembered.get(names)
    if keys is None:
        keys = Keys(names)
        if len(names) <= _MOST_KEYS and sum(map(len, names)) <= _MOST_CHARS:
            if len(_remembered) >= _MOST_REMEMBERED:
                _remembered.clear()
            _remembered[names] = keys
    return keys
