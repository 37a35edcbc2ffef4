"""``headway ui`` as a process: it starts, says where it is, keeps to itself, and ends cleanly."""

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import urllib3

from headway.errors import CommandError
from headway_ui.commands import APP, UI, find_port

Start = Callable[..., subprocess.Popen[str]]
END_TIMEOUT_S = 30.0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start ``headway ui`` in an empty folder; whatever still runs at the end is stopped."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "headway", "ui", *arguments],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_it_announces_an_address_that_answers_and_ends_on_sigterm(
    start: Start, helpers: SimpleNamespace, tmp_path: Path
) -> None:
    process = start("--port", "0", "--url", "http://127.0.0.1:9")
    url = helpers.read_url(process)
    page = urllib3.request("GET", url)

    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=END_TIMEOUT_S)

    assert page.status == 200
    assert process.returncode == 0
    assert "Traceback" not in output + errors
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_it_without_a_traceback(start: Start, helpers: SimpleNamespace) -> None:
    process = start("--port", "0")
    helpers.read_url(process)

    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=END_TIMEOUT_S)

    assert process.returncode == 0
    assert "Traceback" not in output + errors


def test_a_port_in_use_is_one_line_and_exit_code_2(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("--port", str(port))
        _, errors = process.communicate(timeout=END_TIMEOUT_S)

    assert process.returncode == 2
    assert errors.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{port}" in errors
    assert "--port" in errors


def test_a_setting_that_is_no_port_is_named(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_UI_PORT", "many")
    process = start()
    _, errors = process.communicate(timeout=END_TIMEOUT_S)

    assert process.returncode == 2
    assert "HEADWAY_UI_PORT is 'many'" in errors


def test_port_zero_is_replaced_by_a_free_one() -> None:
    assert find_port("127.0.0.1", 0) > 0


def test_a_host_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(CommandError, match=r"192\.0\.2\.1"):
        find_port("192.0.2.1", 8501)


def test_the_help_needs_no_streamlit() -> None:
    program = (
        "import sys; from headway.cli import build_parser; from headway_ui.commands import UI; "
        "build_parser({'ui': UI}).format_help(); sys.exit('streamlit' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("arguments", [["--port", "http"], ["--port", "70000"]])
def test_an_argument_that_is_no_port_is_refused(
    arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    UI.configure(parser)

    with pytest.raises(SystemExit):
        parser.parse_args(arguments)

    assert "port" in capsys.readouterr().err


def test_the_configuration_lies_beside_the_app_and_keeps_streamlit_quiet() -> None:
    text = (APP.parent / ".streamlit" / "config.toml").read_text(encoding="utf-8")

    assert "gatherUsageStats = false" in text
    assert "showErrorLinks = false" in text
