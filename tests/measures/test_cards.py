"""The card of two windows: what it holds, that it is the same again, and when it is silent."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import polars as pl
import pytest

from headway_measures.descriptors.describing import describe
from headway_measures.drift.card_json import encode_card
from headway_measures.drift.cards import compare_windows, find_metrics
from headway_measures.drift.results import Card, Finding
from headway_measures.drift.sizes import rate_detectable
from headway_measures.drift.windows import Options, Query, Window
from tests.measures.simulations import ALPHA, Rate

DAY_NS = 86_400_000_000_000
WORDS = (
    "parcel", "refund", "order", "late", "label", "street", "door", "shop", "card", "bill",
    "courier", "box", "weight", "customs", "return", "store", "week", "price", "code", "app",
)  # fmt: skip
Change = Callable[[pl.DataFrame], pl.DataFrame]


def draw_window(
    seed: int, calls: int, first_day: int = 0, *, change: Change | None = None
) -> Window:
    """Return a week of support calls in sessions of one to three, all from one source."""
    rng = np.random.default_rng(seed)
    sessions = np.repeat(np.arange(calls), rng.integers(1, 4, calls))[:calls]
    kinds = rng.choice(["delivery", "refund", "account"], calls, p=[0.5, 0.3, 0.2])
    rows = pl.DataFrame(
        {
            "span_id": [f"{seed:06x}{call:010x}" for call in range(calls)],
            "trace_id": [f"{seed:016x}{call:016x}" for call in range(calls)],
            "session_id": [f"{seed}-{session}" for session in sessions],
            "start_ns": np.sort(rng.integers(0, 7 * DAY_NS, calls)) + first_day * DAY_NS,
            "request_model": rng.choice(["small", "large"], calls),
            "prompt_version": ["v1"] * calls,
            "tags": [[f"kind:{kind}"] for kind in kinds],
            "status": ["ok"] * calls,
            "finish_reason": ["stop"] * calls,
            "duration_ms": rng.lognormal(6, 1, calls),
            "input_tokens": rng.integers(20, 300, calls),
            "score:good": rng.random(calls) < 0.8,
            "prompt": [f"Where is my {_say(rng, 3, 9)}?" for _ in range(calls)],
            "answer": [f"Your {_say(rng, 5, 25)}." for _ in range(calls)],
        }
    )
    rows = change(rows) if change else rows
    return Window(Query(), pl.concat([rows, describe(rows)], how="horizontal"), calls)


def _say(rng: np.random.Generator, fewest: int, most: int) -> str:
    return " ".join(rng.choice(WORDS, int(rng.integers(fewest, most))))


def refuse_refunds(rows: pl.DataFrame) -> pl.DataFrame:
    """Let a new prompt version refuse what is asked of refunds."""
    refused = pl.lit("I'm sorry, but I can't assist with that request.")
    is_refund = pl.col("tags").list.contains("kind:refund")
    return rows.with_columns(
        answer=pl.when(is_refund).then(refused).otherwise("answer"), prompt_version=pl.lit("v2")
    )


@pytest.fixture(scope="module")
def refusing() -> Card:
    ref, cur = draw_window(1, 300), draw_window(2, 300, 7, change=refuse_refunds)
    return compare_windows(ref, cur, Options())


def finding_of(card: Card, metric: str) -> Finding:
    return next(each for each in card.findings if each.evidence.metric == metric)


def test_a_drift_is_told_since_when_for_whom_and_with_what_it_came(refusing: Card) -> None:
    found = finding_of(refusing, "is_refusal")

    assert refusing.verdict == "drift"
    assert found.evidence.before == "0 %"
    assert found.since is not None
    assert found.since.lower_ns <= 7 * DAY_NS <= found.since.upper_ns
    assert [(each.field, each.value) for each in found.segments][:1] == [("kind:*", "refund")]
    assert [(each.field, each.value) for each in found.coincidences] == [("prompt_version", "v2")]
    assert {pair.after and pair.after.answer for pair in found.examples} == {
        "I'm sorry, but I can't assist with that request."
    }
    assert ("tag", ("kind:refund",)) in found.rows
    assert "refund" in found.sentence


def test_words_explain_what_is_of_texts_and_are_not_told_of_everything(refusing: Card) -> None:
    told = [each.evidence.metric for each in refusing.findings if each.terms]

    assert {"answer_hash", refusing.findings[0].evidence.metric} == set(told)
    assert len(refusing.findings) > 2


def test_what_came_with_all_changes_is_told_once(refusing: Card) -> None:
    telling = [each for each in refusing.findings if "prompt version" in each.sentence]

    assert telling == [refusing.findings[0]]
    assert all(each.coincidences for each in refusing.findings)
    assert "when prompt version “v2” came: more answers refuse" in refusing.headline


def test_prompts_that_did_not_change_are_no_finding(refusing: Card) -> None:
    assert not [each for each in refusing.findings if each.evidence.side == "prompt"]


def test_what_says_the_same_is_one_finding_that_names_the_others(refusing: Card) -> None:
    drifted = [each.metric for each in refusing.tests if each.state == "drift"]
    heads = [each.evidence.metric for each in refusing.findings]
    texts = {"answer_text", "answer_embedding", "answer_clusters"}

    note = finding_of(refusing, "answer_hash").evidence.note
    assert texts <= set(drifted)
    assert not texts & set(heads)
    assert "the same shows in first words of answers" in note
    assert "groups of answers" in note
    assert len(drifted) > 2 * len(heads)


def test_hashes_are_written_as_the_texts_they_stand_for(refusing: Card) -> None:
    repeated = next(each for each in refusing.tests if each.metric == "answer_hash")

    assert "I'm sorry, but I can't assist" in repeated.after


def test_scores_stand_by_themselves_among_the_tests(refusing: Card) -> None:
    assert [each.metric for each in refusing.quality] == ["score:good"]


def test_a_test_that_fails_costs_itself_alone() -> None:
    ref, cur = draw_window(3, 80), draw_window(4, 80)
    broken = replace(ref, rows=ref.rows.with_columns(duration_ms=pl.lit([1.0])))

    card = compare_windows(broken, cur, Options(metrics=("duration_ms", "answer_chars")))

    states = {each.metric: each.state for each in card.tests}
    assert states == {"duration_ms": "failed", "answer_chars": "no_drift"}
    assert card.notes[-1] == "not compared, since the test failed: latency"


def test_empty_windows_are_not_enough_data() -> None:
    full = draw_window(5, 60)
    empty = replace(full, rows=full.rows.clear(), row_count=0)

    assert compare_windows(full, empty, Options()).verdict == "not_enough_data"
    assert compare_windows(empty, empty, Options()).verdict == "not_enough_data"
    only = Options(metrics=("answer_chars",))
    assert compare_windows(empty, empty, only).verdict == "not_enough_data"
    assert compare_windows(full, empty, only).verdict == "not_enough_data"


def test_calls_do_not_differ_from_themselves() -> None:
    window = draw_window(6, 120)
    again = replace(window, rows=window.rows.with_columns(pl.col("span_id").str.replace("^", "f")))

    card = compare_windows(window, again, Options())

    assert (card.verdict, card.findings) == ("no_drift", ())


def test_only_what_is_asked_for_is_compared() -> None:
    ref, cur = draw_window(7, 60), draw_window(8, 60)

    card = compare_windows(ref, cur, Options(metrics=("score:good", "tag:kind", "prompt_text")))

    assert [each.metric for each in card.tests] == ["score:good", "tag:kind", "prompt_text"]


def test_sizes_are_those_that_the_card_needs_not_those_of_one_test_alone() -> None:
    ref, cur = draw_window(11, 200), draw_window(12, 200)

    card = compare_windows(ref, cur, Options(metrics=("score:good", "is_refusal", "asks_back")))

    good = next(each for each in card.tests if each.metric == "score:good")
    # A quarter for scores and a half for columns, of which all are tests of nothing missing, too.
    level = ALPHA * (1 / 4) / (1 / 4 + 1 / 2)
    rate = float(good.before.removesuffix(" %")) / 100
    expected = rate_detectable(rate, good.units_ref, good.units_cur, level)
    assert good.detectable == pytest.approx(expected, rel=0.01)


def test_metrics_are_found_in_the_columns_by_their_values() -> None:
    rows = pl.DataFrame(
        {
            "score:flag": [1, 0, None],
            "score:grade": [1.5, 2.0, 3.0],
            "score:word": ["good", None, "bad"],
            "is_refusal": [True, False, True],
            "status": ["ok", "ok", "error"],
            "tags": [["kind:a"], [], ["kind:b", "loose"]],
        }
    )

    kinds = {each.name: each.kind for each in find_metrics(rows, rows.clear(), Options())}

    assert kinds == {
        "score:flag": "rate",
        "score:grade": "number",
        "score:word": "category",
        "is_refusal": "rate",
        "status": "category",
        "tag:kind": "category",
    }


def test_progress_is_told_stage_by_stage() -> None:
    told: list[tuple[str, int, int]] = []
    ref, cur = draw_window(9, 60), draw_window(10, 60, change=refuse_refunds)

    compare_windows(ref, cur, Options(), progress=lambda *each: told.append(each))

    assert list(dict.fromkeys(stage for stage, _, _ in told)) == [
        "columns",
        "texts",
        "explaining",
    ]
    assert all(0 <= done <= total for _, done, total in told)
    assert all((stage, total, total) in told for stage, _, total in told)


def test_the_same_windows_give_the_same_bytes_in_any_process(refusing: Card) -> None:
    program = (
        "import sys; from tests.measures.test_cards import *;"
        "ref, cur = draw_window(1, 300), draw_window(2, 300, 7, change=refuse_refunds);"
        "sys.stdout.buffer.write(encode_card(compare_windows(ref, cur, Options())))"
    )

    made = [
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads},
        ).stdout
        for seed, threads in (("0", "1"), ("1", "2"))
    ]

    assert made == [encode_card(refusing)] * 2


def test_windows_of_one_source_raise_no_more_false_alarms_than_alpha() -> None:
    draws = 20
    rng = np.random.default_rng(crc32(b"card, 120 v 120"))
    alarms = sum(
        compare_windows(
            draw_window(int(rng.integers(2**24)), 120),
            draw_window(int(rng.integers(2**24)), 120, 7),
            Options(seed=draw, permutations=199),
        ).verdict
        == "drift"
        for draw in range(draws)
    )

    assert Rate(alarms, draws).lower <= ALPHA


def test_a_session_in_both_windows_is_no_pair_of_prompts() -> None:
    def share(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.lit("always").alias("session_id"))

    windows = draw_window(1, 60, change=share), draw_window(2, 60, 7, change=share)
    options = Options(metrics=("answer_embedding", "answer_clusters"))

    tests = compare_windows(*windows, options).tests

    assert [(each.state, each.units_ref, each.is_paired) for each in tests] == [
        ("not_enough_data", 1, False)
    ] * 2
