"""``headway up``: both processes, one Ctrl-C, and a port conflict that is explained."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.processes import clean_environment, read_line, run_headway


def start(folder: Path) -> tuple[subprocess.Popen[bytes], list[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "headway", "up", "--collector-port", "0", "--ui-port", "0"],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    words = read_line(process, 90).decode().split()
    return process, [word for word in words if word.startswith("http")]


def test_up_serves_both_and_ctrl_c_stops_both(tmp_path: Path) -> None:
    process, urls = start(tmp_path)
    answers = [
        urllib.request.urlopen(url + path, timeout=10).status
        for url, path in zip(urls, ["/_stcore/health", "/readyz"], strict=True)
    ]
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=40)

    assert answers == [200, 200]
    assert process.returncode == 0
    assert complaints == b""
    assert all(map(is_free, urls))
    assert (tmp_path / "headway.duckdb").is_file()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_closed_terminal_or_a_killed_parent_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals
) -> None:
    process, urls = start(tmp_path)

    process.send_signal(number)
    process.communicate(timeout=40)  # ends when the children, too, have closed their stderr

    assert all(map(is_free, urls))


def test_up_names_the_port_that_is_taken_and_the_option(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = run_headway("up", "--collector-port", str(port), cwd=tmp_path)

    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 is in use by another program" in done.stderr
    assert "--collector-port" in done.stderr
    assert os.listdir(tmp_path) == []


def test_up_refuses_a_port_that_is_none(tmp_path: Path) -> None:
    done = run_headway("up", "--collector-port", "99999", cwd=tmp_path)

    assert done.returncode == 2
    assert "99999" in done.stderr
    assert "not a port" in done.stderr
    assert "Traceback" not in done.stderr


def is_free(url: str) -> bool:
    port = int(url.rsplit(":", 1)[1])
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
