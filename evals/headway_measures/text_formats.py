"""The form of many texts: which of a list of formats each has, and how it is laid out."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from headway_measures.clusters import Floats
from headway_measures.grams import chunk_texts, join_texts, word_edges

FORMATS: Final = {
    "nothing": r"\A\s*\z",
    "code fence": "```",
    "bulleted list": r"(?m)^\s*[-*•] ",
    "numbered list": r"(?m)^\s*\d+[.)] ",
    "heading": r"(?m)^#{1,6} ",
    "bold": r"\*\*\S",
    "table row": r"(?m)^\s*\|.*\|",
    "JSON": r"\A\s*[\[{]\s*[\"{\[\]}\d]",
    "link": r"https?://",
    "several paragraphs": r"\n\s*\n",
    "question at the end": r"\?\s*\z",
    "no full stop at the end": r"[\pL\pN]\s*\z",
    "small letter at the start": r"\A\s*\p{Ll}",
}
"""What a text may have of form, by name, each with its regular expression."""


def has_formats(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of ``FORMATS`` each text has; (texts, formats)."""
    series = pl.Series("text", [_cleaned(text) for text in texts], dtype=pl.String)
    found = [series.str.contains(pattern).to_numpy() for pattern in FORMATS.values()]
    return np.column_stack(found).astype(np.bool_)


def measure_formats(texts: Sequence[str]) -> Floats:
    """Return each text's logarithms of characters, words and lines, and shares of six kinds.

    The kinds are digits, small letters, capitals, white space, other ASCII, and the rest.
    """
    lengths = np.array([len(text) for text in texts], np.float64)
    found = []
    for chunk in chunk_texts(texts):
        data, row_of = join_texts([text + b" " for text in chunk])
        starts = word_edges(data)[::2]
        words, lines = (
            np.bincount(row_of[places], minlength=len(chunk))
            for places in (starts, np.flatnonzero(data == ord("\n")))
        )
        kinds = np.bincount(row_of * 6 + _KINDS[data], minlength=6 * len(chunk)).reshape(-1, 6)
        shares = kinds / kinds.sum(axis=1, keepdims=True)
        found.append(np.column_stack([np.log1p(words), np.log1p(lines), shares]))
    if not found:
        return np.empty((0, 9))
    return np.column_stack([np.log1p(lengths), np.concatenate(found)])


def _kind(byte: int) -> int:
    char = chr(byte)
    tests = byte >= 128, char.isdigit(), char.islower(), char.isupper(), char.isspace()
    return (5, 0, 1, 2, 3)[tests.index(True)] if any(tests) else 4


_KINDS = np.array([_kind(byte) for byte in range(256)], np.uint8)


def _cleaned(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
