"""What clients say they lost: taken beside their records, counted once, and listed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway.records import Loss
from headway_collector.store.batches import Batch
from headway_collector.store.connections import Store
from headway_collector.store.writes import append_batches

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]


def listed(client: TestClient, **params: Any) -> Any:
    response = client.get("/v1/losses", params=params)
    assert response.status_code == 200, response.text
    return response.json()


def counts(client: TestClient, **params: Any) -> list[int]:
    return [loss["count"] for loss in listed(client, **params)["losses"]]


def test_a_reported_loss_is_listed_as_it_was_sent(
    client: TestClient, ingest: Ingest, loss_line: Lines
) -> None:
    ingest(loss_line(time_ns=1_763_800_000_123_456_789))

    assert listed(client) == {
        "total": 7,
        "reasons": {"journal_full": 7},
        "losses": [
            {
                "project": "p",
                "client_id": "c" * 32,
                "host": "web-1",
                "pid": 4711,
                "reason": "journal_full",
                "count": 7,
                "time": "2025-11-22T08:26:40.123456789Z",
            }
        ],
        "next_cursor": None,
    }


def test_without_losses_the_total_is_zero(client: TestClient) -> None:
    assert listed(client) == {"total": 0, "reasons": {}, "losses": [], "next_cursor": None}


def test_a_loss_is_neither_accepted_nor_a_duplicate_nor_rejected(
    ingest: Ingest, span_line: Lines, loss_line: Lines
) -> None:
    answers = [ingest(span_line(), loss_line()), ingest(loss_line())]

    shown = [(each["accepted"], each["duplicates"], each["rejected"]) for each in answers]
    assert shown == [(1, 0, 0), (0, 0, 0)]


def test_a_loss_that_cannot_be_kept_is_rejected_alone(
    client: TestClient, ingest: Ingest, loss_line: Lines, store: Store
) -> None:
    bad = loss_line(count=0)

    answer = ingest(loss_line(), bad)

    assert (answer["rejected"], answer["errors"][0]["line"]) == (1, 2)
    assert store.read("SELECT raw FROM store.rejects") == [{"raw": bad}]
    assert counts(client) == [7]


@pytest.mark.parametrize("order", [(3, 9, 5), (9, 5, 3), (3, 5, 9), (9, 9, 9)])
def test_the_largest_count_stands_with_its_time_and_process(
    client: TestClient, ingest: Ingest, loss_line: Lines, now_ns: int, order: tuple[int, ...]
) -> None:
    for count in order:
        ingest(loss_line(count=count, time_ns=now_ns + count, pid=count))

    (loss,) = listed(client)["losses"]
    assert (loss["count"], loss["pid"]) == (9, 9)
    assert loss["time"] == "2025-11-22T08:26:40.000000009Z"


def test_the_largest_count_stands_within_one_batch_too(
    client: TestClient, ingest: Ingest, loss_line: Lines
) -> None:
    ingest(*[loss_line(count=count) for count in (3, 9, 5)])

    assert counts(client) == [9]


def test_projects_processes_and_reasons_are_counted_apart(
    client: TestClient, ingest: Ingest, loss_line: Lines
) -> None:
    ingest(loss_line(count=1))
    ingest(loss_line(count=10), project="q")
    ingest(loss_line(count=100, client_id="d" * 32), loss_line(count=1000, reason="too_large"))

    answer = listed(client)

    assert sorted(loss["count"] for loss in answer["losses"]) == [1, 10, 100, 1000]
    assert (answer["total"], answer["reasons"]) == (1111, {"too_large": 1000, "journal_full": 111})


def test_a_replay_brings_its_losses(client: TestClient, ingest: Ingest, loss_line: Lines) -> None:
    ingest(loss_line(count=3), batch_id="b1")

    answer = ingest(loss_line(count=4), batch_id="b1")

    assert answer["is_replay"]
    assert counts(client) == [4]


def test_batches_of_one_commit_bring_their_losses_whether_new_or_not(store: Store) -> None:
    batches = [
        Batch(
            "p",
            batch_id,
            losses=[
                Loss(client_id="c" * 32, reason="exit", count=count, time_ns=1, host="h", pid=1)
            ],
        )
        for batch_id, count in (("b1", 3), ("b1", 5), (None, 4))
    ]
    with store.transaction() as connection:
        append_batches(connection, batches, 1)

    assert store.read("SELECT count FROM store.losses") == [{"count": 5}]


def test_losses_count_towards_the_next_checkpoint() -> None:
    loss = Loss(client_id="c" * 32, reason="exit", count=5, time_ns=1, host="h", pid=1)

    assert Batch("p", losses=[loss, loss]).row_count == 2


def test_losses_are_there_after_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    for count in (3, 5):
        store = Store(path)
        loss = Loss(client_id="c" * 32, reason="exit", count=count, time_ns=1, host="h", pid=1)
        with store.transaction() as connection:
            append_batches(connection, [Batch("p", losses=[loss])], 1)
        store.close()

    store = Store(path)
    kept = store.read("SELECT project, count FROM store.losses")
    store.close()

    assert kept == [{"project": "p", "count": 5}]


def test_losses_are_listed_latest_first_page_by_page_with_one_total(
    client: TestClient, ingest: Ingest, loss_line: Lines, now_ns: int
) -> None:
    ingest(*[loss_line(reason=f"r{n}", count=n, time_ns=now_ns + n // 2) for n in range(1, 6)])
    first = listed(client, limit=3)
    second = listed(client, limit=3, cursor=first["next_cursor"])

    found = [[loss["count"] for loss in page["losses"]] for page in (first, second)]
    assert found == [[5, 4, 3], [2, 1]]
    assert [page["total"] for page in (first, second)] == [15, 15]
    assert second["next_cursor"] is None


def test_the_hundred_commonest_reasons_are_summed(
    client: TestClient, ingest: Ingest, loss_line: Lines
) -> None:
    ingest(*[loss_line(reason=f"r{n}", count=n) for n in range(1, 121)])

    answer = listed(client, limit=1)

    assert list(answer["reasons"].values()) == list(range(120, 20, -1))
    assert answer["total"] == sum(range(1, 121))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"project": "p"}, [4, 2, 1]),
        ({"project": ["p", "q"]}, [8, 4, 2, 1]),
        ({"project": "nobody"}, []),
        ({"reason": "too_large"}, [2]),
        ({"reason": ["too_large", "exit"]}, [4, 2]),
        ({"start": "2025-11-22T08:26:42Z"}, [8, 4]),
        ({"end": "2025-11-22T08:26:42Z"}, [2, 1]),
        ({"start": "-2s", "end": "2025-11-22T08:26:41Z"}, [1]),
    ],
)
def test_a_listing_and_its_total_can_be_narrowed(
    client: TestClient,
    ingest: Ingest,
    loss_line: Lines,
    now_ns: int,
    params: dict[str, Any],
    expected: list[int],
) -> None:
    reasons = enumerate(("journal_full", "too_large", "exit", "refused"))
    lines = [
        loss_line(reason=reason, count=2**n, time_ns=now_ns + n * 10**9) for n, reason in reasons
    ]
    ingest(*lines[:3])
    ingest(lines[3], project="q")

    answer = listed(client, **params)

    assert [loss["count"] for loss in answer["losses"]] == expected
    assert answer["total"] == sum(answer["reasons"].values()) == sum(expected)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/losses?host=web-1", "host is unknown; there are project, limit, cursor, reason"),
        ("/v1/losses?limit=0", "limit is '0'"),
        ("/v1/losses?start=soon", "start: 'soon' is not a time"),
        ("/v1/losses?cursor=WzFd", "leave it out to begin anew"),
    ],
)
def test_a_parameter_that_cannot_be_used_says_what_can(
    client: TestClient, path: str, message: str
) -> None:
    response = client.get(path)

    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert message in response.json()["message"]
