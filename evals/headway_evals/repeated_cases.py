"""Cases that are asked several times: which results are answers to one case, and what they say.

The answers to case ``a`` are the results ``a``, ``a#2``, ``a#3`` … of a run whose suite says
``repeats``. A gate with ``estimate: pass^3`` compares the chance that three answers all pass, with
``pass@3`` the chance that one of three does; a case then counts once.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from headway_evals.runs import Result, RunRecord
from headway_measures.repeats import pass_at_k, pass_hat_k

REPEATS = "repeats"
"""The setting of a run that says how often each case was asked, where that is more than once."""
MEAN = "mean"
"""The estimate of a gate that compares all answers, each for itself."""

_ESTIMATE = re.compile(r"pass([\^@])([1-9][0-9]{0,3})")
_AGAIN = re.compile(r"(.+)#([1-9][0-9]*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the answers to one case come to: ``pass^k`` where all must pass, or ``pass@k``.

    Args:
        k: of how many answers.
        is_all: whether all of them must pass, and not just one.
    """

    k: int
    is_all: bool

    def __str__(self) -> str:
        return f"pass{'^' if self.is_all else '@'}{self.k}"

    @property
    def chance(self) -> Callable[[int, int, int], float]:
        """Return the estimate of n answers of which c pass."""
        return pass_hat_k if self.is_all else pass_at_k

    def value(self, passes: Sequence[bool]) -> float:
        """Return the estimate of a case, by whether each of its answers passes."""
        return self.chance(len(passes), sum(passes), self.k)

    def passed(self, passes: Sequence[bool]) -> bool:
        """Return whether a case held: by all the answers that there are, or by one of them."""
        return all(passes) if self.is_all else any(passes)


def read_estimate(text: str) -> Estimate | None:
    """Return the estimate of a gate, None for ``mean``.

    Raises:
        ValueError: it is neither; the message says what may stand there.
    """
    if text == MEAN:
        return None
    found = _ESTIMATE.fullmatch(text)
    if found is None:
        raise ValueError(f"has estimate {text!r}; known: mean, pass^K and pass@K, such as pass^3")
    return Estimate(int(found[2]), is_all=found[1] == "^")


def repeats_of(record: RunRecord) -> int:
    """Return how often each case of a run was asked."""
    found = record.run.settings.get(REPEATS, 1)
    return found if isinstance(found, int) and found > 1 else 1


def by_case(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Return the answers to each case, in the order in which they were numbered, by its id."""
    known = {result.case_id: result for result in results}
    cases: dict[str, list[tuple[int, Result]]] = {}
    for result in known.values():
        base, number = _parted(result, known)
        cases.setdefault(base, []).append((number, result))
    return {
        base: [result for _, result in sorted(found, key=lambda each: each[0])]
        for base, found in cases.items()
    }


def _parted(result: Result, known: Mapping[str, Result]) -> tuple[str, int]:
    """Return the case that a result is an answer to, and which answer it is."""
    found = _AGAIN.fullmatch(result.case_id)
    first = None if found is None else known.get(found[1])
    # An id may hold a # of its own.
    if found is None or first is None or first.input != result.input:
        return result.case_id, 1
    return found[1], int(found[2])
