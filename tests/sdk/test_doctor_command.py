"""``headway doctor``: one line for each thing that can be wrong, and what to do about it."""

import argparse
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from headway.client_settings import ClientSettings
from headway.collector_checks import visit
from headway.doctor_command import DOCTOR, examine
from headway.findings import Finding, as_json, as_text, exit_code
from headway.guards import Guard
from headway.identities import Identities
from headway.journals import Journal
from headway.places import Place
from headway.records import COLLECTOR_HEADER
from headway.settings import Sources

NOW_S = 1_800_000_000.0
EMPTY = (400, {"code": "not_ndjson", "message": "no line is JSON"})
NO_LOSSES = (200, {"total": 0, "losses": [], "next_cursor": None})


class Clinic:
    """A collector that answers what it is told to."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {
            "/healthz": (200, {"status": "ok", "version": "1.2", "label": "demo", "uptime_s": 5}),
            "/readyz": (200, {"status": "ready"}),
            "/v1/ingest": EMPTY,
            "/v1/losses": NO_LOSSES,
        }
        self.now_s = NOW_S
        self.keys: list[str | None] = []
        clinic = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = clinic.answers[self.path.partition("?")[0]]
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                # Not send_response, which says the machine's own time.
                self.send_response_only(status)
                self.send_header(COLLECTOR_HEADER, "1.2")
                self.send_header("Date", formatdate(clinic.now_s, usegmt=True))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self) -> None:
                clinic.keys.append(self.headers.get("Authorization"))
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    clinic = Clinic()
    yield clinic
    clinic.stop()


@pytest.fixture
def ask(clinic: Clinic, tmp_path: Path) -> Callable[..., list[Finding]]:
    """Examine with these settings; the collector is there, unless another URL is given."""

    def ask(**settings: str) -> list[Finding]:
        chosen = {"URL": clinic.url, "PROJECT": "shop", "JOURNAL_DIR": str(tmp_path / "journal")}
        environment = {f"HEADWAY_{key}": value for key, value in {**chosen, **settings}.items()}
        file = {"release": "1.2"}
        return examine(Sources(environment, file, "headway.toml"), clock_s=lambda: NOW_S)

    return ask


def leave(folder: Path, url: str, *, lost: int = 0) -> Journal:
    journal = Journal(Place(folder, "shop", url=url), Guard(), Identities())
    journal.append(b"one")
    journal.append(b"two")
    if lost:
        journal._guard.drop("journal_full", lost, "it was full", project="shop")
        journal.keep_losses()
    return journal


def only(findings: list[Finding], check: str) -> Finding:
    (found,) = [each for each in findings if each.check == check]
    return found


def test_where_all_is_well_every_line_says_so(ask: Callable[..., list[Finding]]) -> None:
    findings = ask()

    assert {finding.level for finding in findings} == {"ok"}
    assert exit_code(findings) == 0
    assert "version 1.2, demo" in only(findings, "collector").message
    assert only(findings, "waiting").message == "nothing waits"


def test_each_setting_is_named_with_its_source_and_secrets_are_not_shown(
    ask: Callable[..., list[Finding]], clinic: Clinic
) -> None:
    url = clinic.url.replace("//", "//me:hidden@")
    findings = ask(API_KEY="also-hidden", URL=url)
    origins = {each.data["key"]: each.data["origin"] for each in findings if "key" in each.data}

    assert origins["project"] == "HEADWAY_PROJECT"
    assert origins["release"] == "headway.toml"
    assert origins["exit_timeout_s"] == "default"
    assert "hidden" not in str(findings)
    assert "api_key = set, not shown (HEADWAY_API_KEY)" in str(findings)
    assert clinic.keys == ["Bearer also-hidden"]


def test_settings_that_cannot_be_used_are_the_first_thing_to_mend(
    ask: Callable[..., list[Finding]],
) -> None:
    findings = ask(EXIT_TIMEOUT_S="soon", URL="nowhere")

    assert [finding.level for finding in findings] == ["fail", "fail"]
    assert "HEADWAY_EXIT_TIMEOUT_S is 'soon'" in findings[0].message
    assert "nothing is sent, calls wait in the journal" in findings[1].message


def test_being_disabled_needs_attention(ask: Callable[..., list[Finding]]) -> None:
    findings = ask(DISABLED="1")

    assert exit_code(findings) == 1
    assert "nothing is recorded" in str(findings)


def test_a_dead_collector_and_what_waits_for_it(
    ask: Callable[..., list[Finding]], tmp_path: Path
) -> None:
    journal = leave(tmp_path / "journal", "http://127.0.0.1:9")
    findings = ask(URL="http://127.0.0.1:9")
    journal.close()
    waiting = only(findings, "waiting")

    assert exit_code(findings) == 1
    assert "nobody answers" in only(findings, "collector").message
    assert waiting.level == "warn"
    assert "2 calls of shop" in waiting.message
    assert waiting.data["pids"] == [os.getpid()]
    assert waiting.data["url"] == "http://127.0.0.1:9"


def test_what_a_dead_process_left_is_for_headway_ship(
    ask: Callable[..., list[Finding]], clinic: Clinic, tmp_path: Path
) -> None:
    leave(tmp_path / "journal", clinic.url).close()
    waiting = only(ask(), "waiting")

    assert (waiting.level, waiting.advice) == ("ok", "run `headway ship`")
    assert waiting.data["records"] == 2
    assert waiting.data["pids"] == []


def test_what_waits_for_an_address_that_nobody_here_has_needs_a_hand(
    ask: Callable[..., list[Finding]], tmp_path: Path
) -> None:
    journal = leave(tmp_path / "journal", "http://moved:4318")
    in_use = only(ask(), "waiting")
    journal.close()
    orphaned = only(ask(), "waiting")

    assert (in_use.level, in_use.advice) == ("ok", "")
    assert (orphaned.level, "--url" in orphaned.advice) == ("warn", True)


@pytest.mark.parametrize(
    ("status", "key", "level", "words"),
    [
        (401, "", "fail", "wants a key"),
        (401, "k", "fail", "does not know the key"),
        (403, "k", "fail", "may not write to the project shop"),
        (500, "k", "warn", "answered 500"),
    ],
)
def test_a_key_that_is_missing_unknown_or_not_good_for_the_project(
    ask: Callable[..., list[Finding]],
    clinic: Clinic,
    status: int,
    key: str,
    level: str,
    words: str,
) -> None:
    clinic.answers["/v1/ingest"] = (status, {"code": "no", "message": "no"})
    finding = only(ask(API_KEY=key), "key")

    assert finding.level == level
    assert words in finding.message


def test_a_server_that_is_no_collector_cannot_work(
    ask: Callable[..., list[Finding]], clinic: Clinic
) -> None:
    clinic.answers["/healthz"] = (200, b"<html>It works!</html>")
    findings = ask()

    assert exit_code(findings) == 2
    assert "is no Headway collector" in only(findings, "collector").message


def test_a_server_that_never_answers_is_as_good_as_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        seen = visit(ClientSettings(url=url), timeout_s=0.2)

    assert "nobody answers" in only(seen.findings, "collector").message
    assert not seen.is_taking


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_a_server_that_drips_is_as_good_as_none(begin: bytes) -> None:
    is_over = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(begin)
            while not is_over.wait(0.02):
                connection.sendall(b"H" if not begin else b" ")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        seen = visit(ClientSettings(url=url), timeout_s=0.3)
        is_over.set()
        thread.join()

    assert "nobody answers" in only(seen.findings, "collector").message


def test_a_collector_that_takes_nothing_now_says_why(
    ask: Callable[..., list[Finding]], clinic: Clinic
) -> None:
    clinic.answers["/readyz"] = (503, {"code": "not_ready", "message": "the disk is full"})
    finding = only(ask(), "ready")

    assert finding.level == "warn"
    assert "the disk is full" in finding.message


def test_what_waits_for_a_collector_that_takes_nothing_needs_attention(
    ask: Callable[..., list[Finding]], clinic: Clinic, tmp_path: Path
) -> None:
    leave(tmp_path / "journal", clinic.url).close()
    clinic.answers["/v1/ingest"] = (403, {"code": "forbidden", "message": "no"})
    finding = only(ask(API_KEY="hers"), "waiting")

    assert finding.level == "warn"
    assert finding.advice.startswith("bring the collector back")


@pytest.mark.parametrize(
    ("ahead_s", "level", "words"),
    [(2.0, "ok", "agrees"), (-120.0, "warn", "120 s ahead"), (3600.0, "warn", "3,600 s behind")],
)
def test_a_clock_that_is_off_is_told_by_how_much(
    ask: Callable[..., list[Finding]], clinic: Clinic, ahead_s: float, level: str, words: str
) -> None:
    clinic.now_s = NOW_S + ahead_s
    finding = only(ask(), "clock")

    assert finding.level == level
    assert words in finding.message


def test_losses_are_told_from_the_journal_and_from_the_collector(
    ask: Callable[..., list[Finding]], clinic: Clinic, tmp_path: Path
) -> None:
    journal = leave(tmp_path / "journal", clinic.url, lost=5)
    loss = {"project": "shop", "client_id": "c" * 32, "reason": "too_large", "count": 7}
    clinic.answers["/v1/losses"] = (200, {"total": 7, "losses": [loss], "next_cursor": None})
    told, untold = [each for each in ask() if each.check == "losses"]
    journal.close()

    assert (told.level, told.data["reasons"]) == ("warn", {"too_large": 7})
    assert (untold.data["count"], untold.data["reason"]) == (5, "journal_full")


def test_a_journal_that_is_open_to_others_or_cannot_be_made(
    ask: Callable[..., list[Finding]], tmp_path: Path
) -> None:
    (tmp_path / "journal").mkdir(mode=0o755)
    (tmp_path / "journal").chmod(0o755)
    (tmp_path / "file").write_text("")
    is_open = only(ask(), "journal")
    is_impossible = only(ask(JOURNAL_DIR=str(tmp_path / "file" / "journal")), "journal")

    assert (is_open.level, is_open.advice) == ("warn", f"chmod 700 {tmp_path / 'journal'}")
    assert (is_impossible.level, "cannot be written" in is_impossible.message) == ("fail", True)


def test_a_journal_near_its_limit_needs_attention(
    ask: Callable[..., list[Finding]], clinic: Clinic, tmp_path: Path
) -> None:
    journal = leave(tmp_path / "journal", clinic.url)
    finding = only(ask(JOURNAL_LIMIT_BYTES=str(1 << 20)), "journal")
    journal.close()

    assert finding.level == "warn"
    assert "1.0 MB of 1.0 MB" in finding.message


def test_a_journal_that_cannot_be_made_is_told_before_the_first_call(
    ask: Callable[..., list[Finding]], tmp_path: Path
) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    for folder in (tmp_path / "nowhere", tmp_path / ("x" * 300), tmp_path / "new" / ("x" * 300)):
        assert only(ask(JOURNAL_DIR=str(folder)), "journal").level == "fail"


def test_what_is_out_of_the_ordinary_can_be_said_nevertheless(
    ask: Callable[..., list[Finding]], tmp_path: Path
) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    findings = ask(JOURNAL_DIR=folder, JOURNAL_LIMIT_BYTES="1" + "0" * 400)

    assert "\\udcff" in as_text(findings).encode().decode()
    assert json.loads(as_json(findings))["findings"][0]["check"] == "setting"
    assert exit_code(findings) == 0


def test_damaged_calls_are_told_with_what_to_do(
    ask: Callable[..., list[Finding]], clinic: Clinic, tmp_path: Path
) -> None:
    leave(tmp_path / "journal", clinic.url).close()
    path = next(tmp_path.glob("journal/*.segment"))
    path.write_bytes(path.read_bytes().replace(b"one", b"onX"))
    finding = only(ask(), "damaged")

    assert finding.message.startswith("1 calls or more")
    assert "headway ship" in finding.advice


def test_machines_read_the_same_with_the_exit_code(
    clinic: Clinic,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADWAY_URL", clinic.url)
    monkeypatch.setenv("HEADWAY_JOURNAL_DIR", str(tmp_path / "journal"))
    parser = argparse.ArgumentParser()
    DOCTOR.configure(parser)
    # The clinic's clock stands still.
    code = DOCTOR.run(parser.parse_args(["--json"]))
    report = json.loads(capsys.readouterr().out)

    assert code == report["exit_code"] == 1
    assert {each["check"] for each in report["findings"] if each["level"] == "warn"} == {"clock"}
    assert DOCTOR.run(parser.parse_args([])) == 1
    assert "warn  clock" in capsys.readouterr().out


def test_a_settings_file_that_cannot_be_read_is_told_and_not_thrown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "headway.toml").write_text("project = ")
    code = DOCTOR.run(argparse.Namespace(json=False))

    assert code == 2
    assert "is not valid TOML" in capsys.readouterr().out
