import os
import subprocess
import sys
from pathlib import Path

import pytest

from headway._version import __version__
from headway.cli import build_parser, main
from headway.commands import Command
from headway.errors import CommandError


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"headway {__version__}\n"


def test_an_unknown_command_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(arguments: object) -> int:
        raise CommandError("no")

    parser = build_parser({"sing": Command("sing", "Sing.", "", lambda parser: None, fail)})
    with pytest.raises(SystemExit):
        parser.parse_args(["dance"])

    assert "sing" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"]])
def test_help_that_nobody_reads_ends_in_silence(arguments: list[str]) -> None:
    assert _run_unread(["-m", "headway", *arguments], is_buffered=True) == (141, "")


@pytest.mark.parametrize("is_buffered", [True, False])
def test_a_reader_who_leaves_amid_much_ends_a_command_in_silence(
    is_buffered: bool, tmp_path: Path
) -> None:
    program = tmp_path / "much.py"
    program.write_text(
        "import sys\n"
        "from headway import cli\n"
        "from headway.commands import Command\n"
        "def run(arguments):\n"
        "    for _ in range(100_000):\n"
        "        sys.stdout.write('a line\\n')\n"
        "    return 0\n"
        "much = Command('much', 'Say much.', '', lambda parser: None, run)\n"
        "cli.find_commands = lambda: {'much': much}\n"
        "sys.exit(cli.main(['much']))\n"
    )

    assert _run_unread([str(program)], is_buffered) == (141, "")


def test_a_table_that_nobody_reads_ends_a_command_in_silence(tmp_path: Path) -> None:
    program = tmp_path / "table.py"
    program.write_text(
        "import sys\n"
        "from headway import cli\n"
        "from headway.commands import Command\n"
        "def run(arguments):\n"
        "    from rich.console import Console\n"
        "    Console().print('a line\\n' * 100_000)\n"
        "    return 0\n"
        "table = Command('table', 'Draw.', '', lambda parser: None, run)\n"
        "cli.find_commands = lambda: {'table': table}\n"
        "sys.exit(cli.main(['table']))\n"
    )

    assert _run_unread([str(program)], is_buffered=True) == (141, "")


def test_another_pipe_that_breaks_is_a_fault_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(arguments: object) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    broken = Command("sing", "Sing.", "", lambda parser: None, fail)
    monkeypatch.setattr("headway.cli.find_commands", lambda: {"sing": broken})
    with open(os.devnull, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        status = main(["sing"])

    assert status == 2
    assert "this is a fault in Headway" in capsys.readouterr().err


def _run_unread(arguments: list[str], is_buffered: bool) -> tuple[int, str]:
    """Run Python with a standard output that nobody reads; return its status and its words."""
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONUNBUFFERED": "" if is_buffered else "1"}
    try:
        ended = subprocess.run(
            [sys.executable, *arguments],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            check=False,
        )
    finally:
        os.close(writer)
    return ended.returncode, ended.stderr
