"""What a replay says of a card that does not come out as it was."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from headway_collector.drifting import CARD_FILE, REPLAY, DriftRequest, make_works
from headway_collector.store.connections import Store
from headway_collector.store.drift_cards import StoredQuery, save_card
from headway_collector.store.jobs import Job

_WINDOW: dict[str, Any] = {"filters": [["name", ["n"]]], "start_ns": 1, "end_ns": 2}
CARD: dict[str, Any] = {
    "card_id": "c",
    "verdict": "drift",
    "headline": "Drift.",
    "reference": _WINDOW,
    "current": _WINDOW,
    "options": {},
    "fingerprint": "f",
    "versions": [["headway", "1"], ["descriptors", "3"]],
    "n_ref": 1200,
    "n_cur": 30,
    "findings": [],
}


def replay(store: Store, folder: Path, after: dict[str, Any], *, is_kept: bool = True) -> Any:
    """Return what a replay says that computes a card with other values."""
    query = StoredQuery([("name", ["n"])], 1, 2)
    request = msgspec.json.encode(DriftRequest("c", query, query, {}, [])).decode()
    (folder / CARD_FILE).write_bytes(msgspec.json.encode(CARD | after))
    with store.transaction() as connection:
        if is_kept:
            save_card(connection, "p", msgspec.json.encode(CARD), 1)
    with store.transaction() as connection:
        job = Job("p", "j", REPLAY, 1, request)
        return make_works(store)[REPLAY].keep(connection, job, folder)


@pytest.mark.parametrize(
    ("after", "differs", "changes"),
    [
        ({}, [], []),
        ({"fingerprint": "g"}, ["data"], []),
        ({"fingerprint": "g", "n_ref": 1199}, ["data"], ["calls before: 1,200 then, 1,199 now"]),
        (
            {"versions": [["headway", "2"], ["descriptors", "3"], ["polars", "9"]]},
            ["versions"],
            ["headway: 1 then, 2 now", "polars: none then, 9 now"],
        ),
        (
            {"fingerprint": "g", "versions": [["headway", "1"], ["descriptors", "4"]]},
            ["versions"],
            ["descriptors: 3 then, 4 now"],
        ),
        ({"headline": "No drift."}, ["result"], []),
    ],
)
def test_a_replay_says_what_became_other_than_it_was(
    store: Store, tmp_path: Path, after: dict[str, Any], differs: list[str], changes: list[str]
) -> None:
    said = replay(store, tmp_path, after)

    assert said == {
        "card_id": "c",
        "is_same": not after,
        "differs": differs,
        "changes": changes,
    }


def test_a_replay_of_a_card_that_is_gone_says_so(store: Store, tmp_path: Path) -> None:
    said = replay(store, tmp_path, {}, is_kept=False)

    assert (said["is_same"], said["differs"], said["changes"]) == (False, ["card"], [])
