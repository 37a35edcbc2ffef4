import numpy as np
import polars as pl
import pytest

from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.examples import MOST_CHARS, cut_text, pick_examples
from headway_measures.drift.results import ExamplePair
from headway_measures.drift.windows import Query, Window

REFUSED = Metric("is_refusal", "rate", "answer", "", "refusals", "more refusals", "fewer refusals")
CHARS = Metric(
    "answer_chars", "number", "answer", "chars", "length of answers", "longer", "shorter"
)
OPENER = Metric("opener", "category", "answer", "", "opener", "", "")
TEXT = Metric("answer", "text", "answer", "", "answers", "", "")
TOPIC = Metric("prompt_language", "category", "prompt", "", "language of prompts", "", "")


def window(name: str, rows: pl.DataFrame) -> Window:
    rows = rows.with_columns(
        span_id=pl.format("{}{}", pl.lit(name), pl.int_range(pl.len())),
        trace_id=pl.lit("t"),
        start_ns=pl.int_range(pl.len()),
    )
    return Window(Query(), rows, rows.height)


def refusing(name: str, prompts: list[str], refused: list[bool]) -> Window:
    answers = [f"{name} no" if no else f"{name} yes" for no in refused]
    return window(name, pl.DataFrame({"prompt": prompts, "answer": answers, "is_refusal": refused}))


def flags(pairs: tuple[ExamplePair, ...]) -> list[bool]:
    return [pair.is_same_prompt for pair in pairs]


def test_answers_to_the_same_prompt_that_flipped_come_first() -> None:
    prompts = [f"prompt {place}" for place in range(100)]
    ref = refusing("r", prompts, [place < 10 for place in range(100)])
    cur = refusing("c", prompts[::-1], [place >= 60 for place in range(100)])

    pairs = pick_examples(ref, cur, REFUSED, None, 6)

    assert flags(pairs) == [True] * 6
    for pair in pairs:
        assert pair.before is not None
        assert pair.after is not None
        assert pair.before.prompt == pair.after.prompt
        assert (pair.before.answer, pair.after.answer) == ("r yes", "c no")
        assert (pair.before.why, pair.after.why) == ("refusals: no", "refusals: yes")


def test_pairs_that_tell_most_on_both_sides_come_first() -> None:
    prompts = [f"p{place}" for place in range(100)]
    openers = ["common"] * 60 + ["rare"] * 40
    ref = window("r", pl.DataFrame({"prompt": prompts, "answer": openers, "opener": openers}))
    cur = window(
        "c", pl.DataFrame({"prompt": prompts, "answer": ["new"] * 100, "opener": ["new"] * 100})
    )

    pairs = pick_examples(ref, cur, OPENER, None, 8)

    assert {pair.before.answer for pair in pairs if pair.before} == {"common"}


def test_where_no_prompt_is_the_same_the_nearest_prompt_stands_beside() -> None:
    lengths = [10, 100, 1_000] * 30
    rows = pl.DataFrame({"prompt_chars": lengths})
    ref = window(
        "r",
        rows.with_columns(
            prompt=pl.format("old {}", pl.int_range(90)),
            answer=pl.lit("fine"),
            is_refusal=pl.lit(value=False),
        ),
    )
    cur = window(
        "c",
        rows.with_columns(
            prompt=pl.format("new {}", pl.int_range(90)),
            answer=pl.lit("sorry"),
            is_refusal=pl.lit(value=True),
        ),
    )
    by_span = dict(zip(ref.rows["span_id"], lengths, strict=True)) | dict(
        zip(cur.rows["span_id"], lengths, strict=True)
    )

    pairs = pick_examples(ref, cur, REFUSED, None, 6)

    assert flags(pairs) == [False] * 6
    for pair in pairs:
        assert pair.before is not None
        assert pair.after is not None
        assert by_span[pair.before.span_id] == by_span[pair.after.span_id]
    assert len({pair.before.span_id for pair in pairs if pair.before}) == 6


def test_the_longest_answers_are_not_picked_for_being_long() -> None:
    rng = np.random.default_rng(1)

    def answers(name: str, scale: float) -> Window:
        chars = np.exp(rng.normal(np.log(scale), 1, 1_000)).astype(np.int64)
        prompts = [f"{name} {place}" for place in range(1_000)]
        return window(
            name, pl.DataFrame({"prompt": prompts, "answer": prompts, "answer_chars": chars})
        )

    cur = answers("c", 300)
    longest = set(cur.rows.sort("answer_chars")["span_id"][-10:])

    pairs = pick_examples(answers("r", 200), cur, CHARS, None, 6)

    picked = {pair.after.span_id for pair in pairs if pair.after}
    assert len(picked) == 6
    assert len(picked & longest) <= 1


