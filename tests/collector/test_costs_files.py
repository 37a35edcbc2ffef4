"""Files of the user's own prices that cannot be used: what is wrong in them, and where."""

import os
from pathlib import Path

import pytest

from headway.errors import SettingsError
from headway_collector.costs.pricing import Prices
from headway_collector.costs.tables import read_prices
from tests.collector.test_costs_tables import read_version

A = '[[price]]\nmodel = "a"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (A + "input = ", "are not valid TOML: "),
        ("\xff", "are not valid TOML: "),
        ('[[prices]]\nmodel = "a"', "has 'prices': each price begins with a line [[price]]"),
        ('[price]\nmodel = "a"', "has 'price' once: each price begins with a line [[price]]"),
        ("price = [3]", "price 1: 3 is no table: each price begins with a line [[price]]"),
        (
            f"{A}input = 1\n\n# next\n  [[ price ]]\nmodel = 'b'\nimput = 1",
            "line 6: there is no 'imput'; a price has model, provider, from, input, ",
        ),
        ("[[price]]\ninput = 1", 'line 1: model is missing: give a name, or "*" for all'),
        ('[[price]]\nmodel = " "\ninput = 1', "line 1: model is ' ', not a name"),
        (A + "provider = 3\ninput = 1", "provider is 3, not a name"),
        (A, "'a' has no price: give at least one of input, output, "),
        (A + "gpus = 2", "'a' has no price: give at least one of input, output, "),
        (A + 'input = "1"', "input is '1', not a number from 0 to 1,000,000"),
        (A + "input = true", "input is True, not a number"),
        (A + "input = -1", "input is -1, not a number"),
        (A + "input = nan", "input is nan, not a number"),
        (A + "per_call = inf", "per_call is inf, not a number"),
        (A + "per_call = 1" + "0" * 400, "per_call is 10000"),
        (A + "cache_read = 1", "cache_read says nothing without input: give both"),
        (A + "input = 1\nreasoning = 1", "reasoning says nothing without output: give both"),
        (A + "per_call = 1\ngpus = 2", "gpus says nothing without gpu_second: give both"),
        (
            A + 'per_call = 1\nfrom = "2026-10-01"',
            "from is '2026-10-01': write a date without quotes, from = 2026-10-01",
        ),
        (A + "per_call = 1\nfrom = 12:00:00", "write a date without quotes"),
        (
            f'{A}per_call = 1\n[[price]]\nmodel = "A"\nper_call = 2',
            "line 4: the price of 'a' is in line 1 already; take one away, or say with `from`",
        ),
    ],
)
def test_what_is_no_price_is_said_with_file_and_place(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(SettingsError) as caught:
        read_prices(path)

    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("name", "message"), [("gone.toml", "No such file or directory"), ("", "Is a directory")]
)
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_prices(tmp_path / name)


def test_a_file_name_that_is_no_text_gives_a_version_that_is(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"prices-\xff.toml")
    path.write_text(A + "per_call = 1")

    version = read_version(Prices(read_prices(path)), request_model="a")

    assert version is not None
    assert version.encode().startswith(b"prices-?.toml ")
