"""What a comparison of windows comes to: evidence, findings, and the card that holds them.

Every field can be written as JSON, in the order it stands in. Floats are rounded once, where a
card is written.
"""

from dataclasses import dataclass
from typing import Literal

from headway_measures.descriptors.metrics import Kind, Side
from headway_measures.drift.windows import Options, Query

State = Literal["drift", "no_drift", "not_enough_data", "identical", "failed"]
"""``identical``: constant over both windows, or fixed by pairing; no hypothesis was tested."""


@dataclass(frozen=True, slots=True)
class Effect:
    """How large a difference is.

    Args:
        name: ``risk_difference``, ``wasserstein_sd``, ``cliffs_delta``, ``tvd``, ``auc``, ``mmd``.
        value: the estimate, signed where the name allows.
        lower: of its interval; None where none is known.
        upper: of its interval.
        floor: what is too small to matter.
    """

    name: str
    value: float
    lower: float | None
    upper: float | None
    floor: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one test found.

    Args:
        metric: its name.
        kind: how it was compared.
        side: what it speaks of.
        method: such as ``ks``, ``ks_permutation``, ``homogeneity``, ``homogeneity_permutation``,
            ``two_proportions``, ``fisher``, ``mcnemar``, ``signed_rank``, ``text_auc``, ``mmd``.
        state: what it says; a test by itself says at most that it was run (``no_drift``), and
            the decision over all tests finds the drift.
        n_ref: calls with a value.
        n_cur: the same of the current window.
        units_ref: independent units among them.
        units_cur: the same of the current window.
        is_paired: whether prompts were compared with themselves.
        p_value: None where nothing was tested.
        q_value: adjusted for all tests of the card; None until decided.
        weight: the test's share of the false discoveries; 1 for a test like any other.
        effects: the first decides whether the difference matters.
        before: the reference in words: ``21 %``, ``median 346 chars``.
        after: the current window in words.
        needs_n: units a side to find an effect as large as the floor.
        detectable: the effect that this many units could have shown.
        note: what a reader has to know besides.
    """

    metric: str
    kind: Kind
    side: Side
    method: str
    state: State
    n_ref: int
    n_cur: int
    units_ref: int
    units_cur: int
    is_paired: bool = False
    p_value: float | None = None
    q_value: float | None = None
    weight: float = 1.0
    effects: tuple[Effect, ...] = ()
    before: str = ""
    after: str = ""
    needs_n: int | None = None
    detectable: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ChangeTime:
    """Since when: the likeliest moment and its interval, in nanoseconds since 1970."""

    start_ns: int
    lower_ns: int
    upper_ns: int
    confidence: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """For whom: the calls whose column ``field`` has this value, and what was found among them."""

    field: str
    value: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Mix:
    """How much of a change is other calls, and how much is the same calls answered otherwise.

    ``mix + within + new_or_gone == total`` (Kitagawa 1955, JASA 50).

    Args:
        by: the column whose values are the strata.
        total: the difference of the two means.
        mix: of strata growing or shrinking.
        within: of means changing inside strata.
        new_or_gone: of strata that only one window has.
        within_lower: of the interval of ``within``.
        within_upper: of the interval of ``within``.
    """

    by: str
    total: float
    mix: float
    within: float
    new_or_gone: float
    within_lower: float
    within_upper: float


@dataclass(frozen=True, slots=True)
class Coincidence:
    """A model, prompt version or release that came when the change did.

    Args:
        field: the column.
        value: what is new.
        first_ns: when it was first seen.
        share_ref: of the calls.
        share_cur: of the calls.
        within_without: the change that is left among calls without it; None where too few are.
    """

    field: str
    value: str
    first_ns: int
    share_ref: float
    share_cur: float
    within_without: float | None


@dataclass(frozen=True, slots=True)
class Term:
    """Words that tell the windows apart, each with the share of texts that hold them."""

    text: str
    kind: Literal["word", "chars", "opener", "answer", "format"]
    share_ref: float
    share_cur: float
    p_value: float
    q_value: float


@dataclass(frozen=True, slots=True)
class Example:
    """One call, its texts cut for reading."""

    span_id: str
    trace_id: str
    start_ns: int
    prompt: str
    answer: str
    why: str


@dataclass(frozen=True, slots=True)
class ExamplePair:
    """Two calls side by side, or one where there is no other."""

    before: Example | None
    after: Example | None
    is_same_prompt: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """A drift, explained.

    Args:
        evidence: of the test that found it.
        sentence: all of it in words.
        terms: what in the texts differs most.
        since: None where the windows do not follow each other.
        segments: for whom.
        mixes: by each column that was looked at.
        coincidences: the likeliest cause first.
        examples: before and after.
        rows: the filters of spans that lead to the calls it speaks of, by name.
    """

    evidence: Evidence
    sentence: str
    terms: tuple[Term, ...] = ()
    since: ChangeTime | None = None
    segments: tuple[Segment, ...] = ()
    mixes: tuple[Mix, ...] = ()
    coincidences: tuple[Coincidence, ...] = ()
    examples: tuple[ExamplePair, ...] = ()
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """Two windows compared. It holds no clock, host or user: the same data give the same bytes.

    Args:
        card_id: a digest of queries, options and versions.
        verdict: ``drift`` where there is a finding.
        headline: the verdict in a sentence.
        reference: the query of the window before.
        current: the query of the window after.
        n_ref: its calls.
        n_cur: its calls.
        options: how they were compared.
        versions: of all that figures depend on, by name.
        fingerprint: a digest of both windows' rows.
        findings: the weightiest first.
        tests: every test that was run or could not be.
        quality: those of them that speak of scores.
        notes: what a reader has to know besides.
    """

    card_id: str
    verdict: State
    headline: str
    reference: Query
    current: Query
    n_ref: int
    n_cur: int
    options: Options
    versions: tuple[tuple[str, str], ...]
    fingerprint: str
    findings: tuple[Finding, ...]
    tests: tuple[Evidence, ...]
    quality: tuple[Evidence, ...]
    notes: tuple[str, ...] = ()
