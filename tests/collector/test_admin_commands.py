"""What administrators type: slips are told in the words of the command, and lose nothing."""

import io
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway.apis import ApiClient
from headway.cli import join_times, main
from headway.errors import ApiError
from headway_collector.sql_command import write_answer

Lines = Callable[..., bytes]
Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def url(listen: Callable[..., str]) -> str:
    """A collector in this process."""
    return listen()


@pytest.fixture
def client(url: str, span_line: Lines) -> ApiClient:
    """It, with a call of ann's in shop and one of bob's in vault."""
    client = ApiClient(url)
    client.ingest([span_line(user_id="ann")], project="shop", batch_id="one")
    client.ingest([span_line(user_id="bob")], project="vault", batch_id="two")
    return client


@pytest.fixture
def run(client: ApiClient, url: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command against it; returns the exit code and both outputs."""

    def run_one(line: str) -> tuple[int, str, str]:
        code = main([*shlex.split(line), "--url", url])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run_one


def test_an_erasure_that_found_nothing_says_so_first_and_where_to_look(
    run: Run, client: ApiClient
) -> None:
    code, out, _ = run("erase --user bob --project shop --wait")
    hint = next(line for line in out.splitlines() if "headway sql" in line).strip()

    assert code == 1
    assert out.startswith("NOTHING WAS FOUND of this user in project shop.")
    assert "gone from every read" not in out
    assert "vault" in run(hint.removeprefix("headway "))[1]
    assert run("erase --user bob --project vault")[0] == 0


@pytest.mark.parametrize("trace", ["zz", "4BF92F3577B34DA6A3CE929D0E0E4736", ""])
def test_what_is_no_id_of_a_trace_is_refused_by_the_command_and_the_api(
    run: Run, client: ApiClient, trace: str
) -> None:
    code, _, err = run(f"erase --trace '{trace}' --project shop")

    assert code == 2
    assert f"--trace {trace!r} is not a trace's id" in err
    with pytest.raises(ApiError) as refused:
        client.post("/v1/erasures", {"kind": "trace", "id": trace}, project="shop")
    assert refused.value.status == 422
    assert client.get("/v1/erasures")["erasures"] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--project shop --days 0", "--days 0: give at least 1 day"),
        ("--project shop --content-days 0.5", "--content-days 0.5: give at least 1 day"),
        ("--all-projects", "say --days, --content-days, or both"),
        ("--all-projects --days 2 --content-days 9", "--content-days 9 is more than --days 2"),
    ],
)
def test_a_rule_that_would_take_what_came_today_is_refused(
    run: Run, client: ApiClient, line: str, said: str
) -> None:
    code, _, err = run(f"retention set {line}")

    assert code == 2
    assert said in err
    assert client.get("/v1/retention")["rules"] == []


def test_a_rule_for_all_projects_has_to_be_called_that(run: Run, client: ApiClient) -> None:
    with pytest.raises(SystemExit):
        run("retention set --days 30")
    assert client.get("/v1/retention")["rules"] == []

    assert run("retention set --all-projects --days 30")[1].startswith("all projects, all spans")


def test_a_rule_for_a_project_without_calls_is_kept_with_a_warning(
    run: Run, client: ApiClient
) -> None:
    code, _, err = run("retention set --project shpo --days 30")

    assert code == 0
    assert "no call was logged in project shpo (there are shop, vault)" in err
    assert [rule["project"] for rule in client.get("/v1/retention")["rules"]] == ["shpo"]
    assert run("retention set --project shop --days 30")[2] == ""


def test_nothing_of_a_project_that_is_misspelt_comes_with_a_hint(run: Run, tmp_path: Path) -> None:
    hint = "no call was logged in project shpo (there are shop, vault)"
    asked = run("sql 'SELECT name FROM spans' --project shpo")
    exported = run(f"export {tmp_path / 'a.jsonl'} --project shpo")
    empty = run("sql 'SELECT name FROM spans WHERE false' --project shop")

    assert hint in asked[2]
    assert hint in exported[2]
    assert "no call" not in empty[2]


def test_a_backup_replaces_a_file_only_where_that_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "backup").write_bytes(b"of last week")
    code, _, err = run(f"backup {tmp_path / 'backup'}")

    assert code == 2
    assert "add --overwrite" in err
    assert (tmp_path / "backup").read_bytes() == b"of last week"
    assert run(f"backup {tmp_path / 'backup'} --overwrite")[0] == 0
    assert (tmp_path / "backup").read_bytes()[8:12] == b"DUCK"


@pytest.mark.parametrize("wish", ["", "--project shop --all-projects"])
def test_a_key_without_projects_is_refused_in_the_words_of_the_command(run: Run, wish: str) -> None:
    code, _, err = run(f"keys create --scope read {wish}")

    assert code == 2
    assert "--project" in err
    assert "--all-projects" in err


def test_times_that_begin_with_a_minus_are_taken(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(f"export {tmp_path / 'a.jsonl'} --start -36500d --end -0s --project shop")

    assert code == 0
    assert out.startswith("1 spans")
    assert join_times(["sql", "--", "-7d"]) == ["sql", "--", "-7d"]
    assert join_times(["x", "--start=-1d", "-7d"]) == ["x", "--start=-1d", "-7d"]


def test_rows_that_do_not_fit_are_shown_a_column_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    columns = [{"name": f"a_long_name_{number}"} for number in range(12)]
    wide: dict[str, Any] = {"columns": columns, "rows": [list(range(12)), [None] * 12]}
    narrow = {"columns": columns[:2], "rows": [[1, 2]]}
    shown, table = io.StringIO(), io.StringIO()
    write_answer(wide, "table", shown)
    write_answer(narrow, "table", table)

    lines = shown.getvalue().splitlines()
    assert lines[:2] == ["--- row 1", "a_long_name_0   0"]
    assert lines[12:15] == ["a_long_name_11  11", "--- row 2", "a_long_name_0"]
    assert "a_long_name_0 ┃ a_long_name_1" in table.getvalue()


def test_listings_are_narrowed_by_project(client: ApiClient) -> None:
    client.put("/v1/retention", {"project": "shop", "days": 9})
    client.put("/v1/retention", {"project": "vault", "days": 9})
    client.ingest([b'{"type": "span"}'], project="shop", batch_id="bad")
    (reject,) = client.get("/v1/rejects")["rejects"]
    path = f"/v1/rejects/{reject['reject_id']}"

    rules = client.get("/v1/retention", {"project": "shop"})["rules"]
    assert [rule["project"] for rule in rules] == ["shop"]
    assert client.get(path, {"project": "shop"})["reject_id"] == reject["reject_id"]
    with pytest.raises(ApiError, match="no reject"):
        client.get(path, {"project": "vault"})
    counts = [client.get("/v1/descriptors", {"project": each}) for each in ("shop", "none")]
    assert [each["described"] + each["due"] for each in counts] == [1, 0]
