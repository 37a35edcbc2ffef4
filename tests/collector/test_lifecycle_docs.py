"""docs/lifecycle.md: its commands are ones that there are, and its options all of them."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from headway.commands import Command
from headway_collector.erase_command import ERASE
from headway_collector.retention_command import RETENTION

PAGE = (Path(__file__).parents[2] / "docs" / "lifecycle.md").read_text()


@pytest.mark.parametrize("command", [ERASE, RETENTION], ids=lambda command: command.name)
def test_every_command_on_the_page_is_understood(command: Command) -> None:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    begin = f"headway {command.name} "
    lines = [line for line in PAGE.splitlines() if line.startswith(begin)]

    for line in lines:
        assert parser.parse_args(shlex.split(line.removeprefix(begin)))
    assert len(lines) >= 4


def test_every_option_of_erase_is_on_the_page() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    ERASE.configure(parser)
    options = set(re.findall(r"--[a-z-]+", parser.format_help())) - {"--url"}

    assert options <= set(re.findall(r"--[a-z-]+", PAGE))
