"""What can be counted in characters: lengths, lines, shares of digits and the like, compression."""

import zlib

import numpy as np
import polars as pl

from headway_measures.text_hashes import Characters, Counts

_FEW_BYTES = 64
"""Below this a ratio says more about zlib's own bytes than about the text."""

_ZLIB_LEVEL = 6
_LINE_BREAK, _MOST_ASCII = 10, 127


def count_lines(characters: Characters) -> Counts:
    """Return how many lines each text has, the last one with or without a line break."""
    # The line break behind each text, which is no part of it, ends the last line.
    breaks = np.flatnonzero(characters.codes == _LINE_BREAK)
    ends = characters.starts + characters.lengths
    has_open_end = (characters.lengths > 0) & (
        characters.codes[np.maximum(ends - 1, 0)] != _LINE_BREAK
    )
    lines: Counts = characters.count_at(breaks) + has_open_end
    return lines


def measure_share(characters: Characters, flag: np.uint8) -> pl.Series:
    """Return the share of each text's characters that are of a kind, null in an empty one."""
    return divide(characters.count((characters.flags & flag) != 0), characters.lengths)


def measure_non_ascii(characters: Characters) -> pl.Series:
    """Return the share of each text's characters beyond ASCII, null in an empty one."""
    return divide(characters.count(characters.codes > _MOST_ASCII), characters.lengths)


def measure_compression(texts: list[str]) -> pl.Series:
    """Return by how much each text shrinks under zlib, null where it is short.

    A low ratio is a text that repeats itself.
    """
    ratios: list[float | None] = []
    for text in texts:
        raw = text.encode()
        if len(raw) < _FEW_BYTES:
            ratios.append(None)
        else:
            ratios.append(len(zlib.compress(raw, _ZLIB_LEVEL)) / len(raw))
    return pl.Series(ratios, dtype=pl.Float64)


def divide(counts: Counts, wholes: Counts) -> pl.Series:
    """Return shares, null where the whole is nothing."""
    return blank(pl.Series(counts / np.maximum(wholes, 1)), pl.Series(wholes == 0))


def blank(column: pl.Series, is_absent: pl.Series) -> pl.Series:
    """Return a column with null where there is nothing to speak of."""
    return column.zip_with(~is_absent, pl.Series([None], dtype=column.dtype))
