"""Words that are plainly commoner in one window mark its texts, and by chance hardly any does."""

import numpy as np
import polars as pl

from headway_measures.drift.cards import compare_windows
from headway_measures.drift.marks import Marks, fit_marks
from headway_measures.drift.smoothers import fold_aucs
from headway_measures.drift.windows import Options, Query, Window
from headway_measures.representations import HashedText

WORDS = [f"{first}{second}" for first in "bcdfghjklm" for second in "aeiouyaeiouy"]


def texts_of(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 40)) for _ in range(count)]


def marks_of(texts: list[str], folds: np.ndarray) -> Marks:
    return fit_marks(HashedText().rows(texts), folds, 1.0)


def test_texts_with_a_word_that_is_commoner_now_are_marked_and_no_others() -> None:
    texts = texts_of(1_000, 1)
    labels = np.repeat([-1.0, 1.0], 500)
    is_changed = np.arange(1_000) % 10 == 9
    is_changed[:500] = False
    texts = [f"{text} whenever" if at else text for text, at in zip(texts, is_changed, strict=True)]
    folds = np.arange(1_000) // 20 % 5

    scores = marks_of(texts, folds).scores(labels[:, None])

    assert (scores[is_changed] > 0.4).all()
    assert (np.abs(scores[~is_changed]) < 0.1).mean() > 0.95
    assert fold_aucs(scores, labels[:, None], folds)[0] > 0.54


def test_a_word_that_is_rarer_now_marks_texts_of_the_window_before() -> None:
    texts = [*(f"{text} sincerely" for text in texts_of(200, 2)), *texts_of(200, 3)]
    labels = np.repeat([-1.0, 1.0], 200)

    scores = marks_of(texts, np.arange(400) % 5).scores(labels[:, None])

    assert (scores[:200] < -0.5).all()


def test_a_fold_is_not_judged_by_its_own_words() -> None:
    texts = texts_of(400, 4)
    labels = np.tile([-1.0, 1.0], 200)
    folds = np.arange(400) // 2 % 5
    is_marked = (labels > 0) & (folds == 0)
    texts = [f"{text} whenever" if at else text for text, at in zip(texts, is_marked, strict=True)]

    scores = marks_of(texts, folds).scores(labels[:, None])

    # It is a mark in all folds but the one that has it.
    assert np.abs(scores[is_marked]).max() < 0.1


def test_where_nothing_changed_marks_are_hardly_ever_seen() -> None:
    texts = texts_of(600, 5)
    rng = np.random.default_rng(6)
    labels = np.stack([rng.permutation(np.repeat([-1.0, 1.0], 300)) for _ in range(50)], axis=1)

    aucs = fold_aucs(marks_of(texts, np.arange(600) % 5).scores(labels), labels, np.arange(600) % 5)

    assert np.abs(aucs - 0.5).mean() < 0.005


def test_a_card_finds_answers_of_which_a_tenth_say_one_word_more() -> None:
    def window(first: int, *, has_more: bool) -> Window:
        answers = [
            f"{text} whenever" if has_more and place % 10 == 0 else text
            for place, text in enumerate(texts_of(800, first))
        ]
        rows = pl.DataFrame({"answer": answers, "prompt": "say"}).with_columns(
            pl.int_range(800).cast(pl.String).alias("span_id") + f"-{first}",
            start_ns=pl.int_range(800) + 1_000 * first,
        )
        return Window(Query(), rows.with_columns(trace_id=pl.col("span_id")), 800)

    options = Options(metrics=("answer_text",))
    (found,) = compare_windows(window(7, has_more=False), window(8, has_more=True), options).tests
    (same,) = compare_windows(window(7, has_more=False), window(9, has_more=False), options).tests

    assert found.state == "drift"
    assert found.after.endswith("by a few words")
    assert same.state == "no_drift"
