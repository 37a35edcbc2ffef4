"""A paired comparison that may be looked at after each case, and stopped when it is certain.

An interval made for a fixed number of cases is wrong once somebody stops where it looks good.
Here each claim is a bet: whoever holds "the mean gain is at most m" false stakes a part λ of a
wealth that starts at 1 on each next gain g,

    E_t = Π_s (1 + λ_s (g_s - m)),    λ_s chosen before g_s is seen, and so that no factor is < 0.

While the claim holds, the wealth does not grow on average, and by Ville's inequality it ever
reaches 1/α with a chance of at most α, however often one looks (Waudby-Smith and Ramdas 2024,
JRSS B 86, 1-27). The bounds at level α are the ends of the claims not yet refuted, each side at
α/2, and hold at all times together.

Two bets share the wealth, which leaves it such a wealth: three quarters stake on what is
expected where nothing changed, with the variance of what was seen and of twenty usual cases; one
quarter is aGRAPA's, which learns the mean as well. Where cases pass or fail, "no change" is bet
against by the Krichevsky-Trofimov mixture over the flips too.

Cases of one cluster are one bet: their gains together, over the size of the largest cluster.
All holds where units come independently or in a random order that no answer had a part in.
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import special

from headway_measures.clusters import Floats, cluster_sizes, cluster_sums
from headway_measures.errors import MeasureError
from headway_measures.intervals import Interval
from headway_measures.multiplicity import benjamini_hochberg
from headway_measures.power import USUAL_VARIANCE
from headway_measures.scores import Direction

_GRID_STEPS = 200
# What both bets begin with, and how much of the way to ruin each may go at once.
_EXPECTED_SHARE, _EXPECTED_CAP, _LEARNT_CAP = 0.75, 0.9, 0.5
_USUAL_CASES = 20
# Where the claim is "no better", the gain that is staked on: a change worth a talk.
_HOPED_GAIN = 0.1
# Just below Kelly's: the wealth grows as fast but for a hundredth, and with fewer falls.
_PRUDENCE = 0.9
_BLOCK_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class Looks:
    """The gains of units in the order in which they were looked at.

    Args:
        gains: (units,), each the sum of its cases' gains over the largest number of cases that a
            unit can have, so that it lies from -weight to weight.
        weights: (units,), each unit's cases over that number, above 0 and at most 1.
        usual_variance: of a case's gain, before any was seen.
    """

    gains: Floats
    weights: Floats
    usual_variance: float = USUAL_VARIANCE

    def __post_init__(self) -> None:
        is_within = (np.abs(self.gains) <= self.weights + 1e-9).all()
        if self.gains.shape != self.weights.shape or not is_within:
            raise MeasureError("a unit's gain must lie between minus its weight and its weight")

    def log_wealth(self, claims: Floats, *, is_above: bool) -> Floats:
        """Return the logarithm of the wealth of bets against claims, after each unit.

        Args:
            claims: (claims,), mean gains from -1 to 1.
            is_above: whether the claims are "at most so much", which gains above refute.

        Returns:
            (units, claims).
        """
        side = 1.0 if is_above else -1.0
        away = side * (self.gains[:, None] - claims * self.weights[:, None])
        # What a single unit could lose of a full stake.
        worst = np.maximum(1 + side * claims, 1e-12)
        before = np.arange(len(away))[:, None]
        sums, squares = (_before(each) for each in (away, away**2))
        hoped = np.where(side * claims < 0, -side * claims, _HOPED_GAIN)
        usual = self.usual_variance + hoped**2
        spread = (_USUAL_CASES * usual + squares) / (_USUAL_CASES + before)
        expected = _stake(_PRUDENCE * hoped, spread, _EXPECTED_CAP / worst)
        # aGRAPA: mean over second moment, with one made-up unit of variance 1/4.
        learnt = _stake(sums / (1 + before), (0.25 + squares) / (1 + before), _LEARNT_CAP / worst)
        return np.logaddexp(
            math.log(_EXPECTED_SHARE) + np.log1p(expected * away).cumsum(0),
            math.log1p(-_EXPECTED_SHARE) + np.log1p(learnt * away).cumsum(0),
        )

    @property
    def is_binary(self) -> bool:
        """Return whether each unit is a case that passes or fails."""
        return bool(np.isin(self.gains, (-1.0, 0.0, 1.0)).all() and (self.weights == 1).all())

    def log_wealth_of_no_gain(self, *, is_above: bool) -> Floats:
        """Return that of bets against "no better", or "no worse", after each unit: (units,)."""
        wealth: Floats = self.log_wealth(np.zeros(1), is_above=is_above)[:, 0]
        if not self.is_binary:
            return wealth
        to_fail, to_pass = (self.gains < 0).cumsum(0), (self.gains > 0).cumsum(0)
        flips = (to_fail, to_pass) if is_above else (to_pass, to_fail)
        return np.logaddexp(wealth, log_flip_e_value(*flips)) - math.log(2)


def log_flip_e_value(against: Floats, towards: Floats) -> Floats:
    """Return the logarithm of an e-value against "flips are not more often towards than not".

    The one-sided mixture of Krichevsky and Trofimov over θ in (1/2, 1), the share of flips
    towards: 2^k · B(b+1/2, c+1/2) · P(θ > 1/2) · 2 / B(1/2, 1/2), where b flips were against and
    c towards, k = b + c, and P that of Beta(c+1/2, b+1/2). Both sides together are the plain
    mixture 2^k · B(b+1/2, c+1/2) / B(1/2, 1/2).

    Args:
        against: counts, any shape.
        towards: counts, the same shape.
    """
    b, c = np.asarray(against, np.float64) + 0.5, np.asarray(towards, np.float64) + 0.5
    tail = np.maximum(special.betainc(b, c, 0.5), 1e-300)
    plain = (b + c - 1) * math.log(2) + special.betaln(b, c) - special.betaln(0.5, 0.5)
    found: Floats = plain + np.log(tail) + math.log(2)
    return found


@dataclass(frozen=True)
class SequentialChange:
    """A paired comparison whose interval holds whenever one looks; a ``paired.Change``.

    Args:
        n: the number of pairs.
        baseline: the baseline's mean score.
        candidate: the candidate's mean score.
        variance: of one pair's gain.
        looks: the gains, on a scale from -1 to 1.
        scale: the largest difference of two scores.
        margin: one that the bounds are to be held against, in the unit of the scores.
    """

    n: int
    baseline: float
    candidate: float
    variance: float
    looks: Looks = field(repr=False)
    scale: float = 1.0
    margin: float = 0.0

    def detectable_effect(self, alpha: float, power: float) -> float:
        """Return infinity: what is found depends on when one stops."""
        return math.inf

    @property
    def e_value(self) -> float:
        """Return the e-value against no change: the mean of both sides' wealth at the end."""
        sides = [self.looks.log_wealth_of_no_gain(is_above=each)[-1] for each in (True, False)]
        with np.errstate(over="ignore"):
            return average_e_values([float(np.exp(side)) for side in sides])

    @property
    def p_value(self) -> float:
        """Return 1 over the e-value, so that Benjamini and Hochberg's procedure is e-BH."""
        return min(1.0, 1 / self.e_value)

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the confidence sequence as it stands; of further cases it knows nothing."""
        gain = float(self.looks.gains.sum() / self.looks.weights.sum())
        lower = self._bound(alpha / 2, is_above=True)
        upper = self._bound(alpha / 2, is_above=False)
        # Both bounds may pass a mean that wandered far since; they hold all the same.
        return Interval(gain * self.scale, lower * self.scale, upper * self.scale)

    def _bound(self, alpha: float, *, is_above: bool) -> float:
        """Return the end of the claims that are not refuted, going in from the outside.

        Claims stand on a grid that was there before any case, or a bound that is looked for
        would be one among endlessly many.
        """
        claims = self._claims if is_above else self._claims[::-1]
        side = 1.0 if is_above else -1.0
        refuted = -side
        for claim, peak in zip(claims, self._peaks[is_above], strict=True):
            if peak < -math.log(alpha):
                break
            # The refuted claim holds its own end, so the bound begins right behind it.
            refuted = math.nextafter(float(claim), side)
        return refuted

    @cached_property
    def _claims(self) -> Floats:
        share = self.margin / self.scale
        grid = np.arange(-_GRID_STEPS, _GRID_STEPS + 1) / _GRID_STEPS
        inside = [each for each in (-share, share) if -1 < each < 1]
        return np.unique(np.concatenate([grid, inside]))

    @cached_property
    def _peaks(self) -> dict[bool, Floats]:
        """Return the highest wealth of each claim's bets, going in from the outside."""
        return {True: self._highest(self._claims, True), False: self._highest(self._claims, False)}

    def _highest(self, claims: Floats, is_above: bool) -> Floats:
        size = max(_BLOCK_CELLS // max(len(self.looks.gains), 1), 1)
        peaks = [
            self.looks.log_wealth(block, is_above=is_above).max(0)
            for block in _blocks(claims, size)
        ]
        found = np.concatenate(peaks)
        found[claims == 0] = self.looks.log_wealth_of_no_gain(is_above=is_above).max()
        return found if is_above else found[::-1]


def sequential_change(
    baseline: Sequence[float | None],
    candidate: Sequence[float | None],
    clusters: Sequence[Hashable] | None = None,
    *,
    direction: Direction = "up",
    scale: float | None = 1.0,
    margin: float = 0.0,
    largest: int = 1,
    usual_variance: float = USUAL_VARIANCE,
) -> SequentialChange:
    """Pair two models' scores of the cases that were looked at, in that order.

    Args:
        baseline: the trusted model's score of each case; None is the worst.
        candidate: the judged model's, likewise.
        clusters: for each case what it shares with others; units come by their first case.
        direction: which way scores get better.
        scale: the largest difference of two scores.
        margin: the drop that is to be borne, in the unit of the scores.
        largest: the most cases that a cluster can have, looked at or not.
        usual_variance: of a case's gain on a scale of 1, before any was seen.

    Raises:
        MeasureError: nothing to pair, lengths that differ, scores outside the scale, or no scale.
    """
    if scale is None:
        raise MeasureError(
            "scores that nothing bounds cannot be looked at before their time: one further case "
            "might be worth more than all the others"
        )
    if not baseline or len(baseline) != len(candidate):
        raise MeasureError(
            f"cannot pair {len(baseline)} baseline scores with {len(candidate)} of a candidate"
        )
    worst = 0.0 if direction == "up" else scale
    old, new = (
        np.array([worst if score is None else score for score in scores], dtype=np.float64)
        for scores in (baseline, candidate)
    )
    gains = (new - old if direction == "up" else old - new) / scale
    if not (np.abs(gains) <= 1 + 1e-9).all():
        raise MeasureError(f"scores differ by more than their scale of {scale:g}")
    gains = gains.clip(-1.0, 1.0)
    sizes = cluster_sizes(gains.size, clusters)
    most = max(largest, int(sizes.max()))
    return SequentialChange(
        n=gains.size,
        baseline=float(old.mean()),
        candidate=float(new.mean()),
        variance=float((gains**2).mean()) * scale**2,
        looks=Looks(cluster_sums(gains, clusters) / most, sizes / most, usual_variance),
        scale=scale,
        margin=margin,
    )


def average_e_values(e_values: Sequence[float]) -> float:
    """Return the e-value of several of the same claim, however they depend on each other.

    Their mean; a product would need them to be independent (Vovk and Wang 2021, Annals of
    Statistics 49, 1736-1754).
    """
    return float(np.mean(np.asarray(e_values, np.float64)))


def e_benjamini_hochberg(e_values: Sequence[float]) -> list[float]:
    """Return q-values of claims by their e-values, in the order given (e-BH).

    Those of at most α are the claims that e-BH refutes at α: the k largest with e >= m/(kα). Of
    these a share of at most α is false on average, under any dependence, and also where it was
    the e-values that said when to stop (Wang and Ramdas 2022, JRSS B 84, 822-852).
    """
    p_values = [min(1.0, 1 / each) if each > 0 else 1.0 for each in e_values]
    return benjamini_hochberg(p_values)


def _before(values: Floats) -> Floats:
    """Return the sums of all that came before each: what a stake may depend on."""
    return np.concatenate([np.zeros_like(values[:1]), values.cumsum(0)[:-1]])


def _stake(mean: Floats, spread: Floats, most: Floats) -> Floats:
    return np.clip(mean / spread, 0.0, most)


def _blocks(claims: Floats, size: int) -> Iterator[Floats]:
    for start in range(0, len(claims), size):
        yield claims[start : start + size]
