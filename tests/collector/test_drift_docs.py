"""docs/drift.md: what it promises of the command is what the command has."""

import argparse
import re
from pathlib import Path

import pytest

from headway.commands import Command
from headway_collector.describe_command import DESCRIBE
from headway_collector.drift_command import DRIFT, parse_filters

PAGE = (Path(__file__).parents[2] / "docs" / "drift.md").read_text()


def list_options(command: Command) -> set[str]:
    parser = argparse.ArgumentParser(add_help=False)
    command.configure(parser)
    return set(re.findall(r"--[a-z-]+", parser.format_help()))


@pytest.mark.parametrize("command", [DRIFT, DESCRIBE], ids=lambda command: command.name)
def test_every_option_is_on_the_page(command: Command) -> None:
    assert list_options(command) <= set(re.findall(r"--[a-z-]+", PAGE))


def test_every_comparison_on_the_page_is_one_that_the_command_takes() -> None:
    parser = argparse.ArgumentParser()
    DRIFT.configure(parser)
    lines = [line for line in PAGE.splitlines() if line.startswith("headway drift ")]

    for line in lines:
        words = re.findall(r"'([^']*)'|(\S+)", line.removeprefix("headway drift "))
        asked = parser.parse_args([quoted or bare for quoted, bare in words])
        assert parse_filters("--ref", asked.ref)
        assert parse_filters("--cur", asked.cur)
    assert len(lines) == 2


def test_every_link_within_the_page_leads_somewhere() -> None:
    heads = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in PAGE.splitlines()
        if line.startswith("#")
    }

    assert set(re.findall(r"\]\(#([a-z0-9-]+)\)", PAGE)) <= heads