def test_a_common_new_value_is_what_is_shown() -> None:
    rng = np.random.default_rng(2)
    prompts = [f"p{place}" for place in range(400)]
    before = rng.integers(200, 2_000, 400)
    after = np.where(rng.random(400) < 0.5, 36, rng.integers(200, 2_000, 400))
    frames = [
        pl.DataFrame(
            {"prompt": prompts, "answer": [f"{side}{n}" for n in chars], "answer_chars": chars}
        )
        for side, chars in (("r", before), ("c", after))
    ]

    pairs = pick_examples(window("r", frames[0]), window("c", frames[1]), CHARS, None, 5)

    assert {pair.after.why for pair in pairs if pair.after} == {"length of answers: 36 characters"}


def test_scores_of_texts_say_what_is_telling() -> None:
    prompts = [f"p{place}" for place in range(200)]
    ref = window("r", pl.DataFrame({"prompt": prompts, "answer": ["a"] * 200}))
    cur = window("c", pl.DataFrame({"prompt": prompts[::-1], "answer": ["b"] * 200}))
    rng = np.random.default_rng(3)
    scores = {name: rng.normal() for side in (ref, cur) for name in side.rows["span_id"]}
    scores |= {name: rng.normal(5) for name in cur.rows["span_id"][:20]}

    pairs = pick_examples(ref, cur, TEXT, scores, 4)

    shown = [pair.after for pair in pairs if pair.after]
    assert len(shown) == 4
    assert all(scores[example.span_id] > 2 for example in shown)
    assert {example.why for example in shown} == {"typical of this window"}


def test_the_order_of_rows_does_not_change_what_is_drawn() -> None:
    ref = refusing("r", [f"a{place}" for place in range(80)], [False] * 80)
    cur = refusing("c", [f"a{place}" for place in range(40, 120)], [True] * 80)
    shuffled = [
        Window(side.query, side.rows.sample(fraction=1, shuffle=True, seed=3), side.row_count)
        for side in (ref, cur)
    ]

    drawn = pick_examples(ref, cur, REFUSED, None, 6)

    assert drawn == pick_examples(shuffled[0], shuffled[1], REFUSED, None, 6)
    assert drawn != pick_examples(ref, cur, REFUSED, None, 6, seed=1)


def test_prompts_that_changed_are_not_paired_with_themselves() -> None:
    ref = window(
        "r",
        pl.DataFrame({"prompt": ["hi", "hello"] * 40, "answer": ["x"] * 80}).with_columns(
            prompt_language=pl.lit("en")
        ),
    )
    cur = window(
        "c",
        pl.DataFrame({"prompt": ["hi", "hallo", "moin"] * 30, "answer": ["y"] * 90}).with_columns(
            prompt_language=pl.when(pl.col("prompt") == "hi")
            .then(pl.lit("en"))
            .otherwise(pl.lit("de"))
        ),
    )

    pairs = pick_examples(ref, cur, TOPIC, None, 6)

    assert not any(flags(pairs))
    assert {pair.after.prompt for pair in pairs if pair.after} == {"hallo", "moin"}


def test_answers_whose_prompts_are_unknown_are_shown_each_for_itself() -> None:
    def answers(name: str, refused: bool) -> Window:
        rows = {"answer": [f"{name}{place}" for place in range(9)], "is_refusal": [refused] * 9}
        return window(name, pl.DataFrame(rows).with_columns(prompt=pl.lit(None, pl.String)))

    pairs = pick_examples(answers("r", refused=False), answers("c", refused=True), REFUSED, None, 4)

    assert flags(pairs) == [False] * 4
    assert len({pair.after.answer for pair in pairs if pair.after}) == 4


def test_why_says_where_a_call_has_no_value() -> None:
    rows = pl.DataFrame({"prompt": ["p"] * 20, "answer": [f"a{place}" for place in range(20)]})
    known = rows.with_columns(answer_chars=pl.lit(1_234.5))
    ref = window("r", rows.with_columns(answer_chars=pl.lit(None, pl.Float64)))
    cur = window("c", pl.concat([known, rows.with_columns(answer_chars=pl.lit(float("nan")))]))

    (pair,) = pick_examples(ref, cur, CHARS, None, 6)

    assert pair.before is not None
    assert pair.after is not None
    assert pair.before.why == "length of answers: none"
    assert pair.after.why == "length of answers: 1,234 characters"


