"""What a restore looks at before it begins, and what it keeps of the database it replaces."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headway.apis import ApiClient
from headway.cli import main
from headway.errors import CommandError
from headway_collector.backup_command import fetch_backup
from headway_collector.errors import StoreError
from headway_collector.restoring import restore
from headway_collector.store.connections import Store
from headway_collector.store.drift_cards import save_card
from headway_collector.store.migrations import MIGRATIONS
from headway_collector.store.retention import Rule, read_rules
from tests.collector.erasure_worlds import make_card

BACKUP_NS = 1_000
LATER_NS = 2_000
ROWS = 20_000

Serve = Callable[..., Any]


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


def list_span_ids(path: Path) -> list[str]:
    return [row["span_id"] for row in read(path, "SELECT span_id FROM store.spans ORDER BY ALL")]


def add_span(number: int, user: str = "somebody") -> str:
    return (
        "INSERT INTO store.spans (project, name, kind, trace_id, span_id, span_key, start_ns, "
        "end_ns, received_ns, user_id) "
        f"VALUES ('p', 'triage', 'llm', '{number:032x}', '{number:016x}', {number}, {number}, "
        f"{number}, {number}, '{user}')"
    )


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


def test_a_restore_may_discard_what_was_there(tmp_path: Path) -> None:
    make(tmp_path / "backup", add_span(1))
    make(tmp_path / "a.duckdb", add_span(2))
    restored = restore(tmp_path / "backup", tmp_path / "a.duckdb", is_discarding=True)

    assert restored.kept is None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.duckdb", "backup"]
    assert list_span_ids(tmp_path / "a.duckdb") == [f"{1:016x}"]


def test_what_was_only_in_the_log_of_the_replaced_database_is_kept_with_it(tmp_path: Path) -> None:
    make(tmp_path / "backup", add_span(1))
    store = Store(tmp_path / "a.duckdb")
    with store.transaction() as connection:
        connection.execute(add_span(2))
    log = (tmp_path / "a.duckdb.wal").read_bytes()
    file = (tmp_path / "a.duckdb").read_bytes()
    store.close()
    (tmp_path / "a.duckdb").write_bytes(file)  # as a kill leaves both
    (tmp_path / "a.duckdb.wal").write_bytes(log)
    restore(tmp_path / "backup", tmp_path / "a.duckdb")

    assert list_span_ids(tmp_path / "a.duckdb") == [f"{1:016x}"]
    assert list_span_ids(tmp_path / "a.duckdb.before") == [f"{2:016x}"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no database at all" * 1000, "not a DuckDB database"),
        (None, "there is no file"),
    ],
)
def test_a_file_that_is_no_backup_changes_nothing(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    make(tmp_path / "a.duckdb", add_span(2))
    if content is not None:
        (tmp_path / "backup").write_bytes(content)

    with pytest.raises((StoreError, CommandError), match=message):
        restore(tmp_path / "backup", tmp_path / "a.duckdb")
    assert list_span_ids(tmp_path / "a.duckdb") == [f"{2:016x}"]
    assert not (tmp_path / "a.duckdb.before").exists()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TABLE somebody (id INT)", "something else"),
        ("SELECT 1", "an empty database, not a backup"),
        (
            "CREATE TABLE schema_versions AS SELECT 99 AS version, now() AS applied_at",
            f"schema 99, and this Headway knows up to {len(MIGRATIONS)}",
        ),
    ],
)
def test_a_database_of_others_or_of_a_newer_headway_is_no_backup(
    tmp_path: Path, statement: str, message: str
) -> None:
    with duckdb.connect(tmp_path / "backup") as connection:
        connection.execute(statement)

    with pytest.raises(StoreError, match=message):
        restore(tmp_path / "backup", tmp_path / "a.duckdb")
    assert [each.name for each in tmp_path.iterdir()] == ["backup"]


def test_a_file_that_was_copied_while_it_was_served_is_no_backup(tmp_path: Path) -> None:
    make(tmp_path / "backup", add_span(1))
    (tmp_path / "backup.wal").write_bytes(b"rows that the file has not")

    with pytest.raises(CommandError, match=r"backup\.wal lies beside .* with `headway backup`"):
        restore(tmp_path / "backup", tmp_path / "a.duckdb")


def test_a_database_is_not_restored_from_itself(tmp_path: Path) -> None:
    make(tmp_path / "a.duckdb", add_span(1))

    with pytest.raises(CommandError, match="is the database itself"):
        restore(tmp_path / "a.duckdb", tmp_path / "a.duckdb")


def test_who_was_erased_after_the_backup_stays_erased(serve: Serve, tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    make(database, add_span(1, "ann"), add_span(2, "bob"))
    served = serve(database)
    fetch_backup(served.url, tmp_path / "backup")
    ApiClient(served.url).post("/v1/erasures", {"kind": "user", "id": "ann"}, project="p")
    served.stop()
    restored = restore(tmp_path / "backup", database)

    assert restored.carried.tombstones > 0
    assert restored.erased == 1
    assert list_span_ids(database) == [f"{2:016x}"]
    store = Store(database)
    assert store.read("SELECT count(*) AS n FROM store.erasures") == [{"n": 1}]
    store.close()


def test_a_card_of_the_backup_that_may_quote_who_was_erased_since_is_not_restored(
    serve: Serve, tmp_path: Path
) -> None:
    database = tmp_path / "a.duckdb"
    make(database, add_span(1, "ann"), add_span(2, "bob"))
    store = Store(database)
    windows = {"held": (1, 2), "kept": (2, 3)}  # ann's call began at 1, and bob's at 2
    with store.transaction() as connection:
        for card_id, (start_ns, end_ns) in windows.items():
            window = {"filters": [], "start_ns": start_ns, "end_ns": end_ns}
            card = json.loads(make_card(card_id, "b" * 16))
            card |= {"reference": window, "current": window}
            save_card(connection, "p", json.dumps(card).encode(), 1)
    store.close()
    served = serve(database)
    fetch_backup(served.url, tmp_path / "backup")
    ApiClient(served.url).post("/v1/erasures", {"kind": "user", "id": "ann"}, project="p")
    served.stop()
    assert main(["restore", str(tmp_path / "backup"), "--db", str(database)]) == 0

    store = Store(database)
    assert store.read("SELECT card_id FROM store.drift_cards") == [{"card_id": "kept"}]
    store.close()


def test_who_had_no_calls_stays_erased_after_a_restore_too(serve: Serve, tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    add_score = (
        "INSERT INTO store.scores (project, score_id, score_key, name, time_ns, value, is_text, "
        "span_id, session_id, author, comment) VALUES "
    )
    make(
        database,
        add_span(2, "bob"),
        f"{add_score} ('p', 'a', 1, 'n', 1, 'true', false, '{2:016x}', NULL, 'ann', 'ann said')",
        f"{add_score} ('p', 'b', 2, 'n', 1, 'true', false, '{2:016x}', NULL, 'bob', 'bob said')",
        f"{add_score} ('p', 's', 3, 'n', 1, 'true', false, NULL, 's-1', NULL, 'in s-1')",
        "INSERT INTO store.rejects (project, reject_id, line, received_ns, reason, raw) VALUES "
        "('p', 'r1', 1, 1, 'bad', '{\"user_id\": \"ann\"}'::BLOB), "
        "('p', 'r2', 2, 1, 'bad', '{\"user_id\": \"bob\"}'::BLOB)",
    )
    served = serve(database)
    fetch_backup(served.url, tmp_path / "backup")
    for kind, name in (("user", "ann"), ("session", "s-1")):
        ApiClient(served.url).post("/v1/erasures", {"kind": kind, "id": name}, project="p")
    served.stop()
    restored = restore(tmp_path / "backup", database)

    assert restored.erased == 2
    assert read(database, "SELECT reject_id FROM store.rejects") == [{"reject_id": "r2"}]
    assert read(
        database, "SELECT score_id, author, comment, value FROM store.scores ORDER BY ALL"
    ) == [
        {"score_id": "a", "author": None, "comment": None, "value": "true"},
        {"score_id": "b", "author": "bob", "comment": "bob said", "value": "true"},
    ]
    assert list_span_ids(database) == [f"{2:016x}"]


def test_erasures_of_another_collector_are_not_lost_in_a_restore(tmp_path: Path) -> None:
    for name, salt in (("backup", "AA"), ("a.duckdb", "BB")):
        make(
            tmp_path / name,
            f"INSERT INTO store.salts VALUES ('tombstones', '\\x{salt}'::BLOB)",
            "INSERT INTO store.tombstones VALUES ('p', 'user', 5, 7)",
        )

    with pytest.raises(StoreError, match="of another collector"):
        restore(tmp_path / "backup", tmp_path / "a.duckdb")


def test_a_key_that_was_revoked_after_the_backup_stays_revoked(tmp_path: Path) -> None:
    add_key = "INSERT INTO store.keys (key_id, name) VALUES ('k1', 'one'), ('k2', 'two')"
    make(tmp_path / "backup", add_key)
    make(tmp_path / "a.duckdb", add_key, "UPDATE store.keys SET revoked_ns = 9 WHERE key_id = 'k1'")
    restore(tmp_path / "backup", tmp_path / "a.duckdb")

    store = Store(tmp_path / "a.duckdb")
    assert store.read("SELECT key_id, revoked_ns FROM store.keys ORDER BY key_id") == [
        {"key_id": "k1", "revoked_ns": 9},
        {"key_id": "k2", "revoked_ns": None},
    ]
    store.close()
