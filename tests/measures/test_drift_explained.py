"""What a whole card tells of a change: for whom it holds, and each thing once."""

import numpy as np
import polars as pl
import pytest

from headway_measures.descriptors.describing import describe
from headway_measures.drift.cards import compare_windows
from headway_measures.drift.results import Card
from headway_measures.drift.windows import Options, Query, Window

_HOUR = 3_600 * 10**9
_NOUNS = ["house", "river", "table", "garden", "letter", "music", "bread", "stone"]


def window(model: str, first_hour: int, seed: int, *, is_polite: bool) -> Window:
    """Return a day of calls, of which those on refunds may be answered politely."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(["refund", "delivery"], 240).tolist()
    said = [f"The {' '.join(rng.choice(_NOUNS, 8))} is here." for _ in kinds]
    answers = [
        f"Dear customer, with pleasure: {text}" if is_polite and kind == "refund" else text
        for text, kind in zip(said, kinds, strict=True)
    ]
    rows = pl.DataFrame(
        {
            "prompt": [f"{' '.join(rng.choice(_NOUNS, 6))}?" for _ in kinds],
            "answer": answers,
            "finish_reason": ["stop"] * 240,
            "span_id": [f"{first_hour}-{place}" for place in range(240)],
            "trace_id": [f"{first_hour}-{place}" for place in range(240)],
            "start_ns": [int((first_hour + place / 10) * _HOUR) for place in range(240)],
            "request_model": [model] * 240,
            "tags": [[f"kind:{kind}"] for kind in kinds],
        }
    )
    described = pl.concat([rows, describe(rows)], how="horizontal")
    return Window(Query((("request_model", (model,)),)), described, 240)


@pytest.fixture(scope="module")
def card() -> Card:
    """Two days, three months apart, of a model and its successor."""
    ref = window("small", 0, 1, is_polite=False)
    cur = window("large", 2_000, 2, is_polite=True)
    names = ("answer_text", "answer_chars")
    return compare_windows(ref, cur, Options(metrics=names, permutations=199, examples=1))


def test_for_whom_wording_changed_is_told_by_how_many_look_like_now(card: Card) -> None:
    (wording,) = (each for each in card.findings if each.evidence.metric in ("answer_text",))

    (refund, *_) = wording.segments
    assert (refund.field, refund.value) == ("kind:*", "refund")
    before, after = (
        float(each.split(" %")[0]) for each in (refund.evidence.before, refund.evidence.after)
    )
    assert before < 30
    assert after > 90
    assert refund.evidence.after.endswith(" % look like the current window")
    assert f"“kind:refund” ({refund.evidence.before} → {refund.evidence.after})" in wording.sentence


def test_the_gap_and_what_windows_were_chosen_by_are_told_once(card: Card) -> None:
    sentences = [each.sentence for each in card.findings]

    assert len(sentences) > 1
    assert "Most likely between the windows: after 1970-01-01 23:54 UTC and before" in sentences[0]
    assert "The windows were chosen by model: “small” before, “large” now." in sentences[0]
    for told in sentences[1:]:
        assert "between the windows" not in told
        assert "chosen" not in told
    assert card.headline.startswith("Drift, with model “large” instead of “small”: ")


def test_no_date_is_given_where_it_may_be_anywhere(card: Card) -> None:
    assert {each.since.note for each in card.findings if each.since} == {"between the windows"}
