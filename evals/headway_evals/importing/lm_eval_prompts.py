"""An lm-eval task's documents as the texts that it asks, byte for byte.

What stands where, and what parts it, is that of lm-eval 0.4.13 without a chat template:

    description, then for each example  text [delimiter] [prefix] target [separator],
    then the document's own  text [delimiter] [prefix]

Examples are drawn as there, from Python's generator with lm-eval's usual seed, a document after
another; so they are the same as in a run of the whole task.
"""

import ast
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import StrictUndefined, Template

from headway_evals.errors import ImportingError
from headway_evals.importing.lm_eval_data import Document
from headway_evals.importing.lm_eval_files import FunctionReference, TaskFile
from headway_evals.importing.sources import SourceFiles
from headway_evals.importing.templates import TemplateEnvironment, render
from headway_measures.patterns import replaced
from headway_measures.scores import shown

DEFAULT_SEED = 1234
"""The seed of examples where lm-eval's command line gives none."""


class _Environment(TemplateEnvironment):
    """lm-eval's templates; one that was parsed is kept for the next document."""

    def __init__(self) -> None:
        super().__init__(
            {"regex_replace": _regex_replace},
            undefined=StrictUndefined,
            keep_trailing_newline=True,
        )
        self._parsed: dict[str, Template] = {}

    def from_string(self, source: Any, *arguments: Any, **named: Any) -> Template:
        """Return a template, parsed once."""
        if source not in self._parsed:
            self._parsed[source] = super().from_string(source, *arguments, **named)
        return self._parsed[source]


@dataclass(slots=True)
class Wordings:
    """The texts of a task's documents.

    Args:
        task: the task.
        files: imports its functions, where that is allowed.
        columns: those of the documents that are asked about: a ``doc_to_…`` that names one is
            that column, any other is a template.
    """

    task: TaskFile
    files: SourceFiles
    columns: Sequence[str]
    _environment: _Environment = field(default_factory=_Environment)
    _functions: dict[str, Any] = field(default_factory=dict)

    def text(self, document: Document, given: Any = None) -> str | int:
        """Return what is asked; a number means that the choices are the contexts."""
        value = self._value(document, "doc_to_text", given)
        if isinstance(value, str | int) and not isinstance(value, bool):
            return value
        raise ImportingError(f"doc_to_text gives {shown(value)}, which is no text")

    def target(self, document: Document, given: Any = None) -> Any:
        """Return the answer: a text, the place of a choice, or a list of good ones."""
        value = self._value(document, "doc_to_target", given)
        is_list = isinstance(value, str) and len(value) >= 2 and value[0] + value[-1] == "[]"
        if is_list and not self._is_column("doc_to_target", given):
            try:
                return ast.literal_eval(value)
            except (SyntaxError, ValueError):
                return value
        return value

    def choices(self, document: Document, given: Any = None) -> list[str] | None:
        """Return the choices, None where the task has none."""
        source = self._source("doc_to_choice", given)
        if source is None:
            return None
        value = self._value(document, "doc_to_choice", given)
        if isinstance(source, str) and isinstance(value, str):
            try:
                value = ast.literal_eval(value)
            except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
                raise ImportingError(f"doc_to_choice gives {shown(value)}: no list") from error
        if isinstance(value, Mapping):
            value = list(value.values())
        if not isinstance(value, list | tuple) or not value:
            raise ImportingError(f"doc_to_choice gives {shown(value)}, which is no list")
        return [str(each) for each in value]

    def resolved(self, document: Document, source: Any) -> str:
        """Return a description or a prefix: a column of this document, or a template; "" is none.

        Raises:
            ImportingError: it is neither, or the template has no value for a name.
        """
        if not source:
            return ""
        if not isinstance(source, str):
            raise ImportingError(f"{shown(source)} is no text")
        if source in document:
            return str(document[source])
        return render(self._environment, source, document)

    def _source(self, key: str, given: Any) -> Any:
        return self.task.values.get(key) if given is None else given

    def _is_column(self, key: str, given: Any) -> bool:
        source = self._source(key, given)
        return isinstance(source, str) and source in self.columns

    def _value(self, document: Document, key: str, given: Any) -> Any:
        source = self._source(key, given)
        if isinstance(source, FunctionReference):
            return self._called(source, document)
        if not isinstance(source, str):
            if source is None:
                raise ImportingError(f"{self.task.name} has no {key}")
            return source
        if source in self.columns:
            return document[source]
        text = render(self._environment, source, document)
        has_choices = self.task.values.get("doc_to_choice") is not None
        # As there: digits name a choice, where there are such.
        return int(text) if text.isdecimal() and has_choices and key != "doc_to_choice" else text

    def _called(self, source: FunctionReference, document: Document) -> Any:
        if source.name not in self._functions:
            self._functions[source.name] = source.load(self.files)
        try:
            return self._functions[source.name](dict(document))
        except Exception as error:  # the function is someone's
            raise ImportingError(f"{source.name} raised {type(error).__name__}: {error}") from error


