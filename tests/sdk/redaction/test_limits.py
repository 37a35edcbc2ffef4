"""What holds whatever happens: the time a function may take, messages of faults, silence."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import headway
from headway.client_settings import read_settings
from headway.clients import Client
from headway.redaction.choices import Choices
from headway.redaction.values import RedactionError, ValueRedactor
from headway.settings import Sources
from tests.sdk.conftest import StandIn

MakeClient = Callable[..., Client]


class Stopwatch:
    """Stands still until a function takes its time."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def take(self, text: str) -> str:
        """Take as many seconds as the text says."""
        self.now_s += float(text)
        return text


@pytest.mark.parametrize("texts", [["0.2"], ["0.06", "0.06"]])
def test_functions_have_a_tenth_of_a_second_for_one_record(texts: list[str]) -> None:
    watch = Stopwatch()
    values = ValueRedactor(Choices(functions=(watch.take,)), watch)
    values.begin()

    with pytest.raises(RedactionError, match=r"longer than 0\.1 s"):
        values.value("input", texts)


def test_another_record_has_a_tenth_of_a_second_of_its_own() -> None:
    watch = Stopwatch()
    values = ValueRedactor(Choices(functions=(watch.take,)), watch)
    for _ in range(3):
        values.begin()

        assert values.value("input", "0.06") == "0.06"


def test_messages_of_faults_are_looked_through_before_anybody_reads_them(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(
        is_raising=False, choices=read_settings(Sources({}, {}), redact="email").choices
    )

    with caplog.at_level(logging.WARNING, "headway"):
        headway.score("helpful", 1, trace_id="ada@example.com")

    assert "ada@example.com" not in caplog.text + str(client.stats().last_error)
    assert "[email]" in caplog.text


def test_where_a_function_cannot_read_a_message_it_is_left_out(make_client: MakeClient) -> None:
    def fail(text: str) -> str:
        raise RuntimeError(text)

    client = make_client(
        is_raising=False, choices=read_settings(Sources({}, {}), redact=[fail]).choices
    )

    headway.score("helpful", 1, trace_id="a secret")

    assert client.stats().faults["score"] == 1
    assert client.stats().last_error == "[redacted: it could not be looked through]"


def test_why_a_record_is_without_its_content_is_said_all_the_same(make_client: MakeClient) -> None:
    def fail(text: str) -> str:
        raise RuntimeError(text)

    client = make_client(
        is_raising=False, choices=read_settings(Sources({}, {}), redact=[fail]).choices
    )

    with headway.span("asked", input="a secret"):
        pass

    said = "a record was kept without its content: a redacting function raised RuntimeError"
    assert client.stats().last_error == said


def test_without_content_a_fault_names_the_error_and_not_what_it_says(
    make_client: MakeClient,
) -> None:
    client = make_client(
        is_raising=False, choices=read_settings(Sources({}, {}), capture_content=False).choices
    )

    headway.score("helpful", 1, trace_id="a secret")

    assert client.stats().last_error == "score of 'helpful': ValueError"


SILENT = """
import os
import headway

@headway.observe(capture_content=False)
def asked(text):
    return text

asked("a secret")
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
    headway.init(environment="after")
    asked("a secret")
    assert headway.flush(timeout_s=20)
else:
    asked("a secret")
    os._exit(not headway.flush(timeout_s=20))
"""


def test_a_silent_function_is_silent_before_init_and_in_a_forked_child(
    collector: StandIn, tmp_path: Path
) -> None:
    settings = {"HEADWAY_URL": collector.url, "HEADWAY_JOURNAL_DIR": str(tmp_path)}

    subprocess.run(
        [sys.executable, "-c", SILENT], env=os.environ | settings, check=True, timeout=60
    )

    assert [bytes(span.input) for span in collector.spans] == [b'"[not kept: 19 bytes]"'] * 3
    assert [bytes(span.output) for span in collector.spans] == [b'"[not kept: 10 bytes]"'] * 3
