"""Descriptors of hand-made calls: what each column says, and that nothing else moves it."""

import json
import os
import subprocess
import sys
import time
from typing import Any

import polars as pl
import pytest

from headway_measures.descriptors.catalog import GROUPS, KEYS, METRICS, SCHEMA
from headway_measures.descriptors.describing import describe

_FENCE = "```"
_PROSE = (
    "The committee of the town has decided that the bridge over the river will be closed for "
    "repairs in the spring, and that a ferry is to carry everyone who lives on the other side."
)
HOSTILE = [
    None,
    "",
    " \r\n\t ",
    "\x00",
    "nul\x00inside",
    "🙂" * 50,
    "👩‍👩‍👧‍👦 e\u0301",
    "line\r\nline\r\n",
    "مرحبا كيف حالك \u202e ltr",
    f"````md\n{_FENCE}py\nx\n{_FENCE}\n````",
    _FENCE,
    '{"a": [1, ',
    "[" + "9" * 9_000 + "]",
    _FENCE + " " * 300_000 + "x",
    "word\n" + " \n" * 100_000,
    "[" * 100_000,
    "a" * 1_000_000,
    "word " * 200_000,
    "\ufffd\ud7ff\U0010ffff\U0002a6d6",
    "-" * 5_000,
    "1" * 5_000,
    _PROSE,
]


def frame_of(answers: list[str | None], prompt: str | None = "Hello", reason: Any = None) -> Any:
    return pl.DataFrame(
        {
            "prompt": [prompt] * len(answers),
            "answer": answers,
            "finish_reason": [reason] * len(answers),
        },
        schema={"prompt": pl.String, "answer": pl.String, "finish_reason": pl.String},
    )


def answer(text: str | None, **others: Any) -> dict[str, Any]:
    return describe(frame_of([text], **others)).row(0, named=True)


def test_the_columns_are_those_of_the_catalog_also_of_no_calls() -> None:
    described = describe(frame_of([]))

    assert dict(described.schema) == SCHEMA
    assert set(METRICS) | set(KEYS) == set(SCHEMA)
    assert sum(len(metrics) for metrics in GROUPS.values()) == len(METRICS)


def test_every_metric_says_what_it_compares() -> None:
    kinds = {pl.Int64: "number", pl.Float64: "number", pl.Boolean: "rate", pl.String: "category"}

    for metric in METRICS.values():
        is_key = metric.name.endswith("_hash")
        assert metric.kind == ("category" if is_key else kinds[SCHEMA[metric.name]])
        assert all([metric.label, metric.rises, metric.falls])
        assert (metric.rises == metric.falls) == (metric.kind == "category")
    assert METRICS["prompt_copy_share"].side == "answer"
    assert METRICS["has_prompt_code"].side == "prompt"


def test_a_row_is_the_same_alone_and_in_any_batch() -> None:
    frame = frame_of([each for each in HOSTILE if each is None or len(each) < 10_000])
    batch = pl.concat([frame, frame_of([_PROSE] * 600), frame.reverse()])

    together = describe(batch)

    assert together.head(frame.height).equals(describe(frame), null_equal=True)
    assert together.tail(frame.height).reverse().equals(describe(frame), null_equal=True)
    for row in range(frame.height):
        assert describe(frame.slice(row, 1)).equals(together.slice(row, 1), null_equal=True)


def test_any_number_of_calls_can_be_described_at_once() -> None:
    assert describe(frame_of(["x"] * 17_000))["answer_chars"].sum() == 17_000


def test_another_process_gives_the_same_values() -> None:
    program = (
        "import polars as pl, json, sys\n"
        "from headway_measures.descriptors.describing import describe\n"
        "texts = json.load(sys.stdin)\n"
        "nothing = [None] * len(texts)\n"
        "frame = {'prompt': texts, 'answer': texts, 'finish_reason': nothing}\n"
        "sys.stdout.write(describe(pl.DataFrame(frame)).write_json())\n"
    )
    texts = [each for each in HOSTILE if each is not None and 1 < len(each) < 10_000]

    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(texts),
            env=os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1")
    ]

    assert outputs[0] == outputs[1]
    assert json.loads(outputs[0])[-1]["answer_hash"] == answer(_PROSE)["answer_hash"]


def test_stored_hashes_never_change() -> None:
    """A changed value is a new ``VERSION``: rows of two hashes cannot be compared."""
    described = answer("Where is the parcel that I sent to my aunt 12 days ago?")

    names = ("prompt_hash", "answer_hash", "template_hash", "sketch_1", "sketch_2")
    assert [described[name] for name in names] == [
        4349503209558009990,
        -7713072648204499261,
        8657840750018181081,
        -6029428478338824895,
        6369526216694086157,
    ]


def test_hostile_texts_cost_nothing_else() -> None:
    hostile = describe(frame_of([*HOSTILE, "plain text"]))

    assert hostile.height == len(HOSTILE) + 1
    assert hostile.tail(1).equals(describe(frame_of(["plain text"])), null_equal=True)
    assert describe(frame_of(HOSTILE, prompt=None)).height == len(HOSTILE)


