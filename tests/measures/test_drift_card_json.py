"""A card as JSON: the same bytes for the same card, and digests of questions and of data."""

import json
import math
import subprocess
import sys
from dataclasses import fields, replace

import polars as pl
import pytest

from headway_measures.drift.card_json import card_id_of, decode_card, encode_card, fingerprint_of
from headway_measures.drift.results import Card, Effect, Finding
from headway_measures.drift.windows import Options, Query
from tests.measures.drift_findings import FULL, VECTORS, card


def test_a_card_comes_back_from_its_bytes() -> None:
    data = encode_card(FULL)

    back = decode_card(data)
    assert encode_card(back) == data
    assert back.options == FULL.options
    assert back.findings[0].examples == FULL.findings[0].examples
    assert back == replace(FULL, findings=back.findings, tests=back.tests, quality=back.quality)


def test_json_has_the_fields_in_order_and_ten_digits() -> None:
    effect = Effect("mmd", 1 / 3, -0.0, None, 1e-12)

    data = encode_card(card((Finding(replace(VECTORS, effects=(effect,)), ""),)))

    assert list(json.loads(data)) == [each.name for each in fields(Card)]
    assert b'{"name":"mmd","value":0.3333333333,"lower":0.0,"upper":null,"floor":1e-12}' in data


def test_what_is_no_number_is_null_and_a_lone_surrogate_a_mark() -> None:
    effect = Effect("mmd", math.nan, math.inf, None, 0.01)
    odd = card((Finding(replace(VECTORS, effects=(effect,)), "\ud800"),))

    finding = decode_card(encode_card(odd)).findings[0]

    assert math.isnan(finding.evidence.effects[0].value)
    assert finding.evidence.effects[0].lower is None
    assert finding.sentence == "\ufffd"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        encode_card(FULL).replace(b'"n_cur":1', b'"n_cur":"1"'),
        encode_card(FULL).replace(b'"verdict":"drift"', b'"verdict":"maybe"'),
        encode_card(FULL)[:-2],
    ],
)
def test_what_is_no_card_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(ValueError, match="this is no drift card"):
        decode_card(data)


def test_forms_are_the_same_in_every_process() -> None:
    code = (
        "import hashlib; from headway_measures.drift.card_json import encode_card; "
        "from headway_measures.drift.html_cards import html_card; "
        "from headway_measures.drift.markdown_cards import markdown_card; "
        "from tests.measures.drift_findings import FULL; "
        "told = encode_card(FULL) + (markdown_card(FULL) + html_card(FULL)).encode(); "
        "print(hashlib.sha256(told).hexdigest())"
    )

    told = {
        subprocess.check_output(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."}
        )
        for seed in ("0", "1")
    }

    assert len(told) == 1


def test_the_same_question_has_the_same_id() -> None:
    query = Query((("a", ("1", "2")), ("b", ("3",))), 0, 1)
    turned = Query((("b", ("3",)), ("a", ("2", "1"))), 0, 1)
    versions = [("x", "1"), ("y", "2")]
    named = card_id_of("p", query, query, Options(), versions)

    assert len(named) == 32
    assert named == card_id_of("p", turned, query, Options(), versions[::-1])
    others = {
        card_id_of("q", query, query, Options(), versions),
        card_id_of("p", replace(query, end_ns=2), query, Options(), versions),
        card_id_of("p", query, replace(query, end_ns=2), Options(), versions),
        card_id_of("p", query, query, Options(seed=1), versions),
        card_id_of("p", query, query, Options(), [("x", "1"), ("y", "3")]),
    }
    assert len(others | {named}) == 6


def test_a_fingerprint_knows_every_value_and_no_order_of_columns() -> None:
    rows = pl.DataFrame(
        {
            "text": ["a", None, "é"],
            "number": [1.5, None, -0.0],
            "count": [1, 2, None],
            "flag": [True, None, False],
            "tags": [["a", "b"], [], None],
        }
    )
    named = fingerprint_of(rows, rows)
    others = [
        rows.with_columns(text=pl.Series(["a", "", "é"])),
        rows.with_columns(number=pl.Series([1.5, 0.0, 0.0])),
        rows.with_columns(tags=pl.Series([["ab"], [], None])),
        rows.with_columns(tags=pl.Series([["a", "b"], None, None])),
        rows.with_columns(tags=pl.Series([["a"], ["b"], None])),
        rows.reverse(),
        rows.head(2),
        rows.rename({"text": "words"}),
    ]

    assert fingerprint_of(rows.select(reversed(rows.columns)), rows) == named
    assert len({named, *(fingerprint_of(each, rows) for each in others)}) == 9
    assert fingerprint_of(rows.head(0), rows) != fingerprint_of(rows, rows.head(0))
