"""A model that remembers what it was paid for, and requests to it."""

from collections.abc import Sequence
from typing import Any

from headway_evals.caching import AnswerCache, ask
from headway_evals.models.requests import Ask, Completion, Generate, OnProgress, Request
from headway_evals.prompts import Prompt

MODEL = "m" * 64


def request(prompt: Prompt = "p", wanted: Ask | None = None, case_id: str = "c") -> Request:
    """Return a request."""
    return Request(case_id, None, prompt, wanted or Generate(8))


class Paid:
    """A model that says each prompt back and remembers what it was paid for."""

    name, digest, cache_key = "paid", "d", MODEL

    def __init__(self, fault: str | None = None) -> None:
        self.prompts: list[Prompt] = []
        self.settings: dict[str, Any] = {}
        self.fault = fault

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        """Say each prompt back, or fail."""
        completions = []
        for index, each in enumerate(requests):
            self.prompts.append(each.prompt)
            text = None if self.fault else f"{each.prompt}!"
            completions.append(Completion(text, error=self.fault, output_tokens=3))
            on_progress(index, completions[-1])
        return completions


def answers(
    model: Paid, requests: Sequence[Request], cache: AnswerCache | None
) -> dict[int, tuple[str | None, bool]]:
    """Return the text of each answer, and whether it was kept from earlier."""
    found: dict[int, tuple[str | None, bool]] = {}

    def on_answer(index: int, completion: Completion, is_kept: bool) -> None:
        assert index not in found
        found[index] = completion.text, is_kept

    ask(model, requests, cache, on_answer)
    return dict(sorted(found.items()))
