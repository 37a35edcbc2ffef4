"""Which managed prompt a call was made with, and what was filled into it."""

from typing import Any

from headway_collector.dialects.keys import Keys, Names
from headway_collector.dialects.lookups import find_object
from headway_collector.otlp.telemetry import Attributes

PROMPT_NAMES = {
    "prompt_name": (
        "langfuse.observation.prompt.name",
        "gen_ai.prompt.name",
        "prompt.id",
        "traceloop.prompt.key",
    ),
    "prompt_version": (
        "langfuse.observation.prompt.version",
        "gen_ai.prompt.version",
        "llm.prompt_template.version",
        "traceloop.prompt.version",
        "traceloop.prompt.version_name",
        "traceloop.prompt.version_hash",
    ),
}
_OBJECTS = Names("llm.prompt_template.variables", "traceloop.prompt.template_variables")
_VARIABLE_PREFIX = "gen_ai.prompt.variable."
_VARIABLES = Names(prefixes=(_VARIABLE_PREFIX,))


def find_prompt_variables(attributes: Attributes, keys: Keys) -> dict[str, Any] | None:
    """Return what was filled into the prompt, by name."""
    found = find_object(attributes, keys[_OBJECTS])
    if found is None:
        found = {key.removeprefix(_VARIABLE_PREFIX): attributes[key] for key in keys[_VARIABLES]}
    return found or None
