from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.random import Generator
from scipy import stats

from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.smoothers import (
    connected_groups,
    draw_folds,
    fit_smoother,
    fold_aucs,
    measure_auc,
)
from headway_measures.drift.text_tests import TextResult, compare_texts
from headway_measures.drift.units import Texts
from headway_measures.drift.windows import Options
from tests.measures.simulations import Rate

METRIC = Metric("answer_text", "text", "answer", "", "wording of answers", "", "")
QUICK = Options(permutations=199)
WORDS = np.array([f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"])
CHANCES = 1 / np.arange(1, WORDS.size + 1)
CHANCES /= CHANCES.sum()


def write(rng: Generator, count: int, length: int = 12) -> list[str]:
    """Write texts of words as common as in a language."""
    return [" ".join(each) + "." for each in rng.choice(WORDS, (count, length), p=CHANCES)]


def calls(texts: list[str], first: int = 0) -> Texts:
    """Return texts that each have their own prompt and unit."""
    numbers = np.arange(first, first + len(texts))
    return Texts(texts, numbers, numbers)


def compare(ref: list[str], cur: list[str], options: Options = QUICK) -> TextResult:
    return compare_texts(calls(ref), calls(cur, len(ref)), METRIC, options)


def sessions(rng: Generator, count: int, first: int) -> Texts:
    """Draw sessions of 1 to 6 calls that share a topic, of prompts that many ask."""
    texts, prompts, units = [], [], []
    for unit in range(first, first + count):
        topic, prompt = " ".join(rng.choice(WORDS, 4)), int(rng.zipf(1.6))
        for text in write(rng, int(rng.integers(1, 7)), 6):
            texts.append(f"{topic} {text}")
            prompts.append(prompt)
            units.append(unit)
    return Texts(texts, np.array(prompts), np.array(units))


@pytest.mark.parametrize("width", [20, 200])
def test_each_row_is_fitted_by_the_other_folds_alone(width: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(3.0, 1.0, (90, width))
    labels = np.where(rng.random((90, 7)) < 0.4, 1.0, -1.0)
    folds = rng.integers(0, 5, 90)

    found = fit_smoother(rows, folds).scores(labels)

    penalty = float(((rows - rows.mean(axis=0)) ** 2).sum()) / min(rows.shape)
    for fold in range(5):
        test, train = folds == fold, folds != fold
        design = rows[train] - rows[train].mean(axis=0)
        target = labels[train] - labels[train].mean(axis=0)
        weights = np.linalg.solve(design.T @ design + penalty * np.eye(width), design.T @ target)
        expected = (rows[test] - rows[train].mean(axis=0)) @ weights + labels[train].mean(axis=0)
        assert found[test] == pytest.approx(expected, abs=1e-5)


def test_calls_that_share_a_prompt_or_a_unit_share_a_fold() -> None:
    prompts = np.array([1, 1, 2, 3, 3, 4, 5, 6, 7])
    units = np.array([1, 2, 2, 3, 4, 5, 6, 7, 8])

    groups = connected_groups(prompts, units)
    folds = draw_folds(groups, np.random.default_rng(0))

    assert len(set(groups[:3])) == len(set(groups[3:5])) == 1
    assert len(set(groups)) == 6
    assert len(set(folds[:3])) == len(set(folds[3:5])) == 1
    assert set(folds) == set(range(5))


def test_the_statistic_is_the_share_of_pairs_of_a_fold_that_are_ranked_rightly() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 4, 60) / 4, np.where(rng.random(60) < 0.5, 1.0, -1.0)
    folds = rng.integers(0, 3, 60)

    found = fold_aucs(scores[:, None], labels[:, None], folds)[0]

    wins = [
        (scores[i] > scores[j]) + (scores[i] == scores[j]) / 2
        for i in range(60)
        for j in range(60)
        if folds[i] == folds[j] and labels[i] > labels[j]
    ]
    assert found == pytest.approx(np.mean(wins), abs=1e-6)
    assert measure_auc(scores, labels, np.arange(60), folds)[0] == found


def test_the_standard_error_is_that_of_repeated_draws_of_units() -> None:
    rng = np.random.default_rng(0)
    found, errors = [], []
    labels, units = np.repeat([-1.0, 1.0], 120), np.repeat(np.arange(80), 3)
    for _ in range(300):
        scores = rng.normal(0, 1, 80)[units] + rng.normal(0, 0.5, 240) + labels / 2
        auc, error = measure_auc(scores, labels, units, np.zeros(240, np.int64))
        found.append(auc)
        errors.append(error)

    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.15)


def test_without_drift_p_values_are_uniform() -> None:
    """Sessions of unequal sizes whose calls are alike, about prompts that are asked again."""
    p_values = []
    for draw in range(40):
        rng = np.random.default_rng([3, draw])
        ref, cur = sessions(rng, 60, 0), sessions(rng, 50, 60)
        result = compare_texts(ref, cur, METRIC, Options(seed=draw, permutations=99))
        assert result.evidence.p_value is not None
        p_values.append(result.evidence.p_value)

    assert Rate(sum(p <= 0.05 for p in p_values), 40).lower <= 0.05
    assert Rate(sum(p <= 0.2 for p in p_values), 40).lower <= 0.2
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_without_drift_paired_p_values_are_uniform() -> None:
    """Each prompt has its own words, so that answers to it are alike in both windows."""
    p_values = []
    for draw in range(40):
        rng = np.random.default_rng([4, draw])
        topics = write(rng, 60, 5)
        prompts = np.arange(60)
        sides = [
            [f"{topic} {text}" for topic, text in zip(topics, write(rng, 60, 5), strict=True)]
            for _ in range(2)
        ]
        ref, cur = Texts(sides[0], prompts, prompts), Texts(sides[1], prompts, prompts + 60)
        options = Options(seed=draw, permutations=99)
        result = compare_texts(ref, cur, METRIC, options, is_paired=True)
        assert result.evidence.p_value is not None
        p_values.append(result.evidence.p_value)

    assert Rate(sum(p <= 0.05 for p in p_values), 40).lower <= 0.05
    assert Rate(sum(p <= 0.2 for p in p_values), 40).lower <= 0.2
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_a_tenth_of_the_answers_by_another_model_is_found_among_1500() -> None:
    """Told apart wherever they are, they lead to an AUC of .55, three of its spreads off."""
    rng = np.random.default_rng(1)
    cur = write(rng, 1_500)
    other = [" ".join(each) + "." for each in rng.choice(WORDS[::-1], (150, 12), p=CHANCES)]

    evidence = compare(write(rng, 1_500), cur[:1_350] + other, Options(permutations=99)).evidence

    assert evidence.p_value is not None
    assert evidence.p_value <= 0.02
    assert evidence.effects[0].value > evidence.effects[0].floor


def test_a_change_of_format_alone_is_found_among_100() -> None:
    rng = np.random.default_rng(2)
    ref, cur = write(rng, 100), write(rng, 100)
    listed = [text.replace(" ", "\n", 1) for text in cur]

    result = compare(ref, listed)

    assert result.evidence.p_value == 1 / 200
    assert result.evidence.effects[0].value > 0.95
    assert result.cur_scores.min() > result.ref_scores.max() - 1.0
    assert result.terms


def test_scores_are_of_the_texts_in_their_order() -> None:
    rng = np.random.default_rng(5)
    ref, cur = write(rng, 100), write(rng, 100)
    cur[7] = cur[7] + " sorry sorry"
    cur[50:] = [f"sorry {text}" for text in cur[50:]]

    result = compare(ref, cur)

    assert result.ref_scores.shape == result.cur_scores.shape == (100,)
    assert result.cur_scores[50:].min() > np.median(result.ref_scores)
    assert result.cur_scores[7] > np.median(np.r_[result.ref_scores, result.cur_scores[:50]])


def test_boilerplate_that_all_texts_share_is_no_matter() -> None:
    rng = np.random.default_rng(6)
    boilerplate = "As a large language model I can say the following. " * 5

    evidence = compare([boilerplate] * 99 + ["x"], [boilerplate] * 100).evidence
    longer = compare(
        [boilerplate + each for each in write(rng, 60)],
        [boilerplate + each for each in write(rng, 60)],
    ).evidence

    assert evidence.p_value is not None
    assert evidence.p_value > 0.05
    assert longer.p_value is not None
    assert longer.p_value > 0.01


@pytest.mark.parametrize("text", ["", "the same", "\ud800"])
def test_texts_that_are_all_the_same_are_identical(text: str) -> None:
    evidence = compare([text] * 60, [text] * 70).evidence

    assert evidence.state == "identical"
    assert evidence.p_value is None


def test_a_vocabulary_of_two_words_is_enough() -> None:
    rng = np.random.default_rng(7)
    ref = ["yes" if each else "no" for each in rng.random(200) < 0.3]
    cur = ["yes" if each else "no" for each in rng.random(200) < 0.7]

    assert compare(ref, cur).evidence.p_value == 1 / 200
    assert (compare(ref, ref[::-1]).evidence.p_value or 0) > 0.2
    assert compare([""] * 60, ["a"] * 60).evidence.p_value == 1 / 200


def test_too_few_units_are_said_to_be_so_with_how_many_it_takes() -> None:
    rng = np.random.default_rng(8)
    texts = write(rng, 400)
    one_unit = Texts(texts[:200], np.arange(200), np.zeros(200, np.int64))

    results = [
        compare(texts[:49], texts[100:300]),
        compare([], []),
        compare_texts(one_unit, calls(texts[200:], 1), METRIC, QUICK),
    ]

    for result in results:
        assert result.evidence.state == "not_enough_data"
        assert result.evidence.p_value is None
        assert (result.evidence.needs_n or 0) > 2_600
    assert results[0].evidence.units_ref == 49
    assert results[2].evidence.units_ref == 1
    assert np.isnan(results[0].cur_scores).all()


def test_prompts_of_a_paired_comparison_are_identical_by_design() -> None:
    metric = replace(METRIC, name="prompt_text", side="prompt")
    texts = calls(write(np.random.default_rng(9), 60))

    evidence = compare_texts(texts, texts, metric, QUICK, is_paired=True).evidence

    assert evidence.state == "identical"


def test_paired_answers_leave_out_prompts_that_one_window_asked() -> None:
    rng = np.random.default_rng(10)
    ref = calls(write(rng, 80))
    other = [f"elsewhere {text}" for text in write(rng, 40)]
    cur = Texts(write(rng, 80) + other, np.arange(120), np.arange(200, 320))

    paired = compare_texts(ref, cur, METRIC, QUICK, is_paired=True)

    assert (paired.evidence.p_value or 0) > 0.05
    assert paired.evidence.n_cur == 80
    assert np.isnan(paired.cur_scores[80:]).all()
    assert not np.isnan(paired.cur_scores[:80]).any()
    assert compare_texts(ref, cur, METRIC, QUICK).evidence.p_value == 1 / 200


def test_users_of_both_windows_change_places_with_themselves_alone() -> None:
    """A user's words are in both windows; half of the users write in the second one mostly."""
    rng = np.random.default_rng([11, 1])
    users = np.arange(60)
    ref_units = np.repeat(users, np.where(users < 30, 4, 1))
    cur_units = np.repeat(users, np.where(users < 30, 1, 4))
    topics = write(rng, 60, 6)

    def window(units: np.ndarray, first: int) -> Texts:
        own = [
            f"{topics[unit]} {text}"
            for unit, text in zip(units, write(rng, units.size, 3), strict=True)
        ]
        return Texts(own, np.arange(first, first + units.size), units)

    evidence = compare_texts(window(ref_units, 0), window(cur_units, 500), METRIC, QUICK).evidence

    assert (evidence.p_value or 0) > 0.05
    assert evidence.effects[0].value > evidence.effects[0].floor


def test_sessions_that_link_all_prompts_are_exchanged_as_sessions() -> None:
    rng = np.random.default_rng(12)
    prompts, units = np.tile([0, 1], 60), np.repeat(np.arange(60), 2)
    ref, cur = Texts(write(rng, 120), prompts, units), Texts(write(rng, 120), prompts, units + 60)

    evidence = compare_texts(ref, cur, METRIC, QUICK, is_paired=True).evidence

    assert evidence.p_value is not None
    assert not evidence.is_paired
    assert "folds" in evidence.note


def test_no_more_texts_are_looked_at_than_asked_for() -> None:
    rng = np.random.default_rng(13)

    result = compare(write(rng, 300), write(rng, 300), Options(text_rows=80, permutations=19))

    assert result.evidence.n_ref == result.evidence.n_cur == 80
    assert np.isfinite(result.ref_scores).sum() == 80


def test_a_comparison_made_again_is_the_same() -> None:
    rng = np.random.default_rng(14)
    ref, cur = write(rng, 80), write(rng, 80)

    first, again = compare(ref, cur), compare(ref, cur)

    assert first.evidence == again.evidence
    assert first.terms == again.terms
    assert (first.cur_scores == again.cur_scores).all()


def test_the_change_of_a_real_model_is_found_and_named(llmdrift_csv: Path) -> None:
    rows = pl.read_csv(llmdrift_csv, infer_schema_length=10_000)
    sides = [
        rows.filter(pl.col("model") == f"openaichat/gpt-3.5-turbo-{month}").sort("id")["answer"]
        for month in ("0301", "0613")
    ]
    prompts = np.arange(200)
    ref, cur = (
        Texts(side.to_list()[:200], prompts, prompts + 200 * place)
        for place, side in enumerate(sides)
    )

    result = compare_texts(ref, cur, METRIC, QUICK, is_paired=True)

    assert result.evidence.p_value == 1 / 200
    assert result.evidence.effects[0].value > 0.95
    assert any("[no]" in term.text.lower() for term in result.terms)
