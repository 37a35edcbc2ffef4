"""What ``headway serve`` says of settings that it cannot use, before it starts."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from headway.cli import main
from headway_collector.bodies import BODY_LIMIT_BYTES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("collector = 3", "collector in .* is 3: it is a table"),
        ("url = 7", "url in .* is 7: give a text, in quotes"),
        ("[collector]\ndb = 5", "collector.db in .* is 5: give a text, in quotes"),
        ("[collector]\nhost = true", "collector.host in .* is True: give a text"),
        (f"[collector]\nmax_field_bytes = {BODY_LIMIT_BYTES + 1}", "max_field_bytes .* body"),
        (f"[collector]\nmax_record_bytes = {BODY_LIMIT_BYTES + 1}", "max_record_bytes .* body"),
        ('[collector]\ndisk_reserve_bytes = "900000TB"', "disk_reserve_bytes is 9.* has .* in all"),
    ],
)
def test_a_value_that_cannot_be_is_refused_before_anything_is_made(
    text: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "headway.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    # Of a program that starts all the same, since another setting stops it then.
    monkeypatch.setenv("HEADWAY_PRICES", "nowhere.toml")

    assert main(["serve", "--port", "0"]) == 2
    assert re.search(said, capsys.readouterr().err)
    assert [each.name for each in tmp_path.iterdir()] == ["headway.toml"]


def test_keys_that_nobody_knows_are_told_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "headway.toml").write_text("redcat = 1\n[collector]\nsql_secondz = 3\nurl = 7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADWAY_PRICES", "nowhere.toml")
    main(["serve", "--port", "0"])
    said = capsys.readouterr().err

    assert "collector.sql_secondz in " in said
    assert "do you mean collector.sql_seconds?" in said
    assert "collector.url in " in said
    assert "redcat in " in said
    assert "nowhere.toml" in said


def test_what_is_no_database_is_not_told_of_its_rights(tmp_path: Path) -> None:
    junk = tmp_path / "junk.duckdb"
    junk.write_text("words " * 1000)
    junk.chmod(0o644)
    command = [sys.executable, "-m", "headway", "serve", "--port", "0", "--db", str(junk)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    assert ended.returncode == 2
    assert "can be read by every user" not in ended.stderr
