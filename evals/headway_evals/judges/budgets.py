"""What judges may cost: so many calls or dollars; the rest is then not judged, and told so.

Answers that are kept from earlier cost nothing and are not counted. Calls go out in batches; where
dollars are limited, in as many as surely fit by the dearest call so far, so that no more than the
first few can pass the limit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headway_evals.models.requests import Completion, Model, OnProgress, Request

_FIRST_CALLS = 4
"""Before a price is known."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that the judges of one run, or of one sweep, may cost; None sets no bound."""

    max_calls: int | None = None
    max_cost_usd: float | None = None


@dataclass(slots=True)
class Purse:
    """A budget as it is spent.

    Attributes:
        calls: how many were made.
        cost_usd: what they cost, as far as judges tell.
        dearest_usd: the dearest of them; None where none told its price.
        reason: why no more is asked; "" while there is room.
    """

    budget: Budget
    calls: int = 0
    cost_usd: float = 0.0
    dearest_usd: float | None = None
    reason: str = ""

    def room(self, wanted: int) -> int:
        """Return how many of so many calls may go out now; with 0, ``reason`` says why."""
        budget, room = self.budget, wanted
        if self.reason:
            return 0
        if budget.max_calls is not None:
            room = min(room, budget.max_calls - self.calls)
            if room <= 0:
                self.reason = f"max_calls: {budget.max_calls:,} calls were made"
                return 0
        if budget.max_cost_usd is None:
            return room
        if self.calls and self.dearest_usd is None:
            self.reason = "the judge tells no price to keep max_cost_usd by: give max_calls"
            return 0
        left = budget.max_cost_usd - self.cost_usd
        fitting: float = _FIRST_CALLS
        if self.dearest_usd is not None:
            fitting = math.inf if self.dearest_usd == 0 else left // self.dearest_usd
        if left <= 0 or fitting < 1:
            spent = f"{self.cost_usd:.4f} of {budget.max_cost_usd:g} dollars are spent"
            self.reason = f"max_cost_usd: {spent}"
            return 0
        return int(min(room, fitting))

    def pay(self, completions: Sequence[Completion]) -> None:
        """Count calls that were made."""
        self.calls += len(completions)
        told = [each.cost_usd for each in completions if each.cost_usd is not None]
        self.cost_usd += sum(told)
        if told:
            self.dearest_usd = max(self.dearest_usd or 0.0, *told)


class Capped:
    """A model that answers while there is room in a purse; what it does not answer is missing.

    Args:
        model: the judge.
        purse: what its calls are paid from.
    """

    def __init__(self, model: Model, purse: Purse) -> None:
        self._model = model
        self._purse = purse

    @property
    def name(self) -> str:
        """Return the model's."""
        return self._model.name

    @property
    def digest(self) -> str:
        """Return the model's."""
        return self._model.digest

    @property
    def settings(self) -> dict[str, Any]:
        """Return the model's."""
        return self._model.settings

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        """Answer as many requests as there is room for.

        Raises:
            ModelError: the model as a whole cannot answer.
        """
        done: list[Completion] = []
        while len(done) < len(requests):
            start = len(done)
            room = self._purse.room(len(requests) - start)
            if not room:
                break
            done += self._ask(requests[start : start + room], start, on_progress)
        left = Completion(None, error=self._purse.reason, is_missing=True)
        for place in range(len(done), len(requests)):
            on_progress(place, left)
            done.append(left)
        return done

    def _ask(
        self, requests: Sequence[Request], start: int, on_progress: OnProgress
    ) -> list[Completion]:
        heard: list[Completion] = []

        def note(place: int, completion: Completion) -> None:
            heard.append(completion)
            on_progress(start + place, completion)

        try:
            return self._model.generate(requests, note)
        finally:
            # Also what was answered until somebody stopped it.
            self._purse.pay(heard)
