r"""The form of an answer: fenced code, Markdown, JSON, and how it begins.

Only texts that hold a fence, or begin like JSON, are read line by line or parsed; a pattern over
the whole batch says which those are.
"""

import re
from dataclasses import dataclass

import msgspec
import polars as pl

from headway_measures.descriptors.characters import divide
from headway_measures.text_hashes import hash_text

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})(.*)$", re.MULTILINE)
_HAS_FENCE = r"(?m)^[ \t]*(?:```|~~~)"

# A heading, a list item, a quote, a table's row, a fence, or bold text anywhere in the line.
_MARKUP_LINE = (
    r"(?m)^(?:[ \t]*(?:#{1,6}[ \t]|[-*+•][ \t]|\d{1,3}[.)][ \t]|>|\||```|~~~)"
    r"|[^\n]*?(?:\*\*|__)[^\s*_])[^\n]*"
)
_LINE = r"\S[^\n]*"

# An array is told from a bracketed word, a footnote's number and a link by what stands first.
_LIKE_JSON = (
    r"^\s*(?:\{\s*(?:[\"'}]|\w+\s*:)"
    r"|\[\s*(?:[{\"]|\[\s*[\[{\"\d-]|\]|(?:-?\d[\d.eE+-]*|true|false|null)\s*,))"
)
_MAY_BE_JSON = r"^\s*(?:[{\[]|```|~~~)"

_CODE = (
    r"(?m)```|^[ \t]*(?:def|class|import|from|function|const|let|var|public|private|static|using"
    r"|#include|package|func|fn|impl|return)(?-u:\b)[^\n]*[(){};=:<]"
    r"|^[ \t]*(?:SELECT|INSERT|UPDATE|CREATE) [^\n]*(?-u:\b)(?:FROM|INTO|SET|TABLE)(?-u:\b)"
    r"|[;{][ \t\r]*\n[ \t]*[A-Za-z_}]|</[a-zA-Z][a-zA-Z0-9]*>|=> ?\{|\) ?\{[ \t\r]*\n"
)

_DIGITS = re.compile(r"\d+")
_HEAD_CHARS = 256
_OPENER_WORDS, _OPENER_CHARS, _TEMPLATE_WORDS = 3, 40, 8


@dataclass(frozen=True, slots=True)
class Fences:
    """The fenced code of one text.

    Args:
        count: of blocks, one that is never closed among them.
        language: of the first block that names one, in lower case.
        is_open: the last block is never closed.
        inside: what the only block holds where it is all there is, else None.
    """

    count: int = 0
    language: str | None = None
    is_open: bool = False
    inside: str | None = None


NO_FENCES = Fences()


def read_fences(texts: pl.Series) -> list[Fences]:
    """Return the fenced code of each text."""
    fenced = texts.str.contains(_HAS_FENCE).to_list()
    return [
        _read_fences(text) if has else NO_FENCES for text, has in zip(texts, fenced, strict=True)
    ]


def _read_fences(text: str) -> Fences:
    """Walk from fence to fence as CommonMark does, at any indentation, as models indent them.

    A block ends at a fence of its own character, at least as long as its first, with nothing
    behind it; so a longer fence may hold shorter ones.
    """
    mark, began, count, language = "", 0, 0, None
    first_start = last_end = inside_end = 0
    for fence in _FENCE.finditer(text):
        run, behind = fence[1], fence[2].strip()
        if not mark:
            if run[0] == "`" and "`" in behind:
                continue
            mark, count = run, count + 1
            if count == 1:
                first_start, began = fence.start(), fence.end()
            if language is None and behind:
                language = behind.split()[0].strip("{}.").lower()[:_OPENER_CHARS] or None
        elif run[0] == mark[0] and len(run) >= len(mark) and not behind:
            mark, inside_end, last_end = "", fence.start(), fence.end()
    is_all = count == 1 and not mark and not text[:first_start].strip()
    inside = text[began:inside_end] if is_all and not text[last_end:].strip() else None
    return Fences(count, language, bool(mark), inside)


def measure_markdown(texts: pl.Series) -> pl.Series:
    """Return the share of each text's lines that hold markup, null where it has no lines."""
    marked, lines = texts.str.count_matches(_MARKUP_LINE), texts.str.count_matches(_LINE)
    return divide(marked.cast(pl.Int64).to_numpy(), lines.cast(pl.Int64).to_numpy())


@dataclass(frozen=True, slots=True)
class JsonForms:
    """Which texts are JSON, and which begin like it and are not.

    Args:
        is_json: an object or an array and nothing else, one fence around it taken off.
        is_broken: looks like one from its beginning and does not parse.
    """

    is_json: pl.Series
    is_broken: pl.Series


def read_json_forms(texts: pl.Series, fences: list[Fences]) -> JsonForms:
    """Parse what may be JSON."""
    may_be = texts.str.contains(_MAY_BE_JSON).to_list()
    bare = [
        fence.inside if fence.inside is not None else text
        for text, fence in zip(texts, fences, strict=True)
    ]
    parses = [has and _is_json(text) for text, has in zip(bare, may_be, strict=True)]
    is_json = pl.Series(parses, dtype=pl.Boolean)
    is_like = pl.Series(bare, dtype=pl.String).str.contains(_LIKE_JSON)
    says_json = pl.Series([fence.language == "json" for fence in fences], dtype=pl.Boolean)
    is_whole = pl.Series([fence.inside is not None for fence in fences], dtype=pl.Boolean)
    return JsonForms(is_json, (is_like | (says_json & is_whole)) & ~is_json)


def _is_json(text: str) -> bool:
    stripped = text.strip()
    if stripped[:1] not in ("{", "["):
        return False
    try:
        msgspec.json.decode(stripped)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def has_code(texts: pl.Series) -> pl.Series:
    """Return which texts hold code, fenced or by its looks."""
    return texts.str.contains(_CODE)


@dataclass(frozen=True, slots=True)
class Beginnings:
    """How texts begin, in lower case, each number a 0; null without any words.

    Args:
        openers: the first three words.
        template_hashes: of the first eight.
    """

    openers: pl.Series
    template_hashes: pl.Series


def read_beginnings(texts: list[str]) -> Beginnings:
    """Look at the first words, which white space parts."""
    heads = [
        _DIGITS.sub("0", text[:_HEAD_CHARS].lower()).split(None, _TEMPLATE_WORDS)[:_TEMPLATE_WORDS]
        for text in texts
    ]
    openers = [" ".join(head[:_OPENER_WORDS])[:_OPENER_CHARS] or None for head in heads]
    hashes = [hash_text(" ".join(head)) if head else None for head in heads]
    return Beginnings(pl.Series(openers, dtype=pl.String), pl.Series(hashes, dtype=pl.Int64))