def test_calls_without_texts_and_empty_windows_have_no_examples() -> None:
    rows = pl.DataFrame(
        {"prompt": [None, "p"], "answer": [None, None], "opener": ["a", "b"]},
        schema={"prompt": pl.String, "answer": pl.String, "opener": pl.String},
    )
    full, empty = window("r", rows), window("c", rows[:0])

    pairs = pick_examples(full, empty, OPENER, None, 6)

    assert [pair.before and pair.before.span_id for pair in pairs] == ["r1"]
    assert [pair.after for pair in pairs] == [None]
    assert pick_examples(empty, empty, OPENER, None, 6) == ()
    assert pick_examples(full, full, OPENER, None, 0) == ()


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("word " * 400, "word …"),
        ("A sentence of words. " * 60, "words. …"),
        ("line of code\n" * 90, "code …"),
        ("x" * 2_000, "x …"),
        ("first part " * 40 + "\n\n" + "rest " * 300, "first part …"),
    ],
)
def test_long_texts_are_cut_where_something_ends(text: str, end: str) -> None:
    cut = cut_text(text)

    assert len(cut) <= MOST_CHARS
    assert cut.endswith(end)
    assert text.startswith(cut.removesuffix(" …"))


def test_short_texts_stay_whole() -> None:
    assert cut_text("x" * MOST_CHARS) == "x" * MOST_CHARS
    assert cut_text("") == ""


def test_calls_of_the_same_tag_stand_side_by_side() -> None:
    kinds = ["order", "refund", "account"] * 20

    def answers(name: str, refused: bool) -> Window:
        turned = kinds if name == "r" else kinds[1:] + kinds[:1]
        rows = {
            "prompt": [f"{name}{place}" for place in range(60)],
            "answer": turned,
            "is_refusal": [refused] * 60,
            "tags": [[f"kind:{kind}"] for kind in turned],
        }
        return window(name, pl.DataFrame(rows))

    pairs = pick_examples(answers("r", refused=False), answers("c", refused=True), REFUSED, None, 6)

    assert flags(pairs) == [False] * 6
    for pair in pairs:
        assert pair.before is not None
        assert pair.after is not None
        assert pair.before.answer == pair.after.answer


def test_the_likest_of_all_pairs_are_shown() -> None:
    def answers(name: str, lengths: list[int], refused: bool) -> Window:
        rows = {
            "prompt": [f"{name}{place}" for place in range(40)],
            "answer": [str(length) for length in lengths],
            "prompt_chars": lengths,
            "is_refusal": [refused] * 40,
        }
        return window(name, pl.DataFrame(rows))

    ref = answers("r", [*range(100, 138), 7, 9], refused=False)
    cur = answers("c", [*range(1_000, 1_038), 7, 9], refused=True)

    pairs = pick_examples(ref, cur, REFUSED, None, 2)

    shown = {
        (pair.before and pair.before.answer, pair.after and pair.after.answer) for pair in pairs
    }
    assert shown == {("7", "7"), ("9", "9")}


def test_what_is_rare_beside_the_change_is_no_example_of_it() -> None:
    prompts = [f"p{place}" for place in range(200)]
    ref = window(
        "r",
        pl.DataFrame({"prompt": prompts, "answer": prompts}).with_columns(opener=pl.lit("well")),
    )
    same = pl.DataFrame({"prompt": prompts[:3], "answer": ["x"] * 3, "opener": ["rare"] * 3})
    new = pl.DataFrame(
        {
            "prompt": [f"n{place}" for place in range(97)],
            "answer": ["y"] * 97,
            "opener": ["no"] * 97,
        }
    )
    cur = window("c", pl.concat([same, new]))

    pairs = pick_examples(ref, cur, OPENER, None, 3)

    assert {pair.after.answer for pair in pairs if pair.after} == {"y"}


def test_a_text_that_nobody_has_read_is_no_reason() -> None:
    hashed = Metric("answer_hash", "category", "answer", "", "repeated answers", "", "")
    prompts = [f"p{place}" for place in range(40)]
    frame = pl.DataFrame({"prompt": prompts, "answer": prompts})
    ref = window("r", frame.with_columns(answer_hash=pl.format("{}12345678901", pl.int_range(40))))
    cur = window(
        "c", frame.with_columns(answer=pl.lit("no"), answer_hash=pl.lit("Order 12 is out"))
    )

    (pair,) = pick_examples(ref, cur, hashed, None, 1)

    assert pair.before is not None
    assert pair.after is not None
    assert (pair.before.why, pair.after.why) == ("", "repeated answers: Order # is out")
