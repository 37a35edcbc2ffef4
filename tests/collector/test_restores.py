"""What a restore looks at before it begins, and what it keeps of the database that it replaces."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway.cli import main
from headway_collector.errors import StoreError
from headway_collector.restoring import restore
from headway_collector.store.connections import Store
from headway_collector.store.retention import Rule, read_rules

BACKUP_NS = 1_000
LATER_NS = 2_000
ROWS = 20_000


def make(path: Path, *statements: str) -> None:
    """Make a database, or open one, and run statements in it."""
    store = Store(path)
    for statement in statements:
        with store.transaction() as connection:
            connection.execute(statement)
    store.checkpoint()
    store.close()


def read(path: Path, sql: str) -> list[dict[str, Any]]:
    store = Store(path)
    try:
        return store.read(sql)
    finally:
        store.close()


def add_rule(project: str | None, days: float, changed_ns: int) -> str:
    name = "NULL" if project is None else f"'{project}'"
    return f"INSERT INTO store.retention VALUES ({name}, NULL, {days}, NULL, {changed_ns})"


def add_action(audit_id: str, action: str, project: str, time_ns: int) -> str:
    detail = json.dumps({"kind": None})
    return (
        "INSERT INTO store.audit (audit_id, time_ns, action, project, detail) "
        f"VALUES ('{audit_id}', {time_ns}, '{action}', '{project}', '{detail}')"
    )


def fill(path: Path) -> None:
    make(
        path,
        "INSERT INTO store.spans (project, name, kind, span_key, start_ns, input) "
        f"SELECT 'p', 'n', 'llm', n, n, md5(n::VARCHAR) FROM range({ROWS}) AS each(n)",
    )


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    """Change a byte in a row's text, wherever the file keeps it."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@pytest.mark.parametrize("spoil", [cut, flip])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_damaged_backup_is_refused_by_its_name_whether_a_database_is_there_or_not(
    tmp_path: Path, spoil: Callable[[bytes], bytes], is_there: bool
) -> None:
    fill(tmp_path / "backup")
    (tmp_path / "backup").write_bytes(spoil((tmp_path / "backup").read_bytes()))
    if is_there:
        make(tmp_path / "a.duckdb")
    before = sorted(tmp_path.iterdir())

    with pytest.raises(StoreError) as refused:
        restore(tmp_path / "backup", tmp_path / "a.duckdb")

    assert str(refused.value).startswith(f"{tmp_path / 'backup'} ")
    assert ".part" not in str(refused.value)
    assert sorted(tmp_path.iterdir()) == before


def test_a_whole_backup_is_restored_where_no_database_was_and_the_audit_says_so(
    tmp_path: Path,
) -> None:
    fill(tmp_path / "backup")

    restored = restore(tmp_path / "backup", tmp_path / "a.duckdb", clock_ns=lambda: LATER_NS)

    assert restored.kept is None
    assert read(tmp_path / "a.duckdb", "SELECT count(*) AS n FROM store.spans") == [{"n": ROWS}]
    actions = read(tmp_path / "a.duckdb", "SELECT action, project, time_ns FROM store.audit")
    assert actions == [{"action": "backup.restore", "project": None, "time_ns": LATER_NS}]
    assert (tmp_path / "a.duckdb").stat().st_mode & 0o777 == 0o600


def test_the_audit_since_the_backup_is_kept_once(tmp_path: Path) -> None:
    both = add_action("one", "key.make", "p", BACKUP_NS)
    make(tmp_path / "backup", both)
    make(tmp_path / "a.duckdb", both, add_action("two", "key.revoke", "p", LATER_NS))

    restored = restore(tmp_path / "backup", tmp_path / "a.duckdb")

    assert restored.carried.actions == 1
    actions = read(tmp_path / "a.duckdb", "SELECT action, detail FROM store.audit ORDER BY time_ns")
    assert [each["action"] for each in actions] == ["key.make", "key.revoke", "backup.restore"]
    assert json.loads(actions[-1]["detail"])["actions"] == 1


def test_of_two_rules_the_later_one_holds_after_a_restore_and_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(
        tmp_path / "backup",
        add_rule("changed", 365, BACKUP_NS),
        add_rule("removed", 5, BACKUP_NS),
        add_rule("older", 9, LATER_NS),
        add_rule("of another place", 7, BACKUP_NS),
    )
    make(
        tmp_path / "a.duckdb",
        add_rule("changed", 30, LATER_NS),
        add_rule("older", 8, BACKUP_NS),
        add_rule(None, 99, LATER_NS),
        add_action("one", "retention.remove", "removed", LATER_NS),
        add_action("two", "retention.remove", "of another place", BACKUP_NS - 1),
    )

    ended = main(["restore", str(tmp_path / "backup"), "--db", str(tmp_path / "a.duckdb")])

    assert ended == 0
    store = Store(tmp_path / "a.duckdb")
    rules = read_rules(store)
    store.close()
    assert rules == [
        Rule(None, None, 99.0),
        Rule("changed", None, 30.0),
        Rule("of another place", None, 7.0),
        Rule("older", None, 9.0),
    ]
    told = capsys.readouterr().out
    assert "kept, as it was set since: all projects, all spans: deleted after 99 days" in told
    assert "kept, as it was set since: changed, all spans: deleted after 30 days" in told
    assert "removed, as it was since: removed, all spans: deleted after 5 days" in told
    assert "older" not in told
    assert "of another place" not in told
