"""Keys over HTTP: the first, those of an administrator, what each sees, and their audit."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.store.connections import Store

NOW_NS = 1_763_800_000_000_000_000
ROOT: dict[str, Any] = {"scopes": ["admin"], "all_projects": True, "name": "root"}
HERE = "http://127.0.0.1:4318"


@pytest.fixture
def local(store: Store) -> Iterator[TestClient]:
    """The application as it answers on loopback."""
    app = create_app(store, is_local=True, clock_ns=lambda: NOW_NS)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        yield client


def bear(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def make_first(client: TestClient) -> str:
    answer = client.post("/v1/keys", json=ROOT)
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["key"]
    return key


def test_the_first_key_closes_the_collector_to_whoever_has_none(local: TestClient) -> None:
    assert local.get("/v1/spans").status_code == 200
    key = make_first(local)
    without = local.get("/v1/spans")

    assert without.status_code == 401
    assert without.headers["WWW-Authenticate"] == "Bearer"
    assert without.json()["code"] == "unauthorized"
    assert "HEADWAY_API_KEY" in without.json()["message"]
    assert local.get("/v1/spans", headers=bear(key)).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json"])
def test_what_says_that_the_collector_lives_needs_no_key(local: TestClient, path: str) -> None:
    make_first(local)

    assert local.get(path).status_code == 200
    assert local.get(path, headers=bear("hw_0_0")).status_code == 200


def test_what_needs_no_key_counts_nothing_of_any_project(local: TestClient) -> None:
    before = local.get("/healthz").json()
    root = bear(make_first(local))

    assert before.keys() - {"ignored"} == local.get("/healthz", headers=root).json().keys()
    assert "ignored" in before


@pytest.mark.parametrize("path", ["/nowhere", "/v1", "/v1/spans/", "/healthz/", "//healthz"])
def test_not_even_which_paths_there_are_is_told_without_a_key(local: TestClient, path: str) -> None:
    make_first(local)

    for method in ("GET", "POST", "OPTIONS", "DELETE", "TRACE"):
        assert local.request(method, path).status_code == 401


def test_once_revoked_the_last_key_leaves_the_collector_closed(
    local: TestClient, store: Store
) -> None:
    key = make_first(local)
    revoked = local.delete(f"/v1/keys/{key.split('_')[1]}", headers=bear(key))

    assert revoked.json()["state"] == "revoked"
    refused = local.get("/v1/spans", headers=bear(key))
    assert refused.status_code == 401
    assert "was revoked at 2025-11-22" in refused.json()["message"]
    assert local.get("/v1/spans").status_code == 401
    with TestClient(create_app(store, is_local=True), base_url=HERE) as restarted:
        assert restarted.get("/v1/spans").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["read"], "all_projects": True},
        {"scopes": ["ingest", "read"], "all_projects": True},
        {"scopes": ["admin"], "projects": ["p"]},
    ],
)
def test_the_first_key_over_http_has_to_be_one_that_can_make_others(
    local: TestClient, body: dict[str, Any]
) -> None:
    refused = local.post("/v1/keys", json=body)

    assert refused.status_code == 422
    assert "scope admin and all projects" in refused.json()["message"]
    assert local.get("/v1/keys").json()["keys"] == []


def test_of_first_keys_asked_for_at_once_one_is_made(local: TestClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: local.post("/v1/keys", json=ROOT), range(8)))
    made = [each.json()["key"] for each in answers if each.status_code == 201]

    assert sorted(each.status_code for each in answers) == [201] + [401] * 7
    assert len(local.get("/v1/keys", headers=bear(made[0])).json()["keys"]) == 1


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"scopes": ["read"]}, "name projects, or say all_projects"),
        ({"scopes": ["read"], "projects": ["p"], "all_projects": True}, "not both"),
        ({"scopes": [], "projects": ["p"]}, "scopes"),
        ({"scopes": ["write"], "projects": ["p"]}, "'write'"),
        ({"scopes": ["read"], "projects": [""]}, "projects"),
        ({"scopes": ["read"], "projects": ["p" * 201]}, "projects"),
        ({"scopes": ["read"], "projects": ["p"], "expires": "soon"}, "expires='soon'"),
        ({"scopes": ["read"], "projects": ["p"], "expires": "0d"}, "over already"),
        ({"scopes": ["read"], "projects": ["p"], "expires": "2020-01-01"}, "over already"),
        ({"scopes": ["read"], "projects": ["p"], "expires": "999999999w"}, "expires="),
        ({"scopes": ["read"], "projects": ["p"], "requests_per_s": 0}, "requests_per_s"),
        ({"scopes": ["read"], "projects": ["p"], "bytes_per_s": -1}, "bytes_per_s"),
        ({"scopes": ["read"], "projects": ["p"], "secret": "mine"}, "secret"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_by_name(
    local: TestClient, body: dict[str, Any], named: str
) -> None:
    key = make_first(local)
    refused = local.post("/v1/keys", json=body, headers=bear(key))

    assert refused.status_code == 422
    assert named in refused.json()["message"]


def test_a_key_is_shown_whole_by_its_making_alone(local: TestClient) -> None:
    root = make_first(local)
    wish = {"scopes": ["ingest"], "projects": ["p"], "name": "web", "expires": "90d"}
    made = local.post("/v1/keys", json=wish, headers=bear(root))
    listed = local.get("/v1/keys", headers=bear(root))

    assert made.headers["Cache-Control"] == "no-store"
    shown = {each["key_id"]: each for each in listed.json()["keys"]}[made.json()["key_id"]]
    assert shown | {"key": made.json()["key"]} == made.json()
    assert made.json()["expires_at"] == "2026-02-20T08:26:40.000000000Z"
    for key in (root, made.json()["key"]):
        assert key.rpartition("_")[2] not in listed.text
        assert key.rpartition("_")[2] not in local.get("/v1/audit", headers=bear(root)).text


def test_an_administrator_of_some_projects_has_the_keys_of_these_alone(
    local: TestClient,
) -> None:
    root = bear(make_first(local))

    def make(auth: dict[str, str], **fields: Any) -> Any:
        return local.post("/v1/keys", json={"scopes": ["read"], **fields}, headers=auth)

    admin = make(root, scopes=["admin"], projects=["a", "b"]).json()
    both = make(root, projects=["b", "c"]).json()["key_id"]
    mine = bear(admin["key"])
    own = make(mine, projects=["b"]).json()["key_id"]

    for fields in ({"projects": ["c"]}, {"projects": ["a", "c"]}, {"all_projects": True}):
        assert make(mine, **fields).status_code == 403
    listed = [each["key_id"] for each in local.get("/v1/keys", headers=mine).json()["keys"]]
    assert set(listed) == {admin["key_id"], own}
    unknown = local.delete("/v1/keys/nothing", headers=mine)
    foreign = local.delete(f"/v1/keys/{both}", headers=mine)
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace(both, "nothing") == unknown.text
    assert local.delete(f"/v1/keys/{own}", headers=mine).status_code == 200


def test_keys_are_listed_by_project_and_page_by_page(local: TestClient) -> None:
    root = bear(make_first(local))
    for project in ("a", "b", "a"):
        body = {"scopes": ["read"], "projects": [project]}
        assert local.post("/v1/keys", json=body, headers=root).status_code == 201
    found: list[Any] = []
    cursor = None
    while True:
        asked: dict[str, Any] = {"limit": 2, "project": "a"}
        asked |= {"cursor": cursor} if cursor else {}
        page = local.get("/v1/keys", params=asked, headers=root).json()
        found += page["keys"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert sorted(str(each["projects"]) for each in found) == ["None", "['a']", "['a']"]


def test_revoking_twice_changes_nothing(local: TestClient) -> None:
    root = bear(make_first(local))
    body = {"scopes": ["read"], "projects": ["a"]}
    key_id = local.post("/v1/keys", json=body, headers=root).json()["key_id"]
    twice = [local.delete(f"/v1/keys/{key_id}", headers=root).text for _ in range(2)]
    actions = local.get("/v1/audit", params={"project": "a"}, headers=root).json()["actions"]

    assert twice[0] == twice[1]
    assert sorted(each["action"] for each in actions) == ["key.make", "key.revoke"]


def test_with_keys_host_and_origin_do_not_matter_and_without_they_do(local: TestClient) -> None:
    foreign = {"Host": "headway.example", "Origin": "https://headway.example"}
    before = local.get("/v1/spans", headers=foreign)
    key = make_first(local)

    assert before.status_code == 403
    assert local.get("/v1/spans", headers=foreign | bear(key)).status_code == 200
    assert local.get("/v1/spans", headers=foreign).status_code == 401


def test_no_page_of_another_origin_may_read_an_answer(local: TestClient) -> None:
    key = make_first(local)
    origin = {"Origin": "https://evil.example"}
    preflight = {
        **origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    answers = [
        local.options("/v1/spans", headers=preflight),
        local.options("/v1/spans", headers=preflight | bear(key)),
        local.get("/v1/spans", headers=origin | bear(key)),
        local.get("/v1/spans", headers=origin),
        local.get("/healthz", headers=origin),
        local.post("/v1/ingest", content=b"{}", headers=origin | bear(key)),
        local.post("/v1/traces", content=b"{}", headers=origin),
    ]

    assert [each.status_code for each in answers[:2]] == [401, 405]
    for each in answers:
        assert not [name for name in each.headers if name.startswith("access-control")]


def test_otlp_without_a_key_hears_it_in_its_own_shape(local: TestClient) -> None:
    make_first(local)
    refused = local.post("/v1/traces", content=b"{}", headers={"Content-Type": "application/json"})

    assert refused.status_code == 401
    assert refused.json()["code"] == 16  # UNAUTHENTICATED of google.rpc.Code
    assert refused.headers["WWW-Authenticate"] == "Bearer"


def test_nothing_that_is_logged_or_answered_holds_a_secret(
    local: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    key = make_first(local)
    secret = key.rpartition("_")[2]
    wrong = f"hw_{key.split('_')[1]}_{secret[::-1]}"
    said = []
    for method, path in (
        ("GET", "/v1/spans"),
        ("POST", "/v1/ingest"),
        ("POST", "/v1/traces"),
        ("GET", "/nowhere"),
        ("DELETE", "/v1/keys/none"),
        ("POST", "/v1/keys"),
        ("GET", "/v1/keys"),
        ("GET", "/v1/audit"),
    ):
        for header in (f"Bearer {key}", f"Bearer {wrong}", wrong, f"Basic {key}"):
            answer = local.request(method, path, headers={"Authorization": header}, content=b"{")
            said.append(f"{answer.text} {dict(answer.headers)}")
    logged = "\n".join(f"{each.getMessage()} {each.__dict__}" for each in caplog.records)

    for text in (*said, logged):
        assert secret not in text
        assert secret[::-1] not in text


# The audit.


def test_what_an_administrator_does_is_in_the_audit(local: TestClient) -> None:
    key = make_first(local)
    root = bear(key)
    body = {"scopes": ["read"], "projects": ["a", "b"]}
    made = local.post("/v1/keys", json=body, headers=root).json()["key_id"]
    for path in ("/v1/remap", "/v1/reprice"):
        assert local.post(path, params={"project": "a"}, headers=root).status_code == 200
    actions = local.get("/v1/audit", headers=root).json()["actions"]
    root_id = key.split("_")[1]
    expected = {
        ("key.make", None, None),
        ("key.make", "a", root_id),
        ("key.make", "b", root_id),
        ("spans.remap", "a", root_id),
        ("spans.reprice", "a", root_id),
    }

    assert {(each["action"], each["project"], each["key_id"]) for each in actions} == expected
    detail = {"made_key_id": made, "scopes": ["read"], "expires_at": None}
    assert [each["detail"] for each in actions if each["project"] == "b"] == [detail]
    one = local.get("/v1/audit", params={"action": "spans.remap"}, headers=root).json()
    assert [each["detail"] for each in one["actions"]] == [{"rows": 0, "changed": 0}]


def test_what_was_refused_leaves_no_trace_in_the_audit(local: TestClient) -> None:
    root = bear(make_first(local))
    before = local.get("/v1/audit", headers=root).json()
    local.delete("/v1/keys/nothing", headers=root)
    local.post("/v1/keys", json={"scopes": ["read"]}, headers=root)

    assert local.get("/v1/audit", headers=root).json() == before


def test_an_administrator_sees_the_audit_of_its_own_projects_alone(local: TestClient) -> None:
    root = bear(make_first(local))
    admin = {"scopes": ["admin"], "projects": ["a"]}
    mine = bear(local.post("/v1/keys", json=admin, headers=root).json()["key"])
    other = {"scopes": ["read"], "projects": ["b"]}
    local.post("/v1/keys", json=other, headers=root)
    seen = local.get("/v1/audit", headers=mine).json()["actions"]

    assert {each["project"] for each in seen} == {"a"}
    assert local.get("/v1/audit", params={"project": "b"}, headers=mine).status_code == 403
    everything = local.get("/v1/audit", headers=root).json()["actions"]
    assert {each["project"] for each in everything} == {None, "a", "b"}


def test_counts_over_several_projects_stay_out_of_the_audit_of_each(
    local: TestClient, store: Store
) -> None:
    root = bear(make_first(local))
    local.post("/v1/remap", params={"project": ["a", "b"]}, headers=root)
    actions = local.get("/v1/audit", params={"action": "spans.remap"}, headers=root).json()

    assert [each["detail"] for each in actions["actions"]] == [{}, {}]


# What a key may hand on.


def make_slow(client: TestClient, root: dict[str, str]) -> dict[str, str]:
    """Make an administrator of one project for an hour, at 5 requests and 1,000 bytes a second."""
    bounds = {"expires": "1h", "requests_per_s": 5, "bytes_per_s": 1000}
    body = {"scopes": ["admin"], "projects": ["a"], **bounds}
    return bear(client.post("/v1/keys", json=body, headers=root).json()["key"])


def test_a_key_gets_the_bounds_of_its_maker_where_it_asks_for_none(local: TestClient) -> None:
    slow = make_slow(local, bear(make_first(local)))
    body = {"scopes": ["read"], "projects": ["a"]}
    made = local.post("/v1/keys", json=body, headers=slow).json()
    less = {**body, "expires": "10m", "requests_per_s": 1, "bytes_per_s": 10}
    small = local.post("/v1/keys", json=less, headers=slow).json()

    assert made["expires_at"] == "2025-11-22T09:26:40.000000000Z"
    assert (made["requests_per_s"], made["bytes_per_s"]) == (5, 1000)
    assert small["expires_at"] == "2025-11-22T08:36:40.000000000Z"
    assert (small["requests_per_s"], small["bytes_per_s"]) == (1, 10)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"expires": "2h"}, "expires 2025-11-22T10:26:40"),
        ({"requests_per_s": 6}, "requests_per_s 6 is more than this key has itself, which is 5"),
        ({"bytes_per_s": 1001}, "bytes_per_s 1001 is more"),
    ],
)
def test_a_key_makes_none_that_may_more_than_itself(
    local: TestClient, more: dict[str, Any], said: str
) -> None:
    slow = make_slow(local, bear(make_first(local)))
    body = {"scopes": ["admin"], "projects": ["a"], **more}
    refused = local.post("/v1/keys", json=body, headers=slow)

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert said in refused.json()["message"]
