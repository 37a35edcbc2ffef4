"""What docs/operations.md names is there: its metrics, alerts, settings and words."""

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from headway.known_keys import OTHER_KEYS
from headway_collector.apps import create_app
from headway_collector.errors import RequestError
from headway_collector.limits import CAPS, MAX_ATTRIBUTES, MAX_REJECTS_BYTES
from headway_collector.rejects_command import REJECTS
from headway_collector.store.connections import Store

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
_NAME = re.compile(r"\bheadway_[a-z_]+\b")
_SUFFIXES = ("_total", "_info", "_bucket", "_count", "_sum")


def test_every_metric_is_documented_and_every_documented_one_is_there(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "a.duckdb")
    with TestClient(create_app(store)) as served:
        score = {"name": "x", "value": 1, "session_id": "s"}
        assert served.post("/v1/scores", json=score).status_code == 200
        text = served.get("/metrics").text
    store.close()

    told = {family.name for family in text_string_to_metric_families(text)}
    told = {name for name in told if name.startswith("headway_")}
    named = {_strip(name) for name in _NAME.findall(PAGE)}
    assert named == {_strip(name) for name in told}


def test_the_alerts_are_rules_over_metrics_that_are_there() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (scrape, rules) = [yaml.safe_load(block) for block in blocks]

    assert scrape["scrape_configs"][0]["job_name"] == "headway"
    alerts: list[dict[str, Any]] = rules["groups"][0]["rules"]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) >= 8
    table = PAGE.split("## Alerts")[0]
    for rule in alerts:
        assert rule.keys() <= {"alert", "expr", "for"}
        names = _NAME.findall(rule["expr"])
        assert names or rule["expr"].startswith("up{")
        assert all(f"`{name}`" in table for name in names)


def test_the_codes_of_refusals_are_those_of_errors() -> None:
    row = next(line for line in PAGE.splitlines() if "headway_http_refusals_total`" in line)
    named = set(re.findall(r"`([a-z_]+)`", row)) - {"headway_http_refusals_total", "code"}

    assert named <= {each.code for each in RequestError.__subclasses__()}


def test_settings_and_caps_are_those_of_the_code() -> None:
    settings = set(re.findall(r"`(collector\.[a-z_]+)`", PAGE))

    assert settings <= set(OTHER_KEYS)
    assert f"{CAPS.record_bytes // 2**20} MiB | one record" in PAGE
    assert f"{CAPS.field_bytes // 2**20} MiB | one field" in PAGE
    assert f"| {MAX_ATTRIBUTES:,} |" in PAGE
    assert f"Rejects of over {MAX_REJECTS_BYTES // 2**20} MiB" in PAGE


def test_the_commands_parse() -> None:
    parser = argparse.ArgumentParser()
    REJECTS.configure(parser)
    commands = re.findall(r"^\$ headway rejects (.*)$", PAGE, re.MULTILINE)

    parsed = [parser.parse_args(shlex.split(command)) for command in commands]
    assert [each.action for each in parsed] == ["list", "replay"]
    assert {each.reason for each in parsed} == {"are allowed"}


def _strip(name: str) -> str:
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name
