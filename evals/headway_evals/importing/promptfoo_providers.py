"""promptfoo's providers: what of them a suite says, and what ``--model`` says in its place."""

import re
from collections.abc import Mapping
from typing import Any

from headway_evals.documents import MarkedList
from headway_evals.importing.reports import ImportReport

_OPENAI = re.compile(r"openai:(?:chat:|responses:)?([^:@]+)")
_OLLAMA = re.compile(r"ollama:(?:chat:|completion:)?(.+)")
_OPENAI_URL = "https://api.openai.com/v1"
_OLLAMA_URL = "http://localhost:11434/v1"
_GENERATION = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_new_tokens",
    "max_completion_tokens": "max_new_tokens",
    "stop": "stop",
    "seed": "seed",
}
_ADDRESS = ("apiBaseUrl", "apiHost", "apiKey", "apiKeyEnvar", "organization")


def read_providers(given: Any, report: ImportReport, path: str, line: int) -> dict[str, Any]:
    """Return the ``generation`` that all providers agree on; tell of each what model it is here."""
    items = [] if given is None else given if isinstance(given, list) else [given]
    lines = given.lines if isinstance(given, MarkedList) else [line] * len(items)
    found: list[dict[str, Any]] = []
    for place, item in zip(lines, items, strict=True):
        name, config = named_provider(item)
        if name is None:
            report.omit("provider that is no name", "give --model", path, place)
            continue
        spec = spec_of(name, config)
        if spec is None:
            report.omit(f"provider {name}", "is no model of ours; give --model", path, place)
        else:
            report.note(f"The provider {name} is --model {spec} here.")
        generation, unknown = generation_of(config)
        for key in unknown:
            if key not in _ADDRESS or (key != "apiBaseUrl" and spec is not None):
                report.omit(f"provider config {key}", "has no place in a suite", path, place)
        found.append(generation)
    if any(each != found[0] for each in found):
        why = "differs between providers, and a suite has one generation"
        report.omit("provider config", why, path, line)
        return {}
    return found[0] if found else {}


def named_provider(item: Any) -> tuple[str | None, Mapping[str, Any]]:
    """Return the name and config of ``name``, ``{id, config}`` or ``{name: {config}}``."""
    if isinstance(item, str):
        return item, {}
    if not isinstance(item, Mapping):
        return None, {}
    if "id" not in item and len(item) == 1:
        ((name, inner),) = item.items()
        item = {"id": name, **(inner if isinstance(inner, Mapping) else {})}
    config = item.get("config")
    name = item.get("id")
    return str(name) if name else None, config if isinstance(config, Mapping) else {}


def generation_of(config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return what a config says in our ``generation``, and its keys that say nothing there."""
    generation: dict[str, Any] = {}
    unknown = []
    for key, value in config.items():
        if key in _GENERATION and _is_usable(_GENERATION[key], value):
            generation[_GENERATION[key]] = value
        else:
            unknown.append(key)
    return generation, unknown


def _is_usable(key: str, value: Any) -> bool:
    """Return whether a suite's ``generation`` takes a value."""
    if key == "stop":
        texts = value if isinstance(value, list) else [value]
        return all(isinstance(each, str) and each for each in texts)
    if key in ("max_new_tokens", "seed"):
        return type(value) is int and (value >= 1 or key == "seed")
    most = 1.0 if key == "top_p" else 1e9
    return type(value) in (int, float) and 0 <= value <= most and (value > 0 or key != "top_p")


def spec_of(name: str, config: Mapping[str, Any]) -> str | None:
    """Return the spec of a provider's model; None where we have no such model."""
    if match := _OPENAI.fullmatch(name):
        return f"openai:{match[1]}@{config.get('apiBaseUrl', _OPENAI_URL)}"
    if match := _OLLAMA.fullmatch(name):
        return f"openai:{match[1]}@{config.get('apiBaseUrl', _OLLAMA_URL)}"
    return None
