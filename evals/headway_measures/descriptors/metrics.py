"""What a metric of a call is: the nouns that descriptors, drift and its pages share."""

from dataclasses import dataclass
from typing import Literal

Side = Literal["prompt", "answer", "call", "score"]
"""What of a call a metric speaks of; ``call`` is latency, tokens, cost, status and tags."""

Kind = Literal["number", "category", "rate", "text", "embedding", "cluster"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is compared between windows.

    Args:
        name: of the column, such as ``answer_chars``.
        kind: how it is compared.
        side: what it speaks of.
        unit: of a number, such as ``chars`` or ``ms``; empty where it has none.
        label: as a title says it: ``length of answers``.
        rises: what is said when it rises: ``answers got longer``.
        falls: what is said when it falls.
    """

    name: str
    kind: Kind
    side: Side
    unit: str
    label: str
    rises: str
    falls: str
