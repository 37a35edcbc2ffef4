"""What prompts say: kept once, listed beside their calls, and read version by version."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway.records import PromptVersion, encode_value
from headway_collector.store.batches import Batch
from headway_collector.store.connections import Store
from headway_collector.store.writes import append_batches

NOW_NS = 1_763_800_000_000_000_000

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]


def prompt_line(**fields: Any) -> bytes:
    prompt = {"type": "prompt", "name": "triage", "version": "v1", "time_ns": NOW_NS}
    return json.dumps({**prompt, "template": "Sort {message}", **fields}).encode()


def versions_of(client: TestClient, name: str = "triage", **params: Any) -> list[Any]:
    answer = client.get(f"/v1/prompts/{name}", params=params)
    assert answer.status_code == 200, answer.text
    versions: list[Any] = answer.json()["versions"]
    return versions


def test_a_template_is_kept_once_however_often_it_comes(
    client: TestClient, ingest: Ingest, store: Store
) -> None:
    first = ingest(prompt_line(), prompt_line())
    second = ingest(prompt_line(time_ns=NOW_NS + 5))

    assert (first["accepted"], first["duplicates"]) == (1, 1)
    assert (second["accepted"], second["duplicates"]) == (0, 1)
    assert store.read("SELECT project, name, version, registered_ns FROM store.prompts") == [
        {"project": "p", "name": "triage", "version": "v1", "registered_ns": NOW_NS}
    ]


def test_a_template_is_listed_beside_the_calls_of_its_version(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    messages = [{"role": "user", "content": "Sort {message}"}]
    ingest(
        prompt_line(),
        prompt_line(version="v2", template=messages),
        span_line(prompt_name="triage", prompt_version="v1"),
        span_line(prompt_name="triage", prompt_version="v2"),
        span_line(prompt_name="triage", prompt_version="v3"),
    )

    listed = client.get("/v1/prompts").json()["prompts"]

    templates = {each["prompt_version"]: each["template"] for each in listed}
    assert templates == {"v1": "Sort {message}", "v2": messages, "v3": None}


def test_a_large_template_is_left_out_of_the_list_and_read_by_its_name(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    text = "x" * 20_000
    ingest(prompt_line(template=text), span_line(prompt_name="triage", prompt_version="v1"))

    assert client.get("/v1/prompts").json()["prompts"][0]["template"] is None
    assert versions_of(client)[0]["template"] == text


def test_a_prompt_is_read_with_versions_that_were_told_used_or_both(
    client: TestClient, ingest: Ingest, span_line: Lines, now_ns: int
) -> None:
    ingest(
        prompt_line(version="told", time_ns=now_ns + 2),
        prompt_line(version="both", time_ns=now_ns),
        span_line(prompt_name="triage", prompt_version="both", start_ns=now_ns + 3, cost_usd=0.5),
        span_line(prompt_name="triage", prompt_version="used", start_ns=now_ns + 1),
        span_line(prompt_name="triage", start_ns=now_ns),
        span_line(prompt_name="another", prompt_version="both"),
    )

    versions = versions_of(client)

    shown = [(v["prompt_version"], v["template"], v["count"], v["cost_usd"]) for v in versions]
    assert shown == [
        ("both", "Sort {message}", 1, 0.5),
        ("told", "Sort {message}", 0, None),
        ("used", None, 1, None),
        (None, None, 1, None),
    ]
    assert versions[1]["registered_time"] == "2025-11-22T08:26:40.000000002Z"
    assert (versions[1]["first_time"], versions[2]["registered_time"]) == (None, None)


def test_projects_have_prompts_of_their_own(client: TestClient, ingest: Ingest) -> None:
    ingest(prompt_line(template="one"))
    ingest(prompt_line(template="two"), project="q")

    assert [each["template"] for each in versions_of(client, project="q")] == ["two"]
    assert {each["template"] for each in versions_of(client)} == {"one", "two"}


def test_a_name_may_have_a_slash(client: TestClient, ingest: Ingest) -> None:
    ingest(prompt_line(name="support/triage"))

    assert [each["prompt_version"] for each in versions_of(client, "support/triage")] == ["v1"]


def test_a_prompt_that_nobody_knows_is_not_found(client: TestClient, ingest: Ingest) -> None:
    ingest(prompt_line())

    answer = client.get("/v1/prompts/triage", params={"project": "q"})

    assert answer.status_code == 404
    assert "'triage' in project q" in answer.json()["message"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": ""}, "must not be empty"),
        ({"version": ""}, "must not be empty"),
        ({"time_ns": -1}, "outside 1970 to 2200"),
        ({"template": {"a": 1}}, "a text or a list of messages"),
        ({"template": None}, "a text or a list of messages"),
        ({"template": "x" * 1024 * 1024}, "1048576 are allowed"),
        ({"name": "x" * 2000}, "1024 are allowed"),
        ({"version": 3}, "Expected `str`"),
    ],
)
def test_a_prompt_that_cannot_be_kept_is_refused_alone(
    client: TestClient, ingest: Ingest, fields: dict[str, Any], reason: str
) -> None:
    answer = ingest(prompt_line(name="kept"), prompt_line(**fields))

    assert (answer["accepted"], answer["rejected"]) == (1, 1)
    assert reason in answer["errors"][0]["reason"]


def test_templates_are_there_after_the_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    for _ in range(2):
        store = Store(path)
        prompt = PromptVersion(name="n", version="v", template=encode_value("t"), time_ns=1)
        with store.transaction() as connection:
            append_batches(connection, [Batch("p", prompts=[prompt])], 1)
        store.close()

    store = Store(path)
    kept = store.read("SELECT name, template FROM store.prompts")
    store.close()

    assert kept == [{"name": "n", "template": '"t"'}]


def test_prompts_count_towards_the_next_checkpoint() -> None:
    prompt = PromptVersion(name="n", version="v", template=encode_value("t"), time_ns=1)

    assert Batch("p", prompts=[prompt, prompt]).row_count == 2
