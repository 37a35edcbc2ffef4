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
