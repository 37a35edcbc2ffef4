"""docs/export.md: its commands are ones that the command takes, and its code runs."""

import argparse
import re
import shlex
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.commands import IMPORT
from headway_collector.export_command import EXPORT
from headway_collector.schemas.exports import ExportQuery
from headway_collector.store.connections import Store
from tests.collector.test_exports import insert_many

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
COMMANDS = {"export": EXPORT, "import": IMPORT}


def test_every_option_is_on_the_page() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    EXPORT.configure(parser)

    assert set(re.findall(r"--[a-z-]+", parser.format_help())) <= set(
        re.findall(r"--[a-z-]+", PAGE)
    )


def test_every_command_on_the_page_is_one_that_is_taken() -> None:
    lines = [line for line in PAGE.splitlines() if re.match(r"headway (export|import) ", line)]

    for line in lines:
        _, name, *words = shlex.split(line)
        parser = argparse.ArgumentParser()
        COMMANDS[name].configure(parser)
        asked = parser.parse_args(words)
        for text in getattr(asked, "filter", []):
            assert text.partition("=")[0] in ExportQuery.model_fields
    assert len(lines) == 5


def test_the_code_on_the_page_runs(
    tmp_path: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    insert_many(store, 3, chars=32)
    with TestClient(create_app(store)) as client:
        (tmp_path / "calls.parquet").write_bytes(client.get("/v1/export").content)
    monkeypatch.chdir(tmp_path)

    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, {})

    assert capsys.readouterr().out.startswith("3 ['project', 'trace_id', 'span_id'")
