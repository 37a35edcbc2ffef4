"""Changes planted in calls that are otherwise alike, and how often they are found.

The sizes are those that theory says are enough for four in five: of a rate by its formula, of
texts the 3,000 a side at which their test's own spread shows a change of its floor.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from zlib import crc32

import numpy as np
import polars as pl
from numpy.random import Generator

from headway_measures.drift.cards import compare_windows, find_metrics
from headway_measures.drift.columns import compare_column, missing_metric
from headway_measures.drift.decisions import SHARES, levels_of
from headway_measures.drift.metrics_found import TEXT_METRICS
from headway_measures.drift.sizes import POWER, rate_needs
from headway_measures.drift.units import Units
from headway_measures.drift.windows import Options, Window
from tests.benchmarks import drift_calls
from tests.benchmarks.drift_evidently import Evidently
from tests.benchmarks.results import say, table
from tests.measures.drift_worlds import metric_of
from tests.measures.simulations import ALPHA, Rate

BEFORE, AFTER = 0.05, 0.10
"""Of refusals."""

_TEXT_TESTS = 2  # prompts and answers share the part of texts
_PROBE_ROWS = 500  # calls in which the columns of a card are looked for
_HABITS = {
    " if ": " whenever ",
    " can ": " is able to ",
    " may ": " might ",
    " this ": " the given ",
    " which ": " that ",
    " returns ": " gives back ",
    " value ": " quantity ",
    " object ": " entity ",
    " function ": " routine ",
    " default ": " standard ",
    " used ": " employed ",
    " list ": " sequence ",
}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is drawn.

    Args:
        rate_draws: of a rate alone.
        card_draws: of whole cards.
        text_draws: of the test of texts.
        peer_draws: of these, for Evidently.
        text_rows: a side.
        card_rows: a side; None for what theory says is enough.
    """

    rate_draws: int = 1_000
    card_draws: int = 60
    text_draws: int = 24
    peer_draws: int = 6
    text_rows: int = 3_000
    card_rows: int | None = None
    processes: int = 2


FULL = Sizes()
QUICK = Sizes(2, 1, 1, 1, 60, 60)


@dataclass(frozen=True, slots=True)
class Power:
    """How often a change was found.

    Args:
        alone: where it is the only test.
        on_card: where all the others of a card are run, too; None where that was not asked.
        theirs: by Evidently's default on the same calls.
        has_bar: whether it must be found in four draws of five.
    """

    change: str
    rows: int
    alone: Rate | None = None
    on_card: Rate | None = None
    theirs: Rate | None = None
    has_bar: bool = True

    @property
    def is_missed(self) -> bool:
        """Return whether it is surely found too seldom."""
        decisive = self.on_card or self.alone
        return self.has_bar and decisive is not None and decisive.upper < POWER


def imitate(text: str) -> str:
    """Return the text as another model might write it: the same, with other habits."""
    for own, other in _HABITS.items():
        text = text.replace(own, other)
    return text


def reflow(text: str) -> str:
    """Return the text with a sentence a line, of as many characters and the same words."""
    return text.replace("\n", " ").replace(". ", ".\n")


TEXT_CHANGES: Mapping[str, tuple[Callable[[str], str], float, bool]] = {
    "10 % of answers are another model's": (imitate, 0.10, True),
    "5 % of answers are another model's": (imitate, 0.05, False),
    "2 % of answers are another model's": (imitate, 0.02, False),
    "20 % of answers in other lines, same length and words": (reflow, 0.20, True),
}
"""What is planted, in which share of answers, and whether it must be found."""


def measure(sizes: Sizes, *, has_peer: bool) -> tuple[list[str], list[str]]:
    """Return the table of what was found, and what was found too seldom."""
    sizes = sizes if has_peer else replace(sizes, peer_draws=0)
    jobs: list[tuple[str, float]] = [("rate", 0.05), ("rate", 0.01), ("card", ALPHA)]
    jobs += [(change, 0.0) for change in TEXT_CHANGES]
    with ProcessPoolExecutor(sizes.processes, get_context("spawn")) as pool:
        powers = list(pool.map(_run, jobs, [sizes] * len(jobs)))
    rows = [
        [
            each.change,
            f"{each.rows:,}",
            _say(each.alone),
            _say(each.on_card),
            _say(each.theirs) if has_peer else "NOT RUN",
        ]
        for each in powers
    ]
    heads = ["change", "calls a side", "found alone", "found on a card", "Evidently"]
    lines = [
        f"Draws: {sizes.rate_draws:,} of a rate, {sizes.card_draws:,} of cards, "
        f"{sizes.text_draws:,} of texts, of which Evidently sees {sizes.peer_draws:,}.",
        "",
        *table(heads, rows),
    ]
    faults = [f"power: {each.change} is found too seldom" for each in powers if each.is_missed]
    return lines, faults


