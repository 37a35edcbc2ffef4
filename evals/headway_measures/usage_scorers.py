"""What an answer took: milliseconds and dollars. Measured, and held to a limit if there is one."""

from dataclasses import dataclass
from typing import Any, ClassVar

from headway_measures.limits import check_limit, judged
from headway_measures.scores import Answered, Direction, ScoreValue


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the question to the whole answer; of a batch, to the answer's last token.

    Answers that come in batches share their batch's time: the latency of a service is that of
    ``openai:`` and ``log:`` models.
    """

    at_most: float | None = None
    needs_expected: ClassVar[bool] = False
    direction: ClassVar[Direction] = "down"
    scale: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        check_limit("at_most", self.at_most)

    def fault_of(self, expected: Any) -> str | None:
        """Return None: nothing is compared."""

    def score(self, answered: Answered) -> ScoreValue:
        """Read the time."""
        if answered.latency_ms is None:
            raise ValueError("the answer's latency is not known")
        return judged(answered.latency_ms, at_most=self.at_most)


@dataclass(frozen=True, slots=True)
class Cost:
    """What the answer cost in US dollars."""

    at_most: float | None = None
    needs_expected: ClassVar[bool] = False
    direction: ClassVar[Direction] = "down"
    scale: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        check_limit("at_most", self.at_most)

    def fault_of(self, expected: Any) -> str | None:
        """Return None: nothing is compared."""

    def score(self, answered: Answered) -> ScoreValue:
        """Read the cost."""
        if answered.cost_usd is None:
            raise ValueError("the answer's cost is not known")
        return judged(answered.cost_usd, at_most=self.at_most)
