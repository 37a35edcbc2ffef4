"""promptfoo's prompts, and a case's question: by our fields where they say it, else filled in."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway_evals.documents import MarkedList
from headway_evals.errors import ImportingError
from headway_evals.importing.promptfoo_templates import (
    Nunjucks,
    as_fields,
    fill,
    has_template,
    names_of,
    printed,
)
from headway_evals.importing.reports import ImportReport
from headway_evals.importing.sources import SCHEME, SourceFiles, parsed
from headway_evals.prompts import is_chat

RENDERED = "rendered_prompt"
"""The field of a prompt that was filled in here."""

_TEXTS = (".txt", ".md", ".j2", ".jinja", "")
_PARTED = "\n---\n"
_CODE = (".py", ".js", ".ts", ".mjs", ".cjs", ".sh", ".exe", ".rb")


@dataclass(frozen=True, slots=True)
class FoundPrompt:
    """A prompt: its text, or the text of its messages, and what it is called."""

    text: str
    label: str


def read_prompts(
    given: Any, files: SourceFiles, report: ImportReport, path: str, line: int
) -> Iterator[FoundPrompt]:
    """Yield the prompts of a value of ``prompts``."""
    items = given if isinstance(given, list) else [given]
    lines = given.lines if isinstance(given, MarkedList) else [line] * len(items)
    for place, item in zip(lines, items, strict=True):
        try:
            yield from _read_prompt(item, files)
        except ImportingError as error:
            report.omit("prompt", str(error), path, place)


def _read_prompt(item: Any, files: SourceFiles) -> Iterator[FoundPrompt]:
    label = ""
    if isinstance(item, Mapping):
        label = str(item.get("label") or "")
        extra = [key for key in item if key not in ("id", "label", "raw")]
        if extra:
            raise ImportingError(f"it has {extra[0]}, which has no place here")
        item = item.get("raw", item.get("id"))
    if not isinstance(item, str) or not item:
        raise ImportingError(f"it is {item!r}, which is no text")
    is_path = "\n" not in item and len(item) < 500
    if not item.startswith(SCHEME) and not (is_path and _is_file(item, files)):
        yield FoundPrompt(item, label)
        return
    plain = item.removeprefix(SCHEME)
    if plain.partition(":")[0].endswith(_CODE):
        raise ImportingError(f"{item} makes the prompt by code: write it as a text")
    for path in files.find_all(plain):
        text = files.read_text(path)
        name = label or path.stem
        if path.suffix in (".yaml", ".yml"):
            yield FoundPrompt(json.dumps(parsed(text, path.name), ensure_ascii=False), name)
        elif path.suffix == ".json":
            yield FoundPrompt(text, name)
        elif path.suffix in _TEXTS:
            texts = [each for each in text.split(_PARTED) if each.strip()]
            for number, each in enumerate(texts, start=1):
                yield FoundPrompt(each.strip(), name if len(texts) == 1 else f"{name}-{number}")
        else:
            raise ImportingError(f"{item} is neither text nor JSON nor YAML")


@dataclass(frozen=True, slots=True)
class Questions:
    """What a suite's cases ask: a prompt with fields, or each case's own text or messages.

    Args:
        head: the suite's ``prompt`` or ``messages``.
        text: the prompt as it was, where each case has it filled in; None where fields do.
        names: the variables that fields name.
        environment: fills templates in.
    """

    head: dict[str, Any]
    text: str | None
    names: frozenset[str]
    environment: Nunjucks

    @property
    def has_messages(self) -> bool:
        """Return whether a case's input is its messages, without its variables."""
        return self.text is not None and not self.head

    def input(self, variables: Mapping[str, Any], prefix: str, suffix: str) -> Any:
        """Return a case's input.

        Raises:
            ImportingError: the prompt cannot be filled in with these variables.
        """
        if self.text is None:
            missing = {name: "" for name in self.names if variables.get(name) is None}
            return {**{name: _exact(each) for name, each in variables.items()}, **missing}
        filled = fill(self.environment, prefix + self.text + suffix, variables)
        if self.head:
            return {**variables, RENDERED: filled}
        messages = _messages(filled)
        if messages is None:
            raise ImportingError("the prompt comes to no list of messages with role and content")
        return messages


def questions_of(
    prompt: FoundPrompt,
    variables: Sequence[Mapping[str, Any]],
    environment: Nunjucks,
    *,
    has_affixes: bool,
) -> Questions:
    """Return how the cases of a prompt ask, for all their variables."""
    names = names_of(prompt.text)
    is_plain = all(
        not isinstance(each.get(name), list | Mapping) for each in variables for name in names
    )
    messages = _messages(prompt.text)
    if is_plain and not has_affixes:
        if messages is not None:
            contents = [as_fields(each["content"]) for each in messages]
            if all(each is not None for each in contents) and not any(
                has_template(each["role"]) for each in messages
            ):
                found = [
                    {"role": each["role"], "content": content}
                    for each, content in zip(messages, contents, strict=True)
                ]
                return Questions({"messages": found}, None, frozenset(names), environment)
        elif not _looks_like_messages(prompt.text):
            fields = as_fields(prompt.text)
            if fields is not None:
                return Questions({"prompt": fields}, None, frozenset(names), environment)
    is_chat_like = messages is not None or _looks_like_messages(prompt.text)
    head: dict[str, Any] = {} if is_chat_like else {"prompt": f"{{{RENDERED}}}"}
    return Questions(head, prompt.text, frozenset(), environment)


def _messages(text: str) -> list[dict[str, str]] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if is_chat(value) else None


def _looks_like_messages(text: str) -> bool:
    return text.lstrip().startswith("[") and '"role"' in text


def _exact(value: Any) -> Any:
    """Return a variable as our prompt prints it: as JavaScript does."""
    is_other = value is None or isinstance(value, float)
    return printed(value) if is_other else value


def _is_file(item: str, files: SourceFiles) -> bool:
    if not item.endswith((".txt", ".json", ".yaml", ".yml", ".md", ".j2")):
        return False
    try:
        return bool(files.find_all(item))
    except ImportingError:
        return False
