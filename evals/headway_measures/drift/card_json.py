"""A card as JSON, the same bytes for the same card, and the digests that name it and its data.

    {"card_id":"9f0c…","verdict":"drift","headline":"Drift: answers got shorter …","reference":…}

Fields stand in the order of `results`, without white space. Floats have ten significant digits:
enough for every figure, and too few for the last bits in which machines differ. What is no number
becomes null.
"""

import hashlib
import json
import types
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from math import isfinite, nan
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import polars as pl

from headway_measures.drift.results import Card
from headway_measures.drift.windows import Options, Query

_DIGITS = 10
_LONE_SURROGATES = dict.fromkeys(range(55296, 57344), "�")
_ID_BYTES = 16
_AT_ONCE = 4_096  # texts that are joined to be digested


def encode_card(card: Card) -> bytes:
    """Return the card as canonical JSON."""
    return _canonical(card)


def decode_card(data: bytes) -> Card:
    """Return the card that was encoded.

    Raises:
        ValueError: where it is no card of this version.
    """
    try:
        card = _decoded(json.loads(data), Card, "card")
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as fault:
        raise ValueError(f"this is no drift card, but not JSON at all: {fault}") from fault
    assert isinstance(card, Card)  # what _decoded returns is of the type asked for
    return card


def card_id_of(
    project: str,
    reference: Query,
    current: Query,
    options: Options,
    versions: Sequence[tuple[str, str]],
) -> str:
    """Return what names a card: the same question, asked of the same versions, has the same id.

    In which order filters, their values, metrics and versions are given makes no other question.
    """
    asked = replace(options, metrics=_sorted(options.metrics))
    question = [project, _ordered(reference), _ordered(current), asked, sorted(versions)]
    return hashlib.blake2b(_canonical(question), digest_size=_ID_BYTES).hexdigest()


def fingerprint_of(ref: pl.DataFrame, cur: pl.DataFrame) -> str:
    """Return a digest of the rows of both windows, whatever the order of their columns.

    It depends on no library's version, so that other bytes of a card can be laid to other data.
    """
    digest = hashlib.blake2b(digest_size=_ID_BYTES)
    for rows in (ref, cur):
        digest.update(f"{rows.height} rows of {rows.width}\n".encode())
        for name in sorted(rows.columns):
            digest.update(f"{name!r}\n".encode())
            _feed(digest, rows[name])
    return digest.hexdigest()


def _feed(digest: "hashlib.blake2b", column: pl.Series) -> None:
    digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
    kind = column.dtype
    if kind in (pl.Categorical, pl.Enum):
        column, kind = column.cast(pl.String), pl.String()
    if isinstance(kind, pl.List):
        lengths = column.list.len().fill_null(0)
        digest.update(lengths.cast(pl.Int64).to_numpy().tobytes())
        # An empty list would become a null among the values.
        _feed(digest, column.filter(lengths > 0).explode())
    elif kind == pl.String:
        texts = column.fill_null("")
        digest.update(texts.str.len_bytes().cast(pl.Int64).to_numpy().tobytes())
        for start in range(0, len(texts), _AT_ONCE):
            digest.update("".join(texts[start : start + _AT_ONCE].to_list()).encode())
    elif kind.is_float():
        digest.update((column.fill_null(0.0).cast(pl.Float64).to_numpy() + 0.0).tobytes())
    elif kind.is_integer() or kind == pl.Boolean:
        whole = pl.UInt64 if kind == pl.UInt64 else pl.Int64
        digest.update(column.cast(whole).fill_null(0).to_numpy().tobytes())
    else:
        digest.update(json.dumps(column.to_list(), default=str).encode())


def _ordered(query: Query) -> Query:
    filters = ((name, _sorted(values) or ()) for name, values in query.filters)
    return replace(query, filters=tuple(sorted(filters)))


def _sorted(values: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(sorted(set(values)))


def _canonical(value: object) -> bytes:
    plain = _plain(value)
    return json.dumps(
        plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=False
    ).encode()


def _plain(value: object) -> object:
    """Return a value as JSON has it."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value.translate(_LONE_SURROGATES)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        # Nothing is minus nothing.
        return float(f"{value:.{_DIGITS}g}") + 0.0 if isfinite(value) else None
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    raise TypeError(f"a card cannot hold {value!r}: give text, numbers and tuples of them")


@cache
def _types_of(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _decoded(value: object, kind: Any, where: str) -> object:
    """Return a JSON value as the type that stands in `results`."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (kind,) = (each for each in args if each is not types.NoneType)
        return _decoded(value, kind, where)
    if origin is tuple and isinstance(value, list):
        each_kind = args[:1] * len(value) if args[-1] is ... else args
        if len(each_kind) == len(value):
            return tuple(map(_decoded, value, each_kind, [where] * len(value)))
    elif origin is Literal and value in args:
        return value
    elif isinstance(kind, type) and is_dataclass(kind) and isinstance(value, dict):
        if value.keys() == _types_of(kind).keys():
            return kind(**{n: _decoded(value[n], k, n) for n, k in _types_of(kind).items()})
    elif kind is float and (value is None or type(value) in (int, float)):
        return nan if value is None else value
    elif isinstance(kind, type) and type(value) is kind:
        return value
    told = str(value)[:60]
    raise ValueError(f"this is no drift card of this version: {where} is {told!r}, make it again")
