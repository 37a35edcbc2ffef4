"""Lists that were flattened into attributes, ``llm.input_messages.10.message.role``, made whole.

They are ordered by number (10 after 2), and gaps are closed: an exporter with a limit of 128
attributes drops some.
"""

from collections.abc import Mapping
from typing import Any

# Deeper than any dialect goes; a key of ten thousand dots must not become as many dicts.
_DEEPEST = 12


class _Node(dict[str, Any]):
    """A map that was made here and may be filled, as one that was sent may not."""


def unflatten(attributes: Mapping[str, Any], prefix: str) -> list[Any]:
    """Return the items whose keys begin with ``prefix``, which ends in a dot."""
    tree = _Node()
    start = len(prefix)
    for key, value in attributes.items():
        if key.startswith(prefix):
            *steps, last = key[start:].split(".", _DEEPEST)
            node = tree
            for step in steps:
                child = node.get(step)
                if type(child) is not _Node:
                    child = node[step] = _Node(child if type(child) is dict else ())
                node = child
            # What has parts says more than a bare value of the same name.
            node.setdefault(last, value)
    items = _close(tree)
    return items if type(items) is list else []


def _close(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdecimal() and len(key) < 10 for key in node):
        return [_close(node[key]) for key in sorted(node, key=int)]
    return {key: _close(value) for key, value in node.items()}
