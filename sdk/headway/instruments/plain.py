"""Objects of client libraries as the JSON data that they were made of.

Their own ways (``model_dump``) copy every number of every vector and warn of values of another
type than expected, which servers that only look like the provider's often send. It runs for every
chunk of a stream, so it asks for exact types first.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

_LEAVES = frozenset((str, int, float, bool, type(None)))


def plain(value: Any) -> Any:
    """Return a Pydantic model, and all inside, as dicts of the fields that are not None."""
    kind = type(value)
    if kind in _LEAVES:
        return value
    if kind is list or kind is tuple:
        # Of one kind all through, a vector or a list of names.
        is_flat = not value or type(value[0]) in _LEAVES
        return value if is_flat else [plain(item) for item in value]
    if hasattr(kind, "__pydantic_fields__"):
        read = _fields(value.__dict__)
        return {**read, **_fields(value.__pydantic_extra__)} if value.__pydantic_extra__ else read
    if kind is dict or isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: item if type(item) in _LEAVES else plain(item)
        for name, item in given.items()
        if item is not None and name[:1] != "_"
    }
