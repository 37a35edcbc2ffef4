"""Every descriptor by name: what it is in words, and what is said when it moves.

The groups stand in the order in which a reader looks: what was asked, how long and in which form
the answers came, what they do, what they repeat.
"""

from typing import Literal

import polars as pl

from headway_measures.descriptors.metrics import Kind, Metric, Side

VERSION = 1
"""Raised when any value of any descriptor would come out differently."""

SCHEMA: dict[str, type[pl.DataType]] = {
    "prompt_hash": pl.Int64,
    "answer_hash": pl.Int64,
    "template_hash": pl.Int64,
    "sketch_1": pl.Int64,
    "sketch_2": pl.Int64,
    "prompt_chars": pl.Int64,
    "prompt_words": pl.Int64,
    "prompt_lines": pl.Int64,
    "prompt_language": pl.String,
    "prompt_pii": pl.String,
    "has_prompt_code": pl.Boolean,
    "prompt_digit_share": pl.Float64,
    "answer_chars": pl.Int64,
    "answer_words": pl.Int64,
    "answer_lines": pl.Int64,
    "fence_count": pl.Int64,
    "fence_language": pl.String,
    "opener": pl.String,
    "markdown_share": pl.Float64,
    "digit_share": pl.Float64,
    "punctuation_share": pl.Float64,
    "upper_share": pl.Float64,
    "non_ascii_share": pl.Float64,
    "distinct_2": pl.Float64,
    "distinct_3": pl.Float64,
    "max_repeat": pl.Int64,
    "zlib_ratio": pl.Float64,
    "is_refusal": pl.Boolean,
    "hedge_count": pl.Int64,
    "asks_back": pl.Boolean,
    "is_json": pl.Boolean,
    "is_json_broken": pl.Boolean,
    "is_truncated": pl.Boolean,
    "truncation": pl.String,
    "answer_language": pl.String,
    "answer_pii": pl.String,
    "prompt_copy_share": pl.Float64,
}
"""The columns of `describe`, in the order of the store's table."""

KEYS = ("sketch_1", "sketch_2")
"""Columns that only join rows: which answers are near-duplicates of each other."""


def _number(name: str, unit: str, label: str, rises: str, falls: str) -> Metric:
    return _metric(name, "number", unit, label, rises, falls)


def _rate(name: str, label: str, rises: str, falls: str) -> Metric:
    return _metric(name, "rate", "", label, rises, falls)


def _category(name: str, label: str, changes: str) -> Metric:
    return _metric(name, "category", "", label, changes, changes)


def _metric(name: str, kind: Kind, unit: str, label: str, rises: str, falls: str) -> Metric:
    side: Side = "prompt" if name.startswith(("prompt_", "has_prompt_")) else "answer"
    # What is copied from a prompt is the answer's doing.
    side = "answer" if name == "prompt_copy_share" else side
    return Metric(name, kind, side, unit, label, rises, falls)


Group = Literal["prompts", "lengths", "forms", "characters", "conduct", "repetition"]

