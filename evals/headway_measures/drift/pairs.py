"""The same prompts in both windows, each compared with itself.

What prompts differ in cancels, so that a change shows with far fewer calls. Prompts are taken for
independent of each other.
"""

from dataclasses import replace

import numpy as np
import polars as pl
from scipy import stats

from headway_measures.binary_changes import sign_test, tango_interval
from headway_measures.clusters import Floats
from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.categories import MIX_FLOOR, pool_rare
from headway_measures.drift.columns import LEAST_UNITS
from headway_measures.drift.numbers import NUMBER_FLOOR, clip_bounds, wasserstein
from headway_measures.drift.pairing import match_calls
from headway_measures.drift.permutations import chance, draw_signs, drawn_p_value, most_draws
from headway_measures.drift.rates import rate_floor
from headway_measures.drift.results import Effect, Evidence
from headway_measures.drift.samples import Sample, are_present, read_column
from headway_measures.drift.units import Ints, Pairs
from headway_measures.drift.windows import Options
from headway_measures.drift.wordings import centres, level_name, share, shares
from headway_measures.intervals import mean_of
from headway_measures.power import cases_needed, minimum_detectable_effect

# Up to so many differences the signed ranks are counted out.
_COUNTED = 25
# Signs that are drawn at once, 16 MB of them.
_SIGNS = 2_000_000


def compare_pairs(
    pairs: Pairs, metric: Metric, options: Options, *, level: float | None = None
) -> Evidence:
    """Compare what both windows make of the same prompts.

    Args:
        pairs: of a number or a rate.
        metric: what it is.
        options: seed, alpha and draws.
        level: of the test that sizes speak of, alpha over the tests that are run; else alpha.
    """
    ref, cur, level = pairs.ref, pairs.cur, level or options.alpha
    changes = cur - ref
    n = int(changes.size)
    both = np.concatenate([ref, cur])
    evidence = Evidence(
        metric.name, metric.kind, metric.side, "none", "identical", n, n, n, n, is_paired=True
    )
    if n and (both == both[0]).all():
        return replace(evidence, note="every value is equal")
    if n < 2:
        return replace(evidence, state="not_enough_data", needs_n=LEAST_UNITS)
    # Means of flags are a rate, too; what lies outside is a number, whatever it is called.
    is_rate = bool(np.isin(both, (0.0, 1.0)).all())
    is_rate |= metric.kind == "rate" and 0 <= both.min() <= both.max() <= 1
    if is_rate:
        method, p_value = "mcnemar", sign_test(changes)
        effects: tuple[Effect, ...] = (_risk_difference(ref, cur, options.alpha),)
        before, after = share(float(ref.mean())), share(float(cur.mean()))
    else:
        method = "signed_rank"
        p_value = signed_rank(changes)
        effects = _order_effects(ref, cur, options.alpha)
        before, after = centres(ref, cur, metric.unit)
    moving = float((changes != 0).mean())
    floor = effects[0].floor
    needed = cases_needed(floor, max(moving, floor), alpha=level)
    shown = minimum_detectable_effect(n, moving, alpha=level)
    alone = minimum_detectable_effect(n, 1.0, alpha=level) ** 2
    is_enough = n >= LEAST_UNITS
    return replace(
        evidence,
        method=method,
        state="no_drift" if is_enough else "not_enough_data",
        p_value=p_value if is_enough else None,
        effects=effects,
        before=before,
        after=after,
        needs_n=max(LEAST_UNITS, needed),
        # A difference is made of prompts that move: their share is at least as large.
        detectable=min(1.0, max(shown, alone)),
    )


def compare_category_pairs(
    ref: pl.Series,
    cur: pl.Series,
    prompts: tuple[Ints, Ints],
    names: tuple[list[str], list[str]],
    metric: Metric,
    options: Options,
) -> Evidence | None:
    """Compare the categories of answers to the same prompts; None where they are not paired.

    The statistic is Σ_k (Σ_i d_ik)² / Σ_i d_ik², where d_ik is how many calls of prompt i moved
    to category k. Its p-value comes from swapping both windows, prompt by prompt (after Stuart
    1955, Biometrika 42, 412-416).

    Args:
        ref: the category of each call.
        cur: the same of the current window.
        prompts: what names the prompt of each call.
        names: of each call, such as span ids, to draw by.
        metric: what it is.
        options: whether to pair, seed and draws.
    """
    columns = read_column(ref, "category"), read_column(cur, "category")
    there = are_present(columns[0]), are_present(columns[1])
    matched = match_calls(prompts, there, names, options)
    if matched is None:
        return None
    chosen = [column.gather(calls) for column, calls in zip(columns, matched.calls, strict=True)]
    found = pl.concat([each.rename("level") for each in chosen]).unique().sort()
    before, after, levels = _pooled(chosen, found)
    n, calls = int(matched.prompts.size), before.size
    evidence = Evidence(
        metric=metric.name,
        kind=metric.kind,
        side=metric.side,
        method="none",
        state="identical",
        n_ref=calls,
        n_cur=calls,
        units_ref=n,
        units_cur=n,
        is_paired=True,
    )
    if len(found) <= 1:
        word = level_name(found[0]) if len(found) else ""
        return replace(evidence, before=word, after=word, note="every value is equal")
    if len(levels) < 2 or n < LEAST_UNITS:
        return replace(evidence, state="not_enough_data", needs_n=LEAST_UNITS)
    cells = n * len(levels)
    moves = [
        np.bincount(places * len(levels) + values, minlength=cells).reshape(n, -1)
        for places, values in zip(matched.places, (before, after), strict=True)
    ]
    share_ref, share_cur = (each.sum(0) / calls for each in moves)
    words = shares(levels, share_ref, share_cur)
    distance = float(np.abs(share_cur - share_ref).sum() / 2)
    return replace(
        evidence,
        method="homogeneity_paired",
        state="no_drift",
        p_value=_swapped((moves[1] - moves[0]).astype(np.float64), metric, options),
        effects=(Effect("tvd", distance, None, None, MIX_FLOOR),),
        before=words[0],
        after=words[1],
    )


