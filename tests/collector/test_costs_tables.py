"""The user's own prices: which entry holds for a call, and what it costs then."""

import re
from pathlib import Path
from typing import Any

import pytest

from headway.records import Span
from headway_collector.costs.pricing import Prices
from headway_collector.costs.tables import read_prices
from headway_collector.store.batches import Derived

OCTOBER_NS = 1_790_812_800_000_000_000  # 2026-10-01T00:00:00Z
SECOND_NS = 1_000_000_000


def make_span(**fields: Any) -> Span:
    start_ns = fields.pop("start_ns", OCTOBER_NS)
    return Span(
        **{
            "trace_id": "a" * 32,
            "span_id": "b" * 16,
            "name": "n",
            "kind": "llm",
            "start_ns": start_ns,
            "end_ns": start_ns + 2 * SECOND_NS,
            "request_model": "support-7b",
        }
        | fields
    )


def read(folder: Path, text: str) -> Prices:
    path = folder / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return Prices(read_prices(path))


def price(prices: Prices, **fields: Any) -> float | None:
    span = make_span(**fields)
    prices.price([span], [Derived()])
    return span.cost_usd


def read_version(prices: Prices, **fields: Any) -> str | None:
    derived = Derived()
    prices.price([make_span(**fields)], [derived])
    return derived.price_version


def test_every_sort_of_token_may_have_its_price(tmp_path: Path) -> None:
    prices = read(
        tmp_path,
        """
        [[price]]
        model = "support-7b"
        input = 1
        cache_read = 10
        cache_write = 100
        audio_input = 1000
        output = 2
        reasoning = 20
        audio_output = 200
        """,
    )
    million = 1_000_000

    assert price(prices, input_tokens=million, output_tokens=million) == 3
    assert price(
        prices,
        input_tokens=3 * million,
        cache_read_tokens=million,
        cache_write_tokens=million,
        output_tokens=3 * million,
        reasoning_tokens=million,
        audio_output_tokens=million,
    ) == pytest.approx(1 + 10 + 100 + 2 + 20 + 200)
    assert price(
        prices, input_tokens=2 * million, audio_input_tokens=million, output_tokens=0
    ) == pytest.approx(1 + 1000)


def test_a_part_of_the_tokens_without_a_price_has_that_of_the_whole(tmp_path: Path) -> None:
    prices = read(tmp_path, '[[price]]\nmodel = "support-7b"\ninput = 1\noutput = 2')
    counts = {"input_tokens": 1000, "output_tokens": 100}
    parts = {"cache_read_tokens": 9, "audio_input_tokens": 9, "reasoning_tokens": 9}

    assert price(prices, **counts, **parts) == pytest.approx(0.0012)


@pytest.mark.parametrize(
    ("line", "cost"),
    [
        ("gpu_second = 0.25", 0.5),
        ("gpu_second = 0.25\ngpus = 4", 2.0),
        ("gpu_second = 0.25\ngpus = 0.5", 0.25),
        ("per_second = 0.125", 0.25),
        ("per_call = 0.01", 0.01),
        ("per_call = 0", 0.0),
        ("per_call = 1\nper_second = 1\ngpu_second = 1", 5.0),
    ],
)
@pytest.mark.parametrize(
    "counts", [{}, {"output_tokens": 5}, {"input_tokens": 1, "cache_read_tokens": 2}]
)
def test_local_models_cost_time_and_need_no_counts(
    tmp_path: Path, line: str, cost: float, counts: dict[str, int]
) -> None:
    prices = read(tmp_path, f'[[price]]\nmodel = "support-7b"\n{line}')

    assert price(prices, **counts) == cost


@pytest.mark.parametrize(
    "counts",
    [
        {},
        {"input_tokens": 5},
        {"output_tokens": 5},
        {"input_tokens": 5, "output_tokens": 5, "reasoning_tokens": 6},
        {"input_tokens": 5, "output_tokens": 5},
    ],
)
def test_tokens_without_a_count_or_a_price_leave_the_cost_out(
    tmp_path: Path, counts: dict[str, int]
) -> None:
    prices = read(tmp_path, '[[price]]\nmodel = "support-7b"\ninput = 1\ngpu_second = 1')

    assert price(prices, **counts) is None


@pytest.mark.parametrize("kind", ["agent", "chain"])
def test_the_time_of_calls_is_not_paid_again_by_what_is_around_them(
    tmp_path: Path, kind: str
) -> None:
    prices = read(tmp_path, '[[price]]\nmodel = "*"\nper_second = 1')

    assert price(prices, kind=kind) is None
    assert price(prices, kind="llm") == 2
    # With counts of its own it stands for calls that nobody else sees.
    assert price(prices, kind=kind, input_tokens=5, output_tokens=5) == 2


