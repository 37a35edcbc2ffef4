"""``headway serve --prices``: where the setting comes from, and what the documentation shows."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway.apis import ApiClient
from headway.cli import main
from headway_collector.costs.tables import read_prices

Lines = Callable[..., bytes]
Serve = Callable[..., Any]

PRICES = '[[price]]\nmodel = "support-7b"\ngpu_second = 0.5\ngpus = 2\n'
DOCUMENT = Path(__file__).parents[2] / "docs" / "costs.md"


@pytest.mark.parametrize("source", ["argument", "environment", "file"])
def test_calls_are_priced_by_the_file_that_is_set(
    serve: Serve,
    tmp_path: Path,
    span_line: Lines,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(PRICES)
    options = ["--prices", str(path)] if source == "argument" else []
    if source == "environment":
        monkeypatch.setenv("HEADWAY_PRICES", str(path))
    if source == "file":
        (tmp_path / "headway.toml").write_text(f'prices = "{path}"\n')
    client = ApiClient(serve(tmp_path / "a.duckdb", *options).url)

    client.ingest([span_line(request_model="support-7b")], project="p", batch_id="b")
    (span,) = client.get("/v1/spans")["spans"]

    assert span["cost_usd"] == 0.25
    assert span["price_version"].startswith("prices.toml ")


def test_prices_that_cannot_be_used_are_one_line_and_no_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(PRICES + "gpu = 3\n")
    database = tmp_path / "a.duckdb"

    code = main(["serve", "--db", str(database), "--port", "0", "--prices", str(path)])

    assert code == 2
    assert capsys.readouterr().err.startswith(
        f"headway: {path}, line 1: there is no 'gpu'; a price"
    )
    assert not database.exists()


def test_the_documented_prices_can_be_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "prices.toml"
    path.write_text(example, encoding="utf-8")

    read_prices(path)
