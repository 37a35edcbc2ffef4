"""Templates: where the variables stand in a text or in the messages of a chat, and their values.

``{message}`` is a variable, ``{{message}}`` gives ``{message}``, and every other brace stands for
itself, so that JSON can be written in a prompt as it is. Suites of the evals read templates by the
same rule. A value is put in as it is and never read as a template again.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_FIELD = re.compile(r"\{\{(\w+)\}\}|\{(\w+)\}")


def find_variables(template: object) -> tuple[str, ...]:
    """Return the names of the variables of a text, or of all texts inside, each once."""
    found = (name for text in _texts_in(template) for _, name in _FIELD.findall(text) if name)
    return tuple(dict.fromkeys(found))


def fill(template: Any, values: Mapping[str, object]) -> Any:
    """Return the template with every variable replaced, in texts inside lists and dicts too.

    Raises:
        KeyError: there is no value for a variable.
    """
    if isinstance(template, str):
        return _FIELD.sub(lambda found: _replacement(found, values), template)
    if isinstance(template, list):
        return [fill(each, values) for each in template]
    if isinstance(template, dict):
        return {key: fill(each, values) for key, each in template.items()}
    return template


def _replacement(found: re.Match[str], values: Mapping[str, object]) -> str:
    literal, name = found.groups()
    return str(values[name]) if literal is None else f"{{{literal}}}"


def _texts_in(template: object) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, (list, dict)):
        for each in template.values() if isinstance(template, dict) else template:
            yield from _texts_in(each)
