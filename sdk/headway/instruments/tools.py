"""Definitions of tools in the form of the GenAI conventions, whichever interface they are for.

    {"type": "function", "function": {"name": "track", "parameters": {…}}}     chat completions
    {"name": "track", "input_schema": {…}}                                     Anthropic
    {"type": "function", "name": "track", "parameters": {…}}                   here, for all

A tool of the provider's own (a search, a server to ask) keeps its form.
"""

from collections.abc import Mapping
from typing import Any

from headway.instruments.plain import plain

DEFINITIONS = "gen_ai.tool.definitions"
"""The attribute for them."""

_OF_ANTHROPIC = frozenset(("input_schema", "cache_control"))
_LEFT_OUT = frozenset(("authorization", "authorization_token", "headers"))
"""What holds tokens of access to a server of tools."""


def tool_definitions(*given: Any) -> list[Any] | None:
    """Return the definitions in what requests call ``tools`` and ``functions``; None for none.

    Iterators are not read, since the client would find them empty.
    """
    listed = [each for each in given if isinstance(each, (list, tuple))]
    return [_definition(tool) for tools in listed for tool in plain(tools)] or None


def _definition(tool: Any) -> Any:
    if not isinstance(tool, Mapping):
        return tool
    kind = tool.get("type")
    inner = tool.get(str(kind or "function"))
    if isinstance(inner, Mapping):
        tool = {"type": kind or "function", **inner}
    elif "input_schema" in tool or (kind is None and "name" in tool):
        kept = {name: each for name, each in tool.items() if name not in _OF_ANTHROPIC}
        schema = tool.get("input_schema", tool.get("parameters"))
        tool = {**kept, "type": "function", "parameters": schema}
    return {name: each for name, each in tool.items() if each is not None and name not in _LEFT_OUT}