def _run(job: tuple[str, float], sizes: Sizes) -> Power:
    name, alpha = job
    found = (
        _rate(alpha, sizes)
        if name == "rate"
        else _card(sizes)
        if name == "card"
        else _text(name, sizes)
    )
    say(f"{found.change}: alone {_say(found.alone)}, on a card {_say(found.on_card)}")
    return found


def _rate(alpha: float, sizes: Sizes) -> Power:
    """Plant refusals and count them, by the test of rates alone."""
    n = rate_needs(BEFORE, AFTER, alpha)
    rng = _rng(f"refusals at {alpha}")
    units = Units(np.arange(n), np.arange(n, 2 * n))
    names = [f"r{place}" for place in range(n)], [f"c{place}" for place in range(n)]
    hits = 0
    for _ in range(sizes.rate_draws):
        ref, cur = (pl.Series(rng.random(n) < rate) for rate in (BEFORE, AFTER))
        options = Options(alpha=alpha)
        (evidence,) = compare_column(ref, cur, metric_of("rate"), options, units, names)
        hits += (evidence.p_value or 0.0) <= alpha
    change = f"refusals from {BEFORE:.0%} to {AFTER:.0%}, at {alpha:.0%} of false alarms"
    return Power(change, n, alone=Rate(hits, sizes.rate_draws))


def _card(sizes: Sizes) -> Power:
    """Plant refusals in whole calls, and look for them on the card."""
    n = sizes.card_rows or rate_needs(BEFORE, AFTER, _card_level())
    rng = _rng("refusals on a card")
    answers = drift_calls.pool().answers
    refusing = answers["is_refusal"].to_numpy()
    kept = refusing.size - len(drift_calls.TEMPLATES)
    of_either = np.flatnonzero(~refusing[:kept]), np.flatnonzero(refusing[:kept])

    def window(rate: float, day: int) -> Window:
        places = np.where(
            rng.random(n) < rate, rng.choice(of_either[1], n), rng.choice(of_either[0], n)
        )
        prompts = drift_calls.pool().prompts[places // drift_calls.ANSWERS]
        return drift_calls.make_window(rng, prompts, answers[places], np.arange(n), day)

    hits = 0
    for number in range(sizes.card_draws):
        card = compare_windows(window(BEFORE, 0), window(AFTER, 1), Options(seed=number))
        drifted = {each.metric for each in card.tests if each.state == "drift"}
        hits += "is_refusal" in drifted
    change = f"refusals from {BEFORE:.0%} to {AFTER:.0%}, as the card counts them"
    return Power(change, n, on_card=Rate(hits, sizes.card_draws))


def _card_level() -> float:
    """Return the p-value by which a column of such calls is a drift where no other test is."""
    ref, cur = drift_calls.draw_windows("calls", _rng("a probe"), _PROBE_ROWS, _PROBE_ROWS)
    columns = find_metrics(ref.rows, cur.rows, Options())
    metrics = [*columns, *map(missing_metric, columns), *TEXT_METRICS]
    return levels_of(metrics, ALPHA)["column"]


def _text(change: str, sizes: Sizes) -> Power:
    """Plant other answers, and tell the windows apart by the test of texts."""
    alter, share, has_bar = TEXT_CHANGES[change]
    rng, n = _rng(change), sizes.text_rows
    least = ALPHA * SHARES["text"] / _TEXT_TESTS
    alone = on_card = 0
    frames = []
    for number in range(sizes.text_draws):
        ref, cur = drift_calls.draw_windows("calls", rng, n, n)
        planted = zip(cur.rows["answer"].to_list(), rng.random(n) < share, strict=True)
        answers = pl.Series("answer", [alter(text) if is_hit else text for text, is_hit in planted])
        cur = replace(cur, rows=cur.rows.with_columns(answers))
        options = Options(seed=number, metrics=("answer_text",))
        (test,) = compare_windows(ref, cur, options).tests
        p_value = 1.0 if test.p_value is None else test.p_value
        alone += test.state == "drift"
        on_card += test.state == "drift" and p_value <= least
        if number < sizes.peer_draws:
            frames.append((ref.rows.select("answer"), cur.rows.select("answer")))
    rates = Rate(alone, sizes.text_draws), Rate(on_card, sizes.text_draws)
    return Power(change, n, *rates, _peer(frames), has_bar)


def _peer(frames: Sequence[tuple[pl.DataFrame, pl.DataFrame]]) -> Rate | None:
    if not frames:
        return None
    with Evidently() as peer:
        found = [bool(peer.verdicts(*each, {"answer": "text"})["answer"]) for each in frames]
    return Rate(sum(found), len(found))


def _rng(name: str) -> Generator:
    return np.random.default_rng(crc32(f"power: {name}".encode()))


def _say(rate: Rate | None) -> str:
    return "–" if rate is None else f"{100 * rate.value:.0f} %"