GROUPS: dict[Group, tuple[Metric, ...]] = {
    "prompts": (
        _number(
            "prompt_chars",
            "chars",
            "length of prompts",
            "prompts got longer",
            "prompts got shorter",
        ),
        _number(
            "prompt_words",
            "words",
            "words in prompts",
            "prompts have more words",
            "prompts have fewer words",
        ),
        _number(
            "prompt_lines",
            "lines",
            "lines in prompts",
            "prompts have more lines",
            "prompts have fewer lines",
        ),
        _category(
            "prompt_language", "language of prompts", "prompts come in other languages than before"
        ),
        _category(
            "prompt_pii",
            "personal data in prompts",
            "prompts hold other kinds of personal data than before",
        ),
        _rate(
            "has_prompt_code",
            "prompts with code",
            "more prompts hold code",
            "fewer prompts hold code",
        ),
        _number(
            "prompt_digit_share",
            "",
            "share of digits in prompts",
            "prompts have more digits",
            "prompts have fewer digits",
        ),
        _category(
            "prompt_hash", "repeated prompts", "the prompts that are sent again and again changed"
        ),
    ),
    "lengths": (
        _number(
            "answer_chars",
            "chars",
            "length of answers",
            "answers got longer",
            "answers got shorter",
        ),
        _number(
            "answer_words",
            "words",
            "words in answers",
            "answers have more words",
            "answers have fewer words",
        ),
        _number(
            "answer_lines",
            "lines",
            "lines in answers",
            "answers have more lines",
            "answers have fewer lines",
        ),
    ),
    "forms": (
        _number(
            "fence_count",
            "blocks",
            "code blocks in answers",
            "answers have more fenced code",
            "answers have less fenced code",
        ),
        _category(
            "fence_language",
            "language of code blocks",
            "code comes fenced as other languages than before",
        ),
        _category("opener", "first words of answers", "answers begin with other words than before"),
        _category(
            "template_hash", "beginnings of answers", "answers begin by other templates than before"
        ),
        _number(
            "markdown_share",
            "",
            "share of lines with Markdown",
            "answers use more Markdown",
            "answers use less Markdown",
        ),
        _rate(
            "is_json", "answers that are JSON", "more answers are JSON", "fewer answers are JSON"
        ),
        _rate(
            "is_json_broken",
            "answers that are broken JSON",
            "more answers are broken JSON",
            "fewer answers are broken JSON",
        ),
    ),
    "characters": (
        _number(
            "digit_share",
            "",
            "share of digits in answers",
            "answers have more digits",
            "answers have fewer digits",
        ),
        _number(
            "punctuation_share",
            "",
            "share of punctuation in answers",
            "answers have more punctuation",
            "answers have less punctuation",
        ),
        _number(
            "upper_share",
            "",
            "share of capitals in answers",
            "answers have more capitals",
            "answers have fewer capitals",
        ),
        _number(
            "non_ascii_share",
            "",
            "share of non-ASCII characters in answers",
            "answers have more characters beyond ASCII",
            "answers have fewer characters beyond ASCII",
        ),
    ),
    "conduct": (
        _rate("is_refusal", "refusals", "more answers refuse", "fewer answers refuse"),
        _number(
            "hedge_count",
            "phrases",
            "hedging in answers",
            "answers hedge more",
            "answers hedge less",
        ),
        _rate(
            "asks_back",
            "answers that ask back",
            "more answers end in a question",
            "fewer answers end in a question",
        ),
        _rate(
            "is_truncated",
            "answers cut off",
            "more answers are cut off",
            "fewer answers are cut off",
        ),
        _category(
            "truncation", "how answers are cut off", "answers are cut off otherwise than before"
        ),
        _category(
            "answer_language", "language of answers", "answers come in other languages than before"
        ),
        _category(
            "answer_pii",
            "personal data in answers",
            "answers hold other kinds of personal data than before",
        ),
    ),
    "repetition": (
        _number(
            "distinct_2",
            "",
            "share of distinct word pairs",
            "answers repeat their word pairs less",
            "answers repeat their word pairs more",
        ),
        _number(
            "distinct_3",
            "",
            "share of distinct word triples",
            "answers repeat their phrases less",
            "answers repeat their phrases more",
        ),
        _number(
            "max_repeat",
            "times",
            "commonest phrase of an answer",
            "answers say one phrase more often",
            "answers say one phrase less often",
        ),
        _number(
            "zlib_ratio",
            "",
            "compressed size of answers",
            "answers repeat themselves less",
            "answers repeat themselves more",
        ),
        _number(
            "prompt_copy_share",
            "",
            "share of answers copied from the prompt",
            "answers copy more of the prompt",
            "answers copy less of the prompt",
        ),
        _category(
            "answer_hash", "repeated answers", "the answers that are given again and again changed"
        ),
    ),
}

METRICS: dict[str, Metric] = {
    metric.name: metric for metrics in GROUPS.values() for metric in metrics
}
"""Every descriptor that is compared, by name."""