@dataclass(slots=True)
class Examples:
    """The documents that examples are taken from, and how.

    Args:
        pool: all there are.
        count: how many stand before each case.
        is_first: whether they are the first of the pool; otherwise they are drawn.
        is_own: whether a case may be among them, and is passed over.
        generator: draws them.
    """

    pool: Sequence[Document]
    count: int
    is_first: bool
    is_own: bool
    generator: random.Random = field(default_factory=lambda: random.Random(DEFAULT_SEED))

    def before(self, document: Document) -> list[Document]:
        """Return those before a document; to be asked for each document in its order.

        Raises:
            ImportingError: the pool is too small.
        """
        if self.is_first:
            pool = [each for each in self.pool if each != document] if self.is_own else self.pool
            return self._enough(list(pool[: self.count]))
        drawn_count = self.count + 1 if self.is_own else self.count
        if drawn_count > len(self.pool):
            raise ImportingError(f"{drawn_count} examples are to be drawn of {len(self.pool)}")
        drawn = self.generator.sample(list(self.pool), drawn_count)
        if self.is_own:
            drawn = [each for each in drawn if each != document][: self.count]
            if len(drawn) < self.count:
                others = [each for each in self.pool if each != document]
                if self.count > len(others):
                    raise ImportingError(f"{self.count} examples, and {len(others)} documents")
                drawn = self.generator.sample(others, self.count)
        return self._enough(drawn)

    def _enough(self, found: list[Document]) -> list[Document]:
        if len(found) < self.count:
            raise ImportingError(f"{self.count} examples are asked for, and there are {len(found)}")
        return found


@dataclass(slots=True)
class Contexts:
    """The contexts of a task's documents.

    Args:
        wordings: the texts of a document.
        examples: what stands before each; None is none.
        config: ``fewshot_config``, which may word examples otherwise than documents.
    """

    wordings: Wordings
    examples: Examples | None
    config: Mapping[str, Any]
    _turns: dict[int, str] = field(default_factory=dict)

    @property
    def delimiter(self) -> str:
        """Return what parts a text from its target."""
        return str(self._of_task("target_delimiter", " "))

    def lead(self, document: Document) -> str:
        """Return what stands before the document's own text: the description and the examples."""
        values = self.wordings.task.values
        parts = [self.wordings.resolved(document, values.get("description"))]
        if self.examples is not None:
            parts += [self._example(each) for each in self.examples.before(document)]
        return "".join(parts)

    def own(self, document: Document) -> str | int:
        """Return the document's own text; a number where its choices are the contexts."""
        text = self.wordings.text(document)
        if isinstance(text, int):
            return text
        prefix = self.wordings.resolved(document, self.wordings.task.values.get("gen_prefix"))
        return _turn(text, None, prefix, self.delimiter)

    def _example(self, document: Document) -> str:
        # Documents are kept as long as this is, so that one's id is no other's.
        if id(document) not in self._turns:
            self._turns[id(document)] = self._worded(document)
        return self._turns[id(document)]

    def _worded(self, document: Document) -> str:
        wordings, config = self.wordings, self.config
        text = wordings.text(document, config.get("doc_to_text"))
        choices = wordings.choices(document, config.get("doc_to_choice"))
        target = wordings.target(document, config.get("doc_to_target"))
        if isinstance(text, int):
            raise ImportingError("the choices are the contexts, which no suite of ours can say")
        if isinstance(target, int) and choices:
            target = choices[target]
        elif isinstance(target, list) and target:
            target = target[0]
        if not isinstance(target, str):
            raise ImportingError(f"the example's target is {shown(target)}, which is no text")
        source = config.get("gen_prefix", wordings.task.values.get("gen_prefix"))
        prefix = wordings.resolved(document, source)
        delimiter = str(config.get("target_delimiter", self.delimiter))
        separator = config.get("fewshot_delimiter", self._of_task("fewshot_delimiter", "\n\n"))
        turn = _turn(text, target, prefix, delimiter)
        return turn + str(separator) if target else turn

    def _of_task(self, key: str, default: str) -> Any:
        value = self.wordings.task.values.get(key)
        return default if value is None else value


def _turn(text: str, target: str | None, prefix: str, delimiter: str) -> str:
    """Return a text with its prefix and target; no target is an empty one."""
    is_led = bool(prefix and text) and not (text[-1].isspace() or prefix[0].isspace())
    parting = delimiter if is_led or (target and not prefix) else ""
    if not target:
        return text + parting + prefix
    is_parted = not prefix or prefix[-1].isspace() or target[0].isspace()
    return text + parting + prefix + ("" if is_parted else " ") + target


def _regex_replace(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    """Return lm-eval's own filter: ``re.sub``, in bounded time."""
    if count:
        raise ImportingError("regex_replace with a count is not done here")
    return replaced(pattern, replacement, text)
