"""Suites as files: YAML in the order and the forms that a person would write."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from headway_evals.errors import ImportingError
from headway_evals.importing.reports import ImportedSuite

_WIDTH = 110


def suite_text(suite: ImportedSuite) -> str:
    """Return a suite as YAML, which reads back as the same values."""
    return yaml.dump(
        suite.document,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=_WIDTH,
    )


def write_suite(suite: ImportedSuite, path: Path) -> None:
    """Write a suite, and beside it what it needs there.

    Raises:
        ImportingError: it cannot be written, or would take the place of another file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(suite_text(suite), encoding="utf-8")
        for module in suite.modules:
            beside = path.parent / module.name
            if beside.exists() and beside.samefile(module):
                continue
            if beside.exists() and beside.read_bytes() != module.read_bytes():
                raise ImportingError(
                    f"{beside} is there already and is not {module}: give another --out"
                )
            shutil.copyfile(module, beside)
    except OSError as error:
        raise ImportingError(f"{path} cannot be written: {error.strerror}") from error


def plain(value: Any) -> Any:
    """Return data without its lines."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


class _Dumper(yaml.SafeDumper):
    """YAML without aliases, with lists indented and texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write each value where it stands."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key."""
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # A block keeps neither trailing blanks of its lines nor characters that have to be escaped.
    lines = text.split("\n")
    is_block = len(lines) > 1 and all(line == line.rstrip() for line in lines)
    is_plain = text.isprintable() or all(each.isprintable() or each == "\n" for each in text)
    style = "|" if is_block and is_plain and not text.startswith((" ", "\n")) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
# Suites are read by YAML 1.2, to which more texts look like numbers than to this package.
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)