def signed_rank(changes: Floats) -> float:
    """Return the two-sided p-value of changes that lie symmetric about 0.

    Wilcoxon's, with zeros ranked and left out (Pratt 1959, JASA 54, 655-667). Up to 25 changes
    every way to give them signs is counted, above that its normal limit.
    """
    if not changes.any():
        return 1.0
    if np.count_nonzero(changes) > _COUNTED:
        found = stats.wilcoxon(changes, zero_method="pratt", method="approx")
        return float(found.pvalue)
    doubled = np.rint(2 * stats.rankdata(np.abs(changes))).astype(np.int64)
    moved = changes != 0
    ranks, rising = doubled[moved], int(doubled[changes > 0].sum())
    chances = np.ones(1)
    for rank in ranks.tolist():
        shifted = np.zeros(chances.size + rank)
        shifted[: chances.size] += chances / 2
        shifted[rank:] += chances / 2
        chances = shifted
    total = int(ranks.sum())
    away = np.abs(2 * np.arange(total + 1) - total)
    return min(1.0, float(chances[away >= abs(2 * rising - total)].sum()))


def _risk_difference(ref: Floats, cur: Floats, alpha: float) -> Effect:
    """Return the difference with Tango's interval; of shares of several calls, that of a mean."""
    changes = cur - ref
    if np.isin(changes, (-1.0, 0.0, 1.0)).all():
        found = tango_interval(ref.size, int((changes < 0).sum()), int((changes > 0).sum()), alpha)
    else:
        found = mean_of(changes, lowest=-1.0, highest=1.0).interval(alpha)
    return Effect(
        "risk_difference",
        float(changes.mean()),
        found.lower,
        found.upper,
        rate_floor(float(ref.mean()), float(cur.mean())),
    )


def _order_effects(ref: Floats, cur: Floats, alpha: float) -> tuple[Effect, ...]:
    """Return the matched delta, prompts that rise less those that fall, and the distance."""
    rises, falls = int((cur > ref).sum()), int((cur < ref).sum())
    bounds = tango_interval(ref.size, falls, rises, alpha)
    delta = Effect("cliffs_delta", bounds.estimate, bounds.lower, bounds.upper, NUMBER_FLOOR)
    lowest, highest = clip_bounds(ref, cur)
    if lowest == highest:
        return (delta,)
    distance = Effect("wasserstein_sd", wasserstein(ref, cur), None, None, NUMBER_FLOOR)
    return tuple(sorted((delta, distance), key=lambda effect: -abs(effect.value)))


def _pooled(chosen: list[pl.Series], found: pl.Series) -> tuple[Ints, Ints, list[str]]:
    codes = pl.Enum(found)
    samples = [
        Sample(values, np.arange(values.size))
        for values in (each.cast(codes).to_physical().cast(pl.Int64).to_numpy() for each in chosen)
    ]
    if not samples[0].size:
        return samples[0].values, samples[1].values, []
    ref, cur, levels = pool_rare(samples[0], samples[1], found.to_list())
    return ref.values, cur.values, levels


def _swapped(moves: Floats, metric: Metric, options: Options) -> float:
    """Return the p-value of moves between categories, (prompts, categories)."""
    moves = moves[(moves != 0).any(1)]
    moves = moves[:, (moves != 0).any(0)]
    if not moves.size:
        return 1.0
    rng, spread = chance(options.seed, metric.name), (moves**2).sum(0)

    def draw(count: int) -> Floats:
        made = [
            ((draw_signs(min(step, count - start), moves.shape[0], rng) @ moves) ** 2 / spread)
            for start in range(0, count, step)
        ]
        return np.concatenate([each.sum(1) for each in made])

    step = max(1, _SIGNS // moves.shape[0])
    observed = float((moves.sum(0) ** 2 / spread).sum())
    return drawn_p_value(observed, draw, most_draws(options.permutations))
