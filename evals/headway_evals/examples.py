"""Few-shot examples: which ones stand before a case, and what a model is asked with them.

Every case has the same examples, so that their beginning is computed once for all; a case that is
one of them has the next one instead of itself. They are the first of the list, or, where there is a
seed, drawn by content: the order of the file does not matter then.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from headway_evals.prompts import Message, Prompt, render_prompt

Style = Literal["text", "turns"]
"""How examples are given: within one text, or as the earlier turns of a chat."""

DEFAULT_SEPARATOR = "\n\n"
_LEADING_ROLES = ("system", "developer")


@dataclass(frozen=True, slots=True)
class Example:
    """An input, and what it is to be answered with."""

    input: Any
    answer: str


@dataclass(frozen=True, slots=True)
class FewShot:
    """What stands before each case.

    Args:
        examples: all there are to take from, the first to be taken first.
        count: how many a case has.
        style: as text or as turns.
        separator: between two examples that are text.
    """

    examples: tuple[Example, ...]
    count: int
    style: Style = "text"
    separator: str = DEFAULT_SEPARATOR

    def before(self, value: Any) -> list[Example]:
        """Return the examples before a case of this input, which is never among them."""
        return list(islice((each for each in self.examples if each.input != value), self.count))


@dataclass(frozen=True, slots=True)
class Framing:
    """How an input becomes what a model is asked.

    Args:
        template: see ``headway_evals.prompts``.
        system: the first message of every chat; "" is none.
        few_shot: the examples; None is none.
        is_chat: whether a text is asked as a user's turn.
        delimiter: what parts a text from its answer; a space unless the suite says otherwise.
    """

    template: Prompt = "{input}"
    system: str = ""
    few_shot: FewShot | None = None
    is_chat: bool = False
    delimiter: str = " "

    def prompt(self, value: Any) -> Prompt:
        """Return what a model is asked about an input.

        Raises:
            KeyError: the template names a field that the input does not have.
        """
        asked = render_prompt(self.template, value)
        examples = self.few_shot.before(value) if self.few_shot else []
        if self.few_shot and self.few_shot.style == "text" and isinstance(asked, str):
            asked = self.few_shot.separator.join([*map(self._as_text, examples), asked])
        if isinstance(asked, str) and not self.is_chat:
            return asked
        first, rest = _parted(_as_chat(asked))
        turns: list[Message] = []
        if self.few_shot and self.few_shot.style == "turns":
            turns = [turn for each in examples for turn in self._as_turns(each)]
        system = (Message("system", self.system),) if self.system else ()
        return (*system, *first, *turns, *rest)

    def answered(self, prompt: Prompt, answer: str) -> str:
        """Return an answer as it follows a prompt; in a chat it is a turn of its own."""
        return _led(prompt, answer, self.delimiter) if isinstance(prompt, str) else answer

    def _as_text(self, example: Example) -> str:
        asked = render_prompt(self.template, example.input)
        if not isinstance(asked, str):
            raise TypeError("an example of messages cannot stand within a text")
        return asked + _led(asked, example.answer, self.delimiter)

    def _as_turns(self, example: Example) -> list[Message]:
        _, rest = _parted(_as_chat(render_prompt(self.template, example.input)))
        return [*rest, Message("assistant", example.answer)]


def drawn(examples: Sequence[Example], seed: int) -> list[Example]:
    """Return the examples in an order that follows from the seed and their content alone."""

    def rank(example: Example) -> str:
        content = json.dumps([seed, example.input, example.answer], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    return sorted(examples, key=rank)


def has_system(prompt: Prompt) -> bool:
    """Return whether a prompt begins with a system message of its own."""
    return not isinstance(prompt, str) and bool(_parted(prompt)[0])


def _led(prompt: str, answer: str, delimiter: str) -> str:
    """Return an answer with what parts it from a text, where white space does not part them yet."""
    is_parted = not prompt or prompt[-1].isspace() or answer[:1].isspace()
    return answer if is_parted else delimiter + answer


def _as_chat(prompt: Prompt) -> tuple[Message, ...]:
    return (Message("user", prompt),) if isinstance(prompt, str) else prompt


def _parted(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """Return the system messages that a chat begins with, and the rest."""
    count = 0
    while count < len(messages) and messages[count].role in _LEADING_ROLES:
        count += 1
    return messages[:count], messages[count:]
