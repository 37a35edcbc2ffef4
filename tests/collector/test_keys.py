"""Keys: made once, known by their digest, good for what they are for and no longer."""

import base64
import re
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from headway_collector.callers import EVERYONE
from headway_collector.errors import UnauthorizedError
from headway_collector.granting import Granted, Wish, grant
from headway_collector.keyring import Keyring
from headway_collector.store.connections import Store
from headway_collector.store.keys import read_keys

NOW_NS = 1_763_800_000_000_000_000
DAY_NS = 86_400 * 10**9

Make = Callable[..., Granted]


@pytest.fixture
def make(store: Store) -> Make:
    """Make a key in the database, as with ``--db``."""

    def make_key(*scopes: Any, projects: tuple[str, ...] | None = ("p",), **rest: Any) -> Granted:
        with store.transaction() as connection:
            wish = Wish("", projects, scopes, **rest)
            return grant(connection, wish, EVERYONE, NOW_NS, is_offline=True)

    return make_key


def test_without_keys_everyone_may_do_everything(store: Store) -> None:
    keyring = Keyring(read_keys(store))

    assert not keyring.has_keys
    assert keyring.identify(None) is keyring.identify("Bearer anything") is EVERYONE


def test_a_key_says_who_comes_with_it(store: Store, make: Make) -> None:
    granted = make("read", "ingest", projects=("a", "b"))
    caller = Keyring(read_keys(store)).identify(f"Bearer {granted.text}")

    assert caller.key_id == granted.key.key_id
    assert caller.scopes == {"read", "ingest"}
    assert caller.projects == ("a", "b")


@pytest.mark.parametrize("scheme", ["Bearer {}", "bearer {}", "BEARER   {} ", "Basic {basic}"])
def test_a_key_may_come_as_a_bearer_token_or_as_a_password(
    store: Store, make: Make, scheme: str
) -> None:
    granted = make("ingest")
    basic = base64.b64encode(f"pk-lf-anything:{granted.text}".encode()).decode()
    caller = Keyring(read_keys(store)).identify(scheme.format(granted.text, basic=basic))

    assert caller.key_id == granted.key.key_id


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: None,
        lambda key: "",
        lambda key: "Bearer",
        lambda key: "Bearer ",
        lambda key: key,
        lambda key: f"Token {key}",
        lambda key: f"Bearer {key}0",
        lambda key: f"Bearer {key[:-1]}",
        lambda key: f"Bearer {key.upper()}",
        lambda key: f"Bearer {key.rpartition('_')[0]}_",
        lambda key: f"Bearer {key.rpartition('_')[0]}",
        lambda key: f"Bearer hw_{'0' * 12}_{key.rpartition('_')[2]}",
        lambda key: f"Bearer hw__{key.rpartition('_')[2]}",
        lambda key: f"Bearer xx{key[2:]}",
        lambda key: "Bearer hw___",
        lambda key: "Bearer hw_\xe9_\xe9",
        lambda key: f"Bearer {key.rpartition('_')[0]}_\ud800",
        lambda key: "Bearer " + key * 20,
        lambda key: f"Basic {key}",
        lambda key: "Basic " + base64.b64encode(f"{key}:".encode()).decode(),
        lambda key: "Basic " + base64.b64encode(b"\xff\xfe:" + key.encode()).decode(),
        lambda key: "Basic ====",
    ],
)
def test_whatever_is_no_key_is_refused(
    store: Store, make: Make, spoil: Callable[[str], str | None]
) -> None:
    granted = make("read")
    keyring = Keyring(read_keys(store))

    with pytest.raises(UnauthorizedError) as refused:
        keyring.identify(spoil(granted.text))
    assert granted.text.rpartition("_")[2] not in str(refused.value)


def test_the_digest_of_nothing_is_no_way_in(store: Store, make: Make) -> None:
    make("read")
    keyring = Keyring(read_keys(store))

    for header in ("Bearer hw_no_", "Bearer hw__", "Basic " + base64.b64encode(b":").decode()):
        with pytest.raises(UnauthorizedError):
            keyring.identify(header)


def test_a_key_is_good_until_it_expires(store: Store, make: Make) -> None:
    granted = make("read", expires_ns=NOW_NS + DAY_NS)
    times = iter([NOW_NS + DAY_NS - 1, NOW_NS + DAY_NS])
    keyring = Keyring(read_keys(store), clock_ns=lambda: next(times))

    assert keyring.identify(f"Bearer {granted.text}").key_id == granted.key.key_id
    with pytest.raises(UnauthorizedError, match=f"{granted.key.key_id} expired at 2025-11-23"):
        keyring.identify(f"Bearer {granted.text}")


def test_only_whoever_has_the_secret_hears_that_a_key_expired(store: Store, make: Make) -> None:
    granted = make("read", expires_ns=NOW_NS + 1)
    keyring = Keyring(read_keys(store), clock_ns=lambda: NOW_NS + 2)

    with pytest.raises(UnauthorizedError, match="no such key"):
        keyring.identify(f"Bearer hw_{granted.key.key_id}_{'0' * 64}")


def test_of_the_secret_the_database_has_the_digest_alone(store: Store, make: Make) -> None:
    secret = make("read").text.rpartition("_")[2]
    (row,) = store.read("SELECT keys::VARCHAR AS said, digest FROM store.keys AS keys")

    assert len(secret) == 64
    assert re.fullmatch("[0-9a-f]{64}", row["digest"])
    assert secret not in row["said"]
    audited = store.read("SELECT audit::VARCHAR AS said FROM store.audit AS audit")
    assert audited
    assert all(secret not in each["said"] for each in audited)


def test_no_key_shows_its_secret_when_it_is_printed(store: Store, make: Make) -> None:
    granted = make("read")
    keyring = Keyring(read_keys(store))
    printed = f"{granted!r} {granted.key!r} {keyring!r} {keyring.find_allowance('x')!r}"

    assert granted.text.rpartition("_")[2] not in printed
    assert granted.key.digest not in printed


def test_an_id_that_is_taken_is_drawn_again(store: Store) -> None:
    drawn = iter(["aa", "1", "aa", "2", "bb"])
    wish = Wish("", None, ("admin",))
    with store.transaction() as connection:
        ids = [
            grant(connection, wish, EVERYONE, 1, is_offline=True, draw=lambda _: next(drawn))
            for _ in range(2)
        ]

    assert [each.key.key_id for each in ids] == ["aa", "bb"]
    assert ids[1].text == "hw_bb_2"


def test_a_request_is_identified_without_the_database_and_quickly(store: Store, make: Make) -> None:
    granted = [make("ingest") for _ in range(200)]
    keyring = Keyring(read_keys(store))
    store.stop_reading()  # the database answers nothing from here on
    header = f"Bearer {granted[77].text}"

    def measure() -> float:
        began_s = time.perf_counter()
        for _ in range(200):
            keyring.identify(header)
        return (time.perf_counter() - began_s) / 200

    # Some microseconds; the limit is for a machine that is busy with much else.
    assert statistics.median(measure() for _ in range(9)) < 200e-6