def test_a_table_wins_over_the_list_for_its_models_alone(tmp_path: Path) -> None:
    prices = read(tmp_path, '[[price]]\nmodel = "gpt-4o"\nprovider = "openai"\nper_call = 7')
    counts = {"provider": "openai", "input_tokens": 1_000_000, "output_tokens": 0}

    assert price(prices, request_model="gpt-4o", **counts) == 7
    assert price(prices, request_model="gpt-4o-mini", **counts) == pytest.approx(0.15)
    assert price(prices, request_model="support-7b", **counts) is None


def test_a_reported_cost_wins_over_the_table(tmp_path: Path) -> None:
    prices = read(tmp_path, '[[price]]\nmodel = "*"\nper_call = 7')

    assert price(prices, cost_usd=0.5) == 0.5


ORDER = """
[[price]]
model = "*"
per_call = 1

[[price]]
model = "support-*"
per_call = 2

[[price]]
model = "support-*"
provider = "vllm"
per_call = 3

[[price]]
model = "Support-7b"
per_call = 4

[[price]]
model = "support-7b"
provider = "VLLM"
per_call = 5

[[price]]
model = "support-[89]b"
provider = "tgi"
per_call = 6
"""


@pytest.mark.parametrize(
    ("provider", "asked", "answering", "cost"),
    [
        (None, "support-7b", None, 4),
        ("vllm", "support-7b", None, 5),
        ("vLLM", "SUPPORT-7B", None, 5),
        ("vllm", "support-13b", None, 3),
        ("tgi", "support-8b", None, 6),
        ("tgi", "support-7b", None, 4),
        (None, "support-8b", None, 1),  # the first in the file
        (None, "other", None, 1),
        # vLLM answers with the path that it serves from.
        (None, "support-7b", "/models/support", 4),
        (None, "other", "support-7b", 4),
        (None, None, "support-7b", 4),
    ],
)
def test_the_entry_that_fits_best_holds(
    tmp_path: Path, provider: str | None, asked: str | None, answering: str | None, cost: float
) -> None:
    prices = read(tmp_path, ORDER)

    found = price(prices, provider=provider, request_model=asked, response_model=answering)

    assert found == cost


def test_a_call_without_a_model_has_no_price(tmp_path: Path) -> None:
    prices = read(tmp_path, '[[price]]\nmodel = "*"\nper_call = 1')

    assert price(prices, request_model=None) is None


def test_the_model_that_answered_goes_before_the_one_asked_for(tmp_path: Path) -> None:
    prices = read(
        tmp_path,
        '[[price]]\nmodel = "large"\nper_call = 2\n[[price]]\nmodel = "small"\nper_call = 1',
    )

    assert price(prices, request_model="large", response_model="small") == 1


def test_a_new_price_leaves_old_calls_at_theirs(tmp_path: Path) -> None:
    prices = read(
        tmp_path,
        """
        [[price]]
        model = "support-7b"
        from = 2026-10-01
        per_call = 2

        [[price]]
        model = "support-7b"
        from = 2026-10-02T02:00:00+02:00
        per_call = 3

        [[price]]
        model = "support-7b"
        from = 2026-09-01
        per_call = 1
        """,
    )
    day_ns = 86_400 * SECOND_NS
    starts = [-31 * day_ns, -1, 0, day_ns - 1, day_ns, 99 * day_ns]

    costs = [price(prices, start_ns=OCTOBER_NS + start) for start in starts]

    assert costs == [None, 1, 2, 2, 3, 3]


def test_before_an_entry_begins_the_next_best_holds(tmp_path: Path) -> None:
    prices = read(
        tmp_path,
        '[[price]]\nmodel = "support-7b"\nfrom = 2026-10-01\nper_call = 2\n'
        '[[price]]\nmodel = "support-*"\nper_call = 1',
    )

    assert price(prices, start_ns=OCTOBER_NS - 1) == 1


def test_a_version_is_the_file_and_a_digest_of_the_entry_alone(tmp_path: Path) -> None:
    entry = '[[price]]\nmodel = "support-7b"\nper_call = 2\n'
    other = '[[price]]\nmodel = "other"\nper_call = 2\n'
    version = read_version(read(tmp_path, entry))

    assert version is not None
    assert re.fullmatch(r"prices\.toml [0-9a-f]{8}", version)
    assert read_version(read(tmp_path, f"# why\n{other}{entry}")) == version
    assert read_version(read(tmp_path, entry.replace("2", "3"))) != version


def test_repricing_follows_the_table(tmp_path: Path) -> None:
    entry = '[[price]]\nmodel = "support-7b"\nper_call = 2\n'
    spans, derived = [make_span(), make_span(cost_usd=9)], [Derived(), Derived()]
    read(tmp_path, entry).price(spans, derived)

    assert read(tmp_path, entry).reprice(spans, derived) == []
    assert read(tmp_path, entry.replace("2", "3")).reprice(spans, derived) == [0]
    assert [span.cost_usd for span in spans] == [3, 9]
    assert read(tmp_path, "").reprice(spans, derived) == [0]
    assert [span.cost_usd for span in spans] == [None, 9]
