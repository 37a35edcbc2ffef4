"""What tests of the card's words and forms tell of: findings made by hand, with round numbers."""

from dataclasses import replace
from datetime import UTC, datetime

from headway_measures.descriptors.catalog import METRICS
from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.metrics_found import CALL_METRICS, TEXT_METRICS, lacking_metric
from headway_measures.drift.results import (
    Card,
    ChangeTime,
    Coincidence,
    Effect,
    Evidence,
    Example,
    ExamplePair,
    Finding,
    Mix,
    Segment,
    Term,
)
from headway_measures.drift.windows import Options, Query

ACCURACY = Metric(
    "score:accuracy", "rate", "score", "", "accuracy", "accuracy rose", "accuracy fell"
)
NAMED = METRICS | {each.name: each for each in (*CALL_METRICS, *TEXT_METRICS, ACCURACY)}
NO_COST = lacking_metric(NAMED["cost_usd"])
NAMED = NAMED | {NO_COST.name: NO_COST}


def at(day: int, hour: int = 0) -> int:
    """Return a moment of May 2026."""
    return int(datetime(2026, 5, day, hour, tzinfo=UTC).timestamp()) * 10**9


def seen(name: str, effect: Effect | None, before: str, after: str, n: int = 1000) -> Evidence:
    """Return a drift of any kind, in the words that its test gives."""
    metric = NAMED[name]
    evidence = Evidence(name, metric.kind, metric.side, "m", "drift", n, n, n, n, p_value=1e-5)
    effects = () if effect is None else (effect,)
    return replace(evidence, effects=effects, before=before, after=after)


def rate(name: str, before: int, after: int, n: int = 1000) -> Evidence:
    """Return the drift of a rate, in per cent."""
    change = (after - before) / 100
    effect = Effect("risk_difference", change, change - 0.02, change + 0.02, 0.02)
    return seen(name, effect, f"{before} %", f"{after} %", n)


def number(name: str, before: str, after: str, delta: float) -> Evidence:
    """Return the drift of a number."""
    effect = Effect("cliffs_delta", delta, delta - 0.1, delta + 0.1, 0.1)
    return seen(name, effect, before, after)


def mix(name: str, before: str, after: str) -> Evidence:
    """Return the drift of a category."""
    return seen(name, Effect("tvd", 0.3, None, None, 0.05), before, after)


REFUSALS = rate("is_refusal", 5, 10)
SHORTER = number("answer_chars", "median 346 chars", "median 48 chars", -0.8)
WORDING = seen("answer_text", Effect("auc", 0.83, 0.8, 0.86, 0.52), "", "")
VECTORS = seen(
    "answer_embedding",
    Effect("mmd", 0.3, None, None, 0.01),
    "average likeness 0.21",
    "average likeness 0.35",
)
SINCE = ChangeTime(at(9, 14), at(9, 2), at(10, 4), 0.95)
NEW_VERSION = Coincidence("prompt_version", "triage-v3", at(9, 15), 0.0, 0.48, 0.003)


def card(findings: tuple[Finding, ...], **changes: object) -> Card:
    """Return a card of these findings, with a test of each kind of answer besides."""
    quiet = replace(rate("asks_back", 5, 6), state="no_drift", p_value=0.4, q_value=0.6)
    few = replace(
        number("cost_usd", "", "", 0.0), state="not_enough_data", p_value=None, needs_n=64
    )
    plain = Card(
        card_id="9f0c",
        verdict="drift",
        headline="Drift: answers got shorter.",
        reference=Query((("request_model", ("gpt-4",)),), at(1), at(8)),
        current=Query((("request_model", ("gpt-4",)),), at(8), None),
        n_ref=1000,
        n_cur=1,
        options=Options(seed=7),
        versions=(("headway", "0.1.0"), ("polars", "2.1.0")),
        fingerprint="77aa",
        findings=findings,
        tests=(*(each.evidence for each in findings), quiet, few),
        quality=(rate("score:accuracy", 84, 51),),
        notes=("texts are a sample of 4,000 a side",),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def explained(evidence: Evidence, text: str = "Sorry, but I can't") -> Finding:
    """Return a finding that has every part, with a text in every place where calls' texts are."""
    before = Example("s1", "t1", at(7), f"ask {text}", f"Of course, step 1. {text}", text)
    after = replace(before, span_id="s2", start_ns=at(9), answer=f"No, sorry, step 1. {text}")
    return Finding(
        replace(evidence, q_value=1e-4),
        f"Answers changed: {text}.",
        terms=(Term(text, "opener", 0.02, 0.87, 1e-9, 1e-8), Term(text, "word", 0.9, 0.1, 0, 0)),
        since=SINCE,
        segments=(Segment("kind:*", text, evidence), Segment(text, text, evidence)),
        mixes=(Mix(text, -0.2, -0.01, -0.19, 0.0, -0.22, -0.15),),
        coincidences=(replace(NEW_VERSION, value=text),),
        examples=(ExamplePair(before, after, True), ExamplePair(None, after, False)),
        rows=(("prompt_version", (text,)),),
    )


FULL = card((explained(REFUSALS), explained(SHORTER), explained(WORDING), explained(VECTORS)))