def test_no_answer_is_null_and_an_empty_one_is_zero() -> None:
    absent, empty = answer(None), answer("")

    of_answers = [name for name in SCHEMA if "prompt" not in name or name == "prompt_copy_share"]
    assert all(absent[name] is None for name in of_answers)
    assert absent["prompt_chars"] == 5
    assert (empty["answer_chars"], empty["answer_words"], empty["answer_lines"]) == (0, 0, 0)
    assert empty["is_refusal"] is False
    assert empty["digit_share"] is None


def test_no_prompt_is_null() -> None:
    described = answer(_PROSE, prompt=None)

    prompts = [name for name in SCHEMA if "prompt" in name]
    assert all(described[name] is None for name in prompts)
    assert described["answer_chars"] == len(_PROSE)


@pytest.mark.parametrize(
    ("text", "chars", "words", "lines"),
    [
        ("one two\nthree", 13, 3, 2),
        ("one\r\ntwo\r\n", 10, 2, 2),
        ("don't", 5, 2, 1),
        ("日本語 ok", 6, 4, 1),
        ("🙂", 1, 0, 1),
        ("\n\n", 2, 0, 2),
        ("नमस्ते दुनिया", 13, 2, 1),
    ],
)
def test_lengths(text: str, chars: int, words: int, lines: int) -> None:
    described = answer(text)

    found = (described["answer_chars"], described["answer_words"], described["answer_lines"])
    assert found == (chars, words, lines)


def test_shares_of_characters() -> None:
    described = answer("AB c1.é!2 x")

    assert described["upper_share"] == pytest.approx(2 / 11)
    assert described["digit_share"] == pytest.approx(2 / 11)
    assert described["punctuation_share"] == pytest.approx(2 / 11)
    assert described["non_ascii_share"] == pytest.approx(1 / 11)
    assert answer("A1", prompt="a1 2")["prompt_digit_share"] == pytest.approx(2 / 4)


def test_repetition() -> None:
    described = answer("the cat sat. The cat sat! the cat ran")

    assert described["distinct_2"] == pytest.approx(4 / 8)
    assert described["distinct_3"] == pytest.approx(4 / 7)
    assert described["max_repeat"] == 2
    assert answer("two words")["distinct_3"] is None
    assert answer("two words")["max_repeat"] == 0


def test_a_text_that_repeats_itself_compresses_well() -> None:
    assert answer("short")["zlib_ratio"] is None
    assert answer("same " * 100)["zlib_ratio"] < 0.1 < answer(_PROSE)["zlib_ratio"]


def test_what_is_copied_from_the_prompt() -> None:
    asked = "please tell me where the old bridge over the river is"

    copied = answer("Where the OLD bridge over", prompt=asked)
    half = answer("where the old bridge over no one knows it", prompt=asked)
    unlike = answer("one two three four five", prompt=asked)

    assert copied["prompt_copy_share"] == 1
    assert half["prompt_copy_share"] == pytest.approx(1 / 5)
    assert unlike["prompt_copy_share"] == 0
    assert answer("too short", prompt=asked)["prompt_copy_share"] is None


def test_only_an_answers_own_prompt_can_be_copied() -> None:
    frame = pl.DataFrame(
        {
            "prompt": [_PROSE, "another"],
            "answer": ["another thing altogether that is new", _PROSE],
            "finish_reason": [None, None],
        }
    )

    assert describe(frame)["prompt_copy_share"].to_list() == [0, 0]


def test_answers_alike_but_for_case_space_and_numbers_share_a_hash() -> None:
    same = [
        answer(each)["answer_hash"]
        for each in ("Order 12 is ON its way", " order 7 is\non its way ")
    ]
    others = [
        answer(each)["answer_hash"]
        for each in ("Order 12 is off", "order is on its way", "[No]", "No")
    ]

    assert same[0] == same[1]
    assert len({same[0], *others}) == 5


def test_near_duplicates_share_a_sketch_and_others_do_not() -> None:
    long = " ".join(f"word{number} is followed by {number * 7}" for number in range(60))

    first, near, other = answer(long), answer(long + " The end."), answer(_PROSE)

    assert {first["sketch_1"], first["sketch_2"]} & {near["sketch_1"], near["sketch_2"]}
    assert not {first["sketch_1"], first["sketch_2"]} & {other["sketch_1"], other["sketch_2"]}
    assert answer("too short")["sketch_1"] is None


def test_a_prompt_is_named_by_its_exact_text() -> None:
    hashes = [answer("x", prompt=each)["prompt_hash"] for each in ("a", "a ", "A", "")]

    assert len(set(hashes)) == 4
    assert hashes[3] is None


def test_a_thousand_calls_take_seconds_at_most() -> None:
    """What is promised, 2,500 a second, `make bench-drift` measures: here gross faults show."""
    words = _PROSE.split()
    texts = [" ".join(words[each % 7 :] * 6)[:1024] for each in range(1_000)]
    frame = pl.DataFrame({"prompt": texts, "answer": texts[::-1], "finish_reason": [None] * 1_000})
    describe(frame.head(10))

    started = time.process_time()
    describe(frame)

    assert time.process_time() - started < 4
