"""Logs are lines for people or programs, and hold neither secrets nor what was logged."""

import io
import json
import logging
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway.cli import main
from headway.errors import HeadwayError
from headway_collector.apps import create_app
from headway_collector.logs import LogFormat, describe_exception, start_logging
from headway_collector.store.connections import Store

Lines = Callable[..., bytes]

SECRET = "hw_abc_THE-SECRET-OF-A-KEY"
CONTENT = "WHAT-SOMEBODY-ASKED"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the process logs to while a test runs; afterwards all is as it was."""
    names = (
        "",
        "uvicorn",
        "uvicorn.error",
        "uvicorn.access",
        "uvicorn.asgi",
        "asyncio",
        "concurrent.futures",
        "headway_collector.access",
    )
    loggers = [logging.getLogger(name) for name in names]
    before = [(each, each.handlers[:], each.level, each.propagate) for each in loggers]
    yield io.StringIO()
    logging.captureWarnings(False)
    for logger, handlers, level, propagate in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_of_json_has_its_time_level_logger_and_message(stream: io.StringIO) -> None:
    start_logging("json", "info", stream=stream)

    logging.getLogger("headway_collector.x").info("%d of\n%s", 3, "these")

    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "logger": "headway_collector.x", "message": "3 of\nthese"}


def test_lines_of_text_stay_one_line(stream: io.StringIO) -> None:
    start_logging("text", stream=stream)

    logging.getLogger("x").warning("one\nWARNING forged: two")

    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().endswith("WARNING x: one\\nWARNING forged: two\n")


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    start_logging("json", "error", stream=stream)

    logging.getLogger("x").warning("quiet")
    logging.getLogger("x").error("loud")

    assert [line["message"] for line in lines(stream)] == ["loud"]


def test_lines_of_uvicorn_and_warnings_of_python_are_alike(stream: io.StringIO) -> None:
    start_logging("json", stream=stream)

    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("this goes away", DeprecationWarning, stacklevel=1)

    assert [line["logger"] for line in lines(stream)] == ["uvicorn.error", "py.warnings"]
    assert "this goes away" in lines(stream)[1]["message"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_of_a_foreign_exception_the_place_is_told_and_not_the_words(
    stream: io.StringIO, log_format: LogFormat
) -> None:
    start_logging(log_format, stream=stream)
    try:
        try:
            int(CONTENT)
        except ValueError as cause:
            raise RuntimeError(f"cannot take {CONTENT}") from cause
    except RuntimeError as error:
        logging.getLogger("x").error("a batch cannot be stored", exc_info=error)

    said = stream.getvalue()
    assert CONTENT not in said
    assert "RuntimeError" in said
    assert "ValueError" in said
    assert "test_logs.py" in said


def test_the_words_of_our_own_and_of_the_system_are_told() -> None:
    assert "HeadwayError: use --db" in describe_exception(HeadwayError("use --db"))
    assert "No space left" in describe_exception(OSError(28, "No space left on device"))


def test_an_access_line_says_who_asked_what_and_nothing_of_it(
    stream: io.StringIO, store: Store, span_line: Lines
) -> None:
    start_logging("json", "error", has_access_log=True, stream=stream)
    with TestClient(create_app(store, has_access_log=True)) as client:
        line = span_line(input=CONTENT)
        client.post("/v1/ingest", content=line)
        client.get(f"/v1/spans?q={CONTENT}", headers={"Authorization": f"Bearer {SECRET}"})
        client.get(f"/v1/traces/{CONTENT}")

    told = [line for line in lines(stream) if line["logger"] == "headway_collector.access"]
    assert [(each["method"], each["route"]) for each in told] == [
        ("POST", "/v1/ingest"),
        ("GET", "/v1/spans"),
        ("GET", "/v1/traces/{trace_id}"),
    ]
    assert (told[0]["status"], told[0]["bytes_in"], told[0]["key_id"]) == (200, len(line), None)
    assert told[0]["ms"] > 0
    assert CONTENT not in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_without_an_access_log_requests_are_no_lines(stream: io.StringIO, store: Store) -> None:
    start_logging("json", "info", stream=stream)
    with TestClient(create_app(store)) as client:
        client.get("/v1/spans")

    assert all(line["logger"] != "headway_collector.access" for line in lines(stream))


def test_a_process_logs_json_without_what_it_was_sent(tmp_path: Path, span_line: Lines) -> None:
    command = [sys.executable, "-m", "headway", "serve", "--db", str(tmp_path / "a.duckdb")]
    options = ["--port", "0", "--log-format", "json", "--log-level", "debug", "--access-log"]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[3]
    bodies = [
        span_line(input=CONTENT),
        span_line(span_id=CONTENT),
        CONTENT.encode(),
        b'{"type":"span","name":"' + CONTENT.encode() + b"\xff",
    ]
    for body in bodies:
        for path in ("/v1/ingest", "/v1/traces", f"/v1/spans/{CONTENT}"):
            headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
            request = urllib.request.Request(f"{url}{path}", data=body, headers=headers)
            try:
                urllib.request.urlopen(request, timeout=30).close()
            except urllib.error.HTTPError as error:
                error.close()
    process.terminate()
    _, said = process.communicate(timeout=60)

    told = [json.loads(line) for line in said.splitlines()]
    assert len([line for line in told if line["logger"] == "headway_collector.access"]) == 12
    assert CONTENT not in said
    assert "THE-SECRET" not in said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LOG_FORMAT", "xml", "not one of text, json"),
        ("LOG_LEVEL", "loud", "not one of debug, info, warning, error"),
        ("MAX_FIELD_BYTES", "much", "not a size above zero"),
    ],
)
def test_a_setting_that_cannot_be_used_says_what_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"HEADWAY_COLLECTOR_{name}", value)
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)

    assert main(["serve", "--db", str(tmp_path / "a.duckdb"), "--port", "0"]) != 0
    assert said in errors.getvalue()
