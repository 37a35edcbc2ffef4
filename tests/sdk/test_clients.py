"""A client of its own: what it imports, where its settings come from, what it accounts for."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

import headway
from headway.clients import Client
from headway.errors import SettingsError
from tests.sdk.conftest import Answer, StandIn
from tests.sdk.programs import run

DEADLINE_S = 10.0
MakeClient = Callable[..., Client]
CALL = """
import headway

@headway.observe
def ask(question):
    return "answer"

ask("one")
"""


def test_nothing_heavy_is_imported_with_headway(tmp_path: Path) -> None:
    done = run(
        """
        import sys
        import headway
        heavy = {"urllib3", "http", "ssl", "asyncio", "email", "headway.apis", "numpy"}
        print(sorted(heavy & set(sys.modules)))
        """,
        tmp_path,
    )

    assert done.stdout.strip() == "[]"


def test_the_public_names_are_these() -> None:
    assert sorted(headway.__all__) == [
        "ActiveSpan",
        "Client",
        "Prompt",
        "Stats",
        "__version__",
        "context",
        "current_span",
        "flush",
        "headers",
        "init",
        "instrument",
        "langchain_handler",
        "observe",
        "otel_context",
        "propagate",
        "score",
        "shutdown",
        "span",
        "stats",
        "uninstrument",
    ]
    assert all(hasattr(headway, name) for name in headway.__all__)


def test_without_init_the_environment_decides(collector: StandIn, tmp_path: Path) -> None:
    done = run(
        CALL,
        tmp_path,
        HEADWAY_URL=collector.url,
        HEADWAY_PROJECT="shop",
        HEADWAY_ENVIRONMENT="production",
        HEADWAY_RELEASE="1.2",
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert [span.name for span in collector.spans] == ["ask"]
    assert (collector.spans[0].environment, collector.spans[0].release) == ("production", "1.2")
    assert collector.requests[0].project == "shop"
    assert list((tmp_path / "journal").iterdir()) == []


def test_headway_toml_is_read_and_weaker_than_the_environment(
    collector: StandIn, tmp_path: Path
) -> None:
    (tmp_path / "headway.toml").write_text(f'url = "{collector.url}"\nproject = "file"\n')
    run(CALL, tmp_path)
    run(CALL, tmp_path, HEADWAY_PROJECT="variable")

    assert [request.project for request in collector.requests] == ["file", "variable"]


def test_a_setting_that_cannot_be_used_gives_way_to_its_default_and_is_told_once(
    collector: StandIn, tmp_path: Path
) -> None:
    settings = {"HEADWAY_JOURNAL_LIMIT_BYTES": "lots", "HEADWAY_URL": collector.url}
    done = run(CALL + "ask('two')", tmp_path, **settings)

    assert done.returncode == 0
    assert done.stderr.count("HEADWAY_JOURNAL_LIMIT_BYTES is 'lots'") == 1
    assert len(collector.spans) == 2


def test_calls_wait_in_the_journal_for_an_address_that_can_be_used(
    collector: StandIn, tmp_path: Path
) -> None:
    said = run(CALL, tmp_path, HEADWAY_URL="nowhere").stderr
    run(CALL, tmp_path, HEADWAY_URL=collector.url)

    assert "the collector's address is 'nowhere'" in said
    assert "1 recorded and not shipped, they wait in" in said
    assert collector.wait_until(lambda: len(collector.spans) == 2)


@pytest.mark.parametrize(
    "arguments", [{"project": ""}, {"project": "a\nb"}, {"project": "б"}, {"url": "nowhere"}]
)
def test_init_tells_its_caller_which_value_is_wrong(
    arguments: dict[str, str], make_client: MakeClient
) -> None:
    make_client()
    with pytest.raises(SettingsError, match=r"project is|address is"):
        headway.init(**arguments)  # type: ignore[arg-type]


def test_disabled_means_that_nothing_happens_at_all(tmp_path: Path) -> None:
    done = run(
        CALL
        + """
with headway.context(user="u"), headway.span("s") as span:
    span.output = 1
    headway.score("s", 1)
print(headway.stats().mode, headway.stats().recorded, headway.flush(), headway.shutdown())
""",
        tmp_path,
        HEADWAY_DISABLED="1",
    )

    assert done.stdout.strip() == "disabled 0 True True"
    assert done.stderr == ""
    assert not (tmp_path / "journal").exists()


def test_stats_account_for_every_record(collector: StandIn, make_client: MakeClient) -> None:
    make_client(collector.url, is_raising=False)
    collector.decide = lambda request: (
        Answer(400, b'{"code":"bad","message":"poison"}')
        if any(b"poison" in line for line in request.lines)
        else None
    )
    for name in ("one", "poison", "two"):
        with headway.span(name):
            pass
    assert headway.flush()
    stats = headway.stats()

    assert (stats.recorded, stats.shipped, stats.pending, stats.pending_bytes) == (3, 2, 0, 0)
    assert stats.dropped == {"refused": 1}
    assert stats.mode == "journal"
    assert stats.last_error is not None
    assert "poison" in stats.last_error


def test_a_second_init_sends_each_call_to_the_project_it_was_made_in(
    collector: StandIn, tmp_path: Path
) -> None:
    done = run(
        f"""
        import headway
        headway.init(project="shop", url="{collector.url}")
        with headway.span("first"): pass
        headway.init(project="desk", url="{collector.url}")
        with headway.span("second"): pass
        print(headway.flush(), headway.stats().recorded)
        """,
        tmp_path,
    )
    projects = {span.name: collector.projects[span.span_id] for span in collector.spans}

    assert done.stdout.strip() == "True 2"
    assert projects == {"first": "shop", "second": "desk"}


def test_calls_before_init_go_to_the_collector_that_init_names(
    collector: StandIn, tmp_path: Path
) -> None:
    done = run(
        f"""
        import headway
        with headway.span("early"): pass
        headway.init(project="shop", url="{collector.url}")
        with headway.span("late"): pass
        print(headway.flush(), headway.stats().recorded)
        """,
        tmp_path,
    )
    projects = {span.name: collector.projects[span.span_id] for span in collector.spans}

    assert done.stdout.strip() == "True 2", done.stderr
    assert projects == {"early": "default", "late": "shop"}


def test_a_fault_of_ours_is_logged_once_a_minute_and_counted(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    make_client(is_raising=False)
    with caplog.at_level(logging.WARNING, "headway"), headway.span("s") as span:
        for _ in range(5):
            span.input_tokens = -1

    assert sum("input_tokens" in message for message in caplog.messages) == 1
    assert list(headway.stats().faults.values()) == [5]


def test_a_journal_below_a_file_ships_from_memory(collector: StandIn, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(
        """
        import headway
        with headway.span("call"): pass
        print(headway.flush(), headway.stats().mode, headway.stats().faults)
        """,
        tmp_path,
        HEADWAY_URL=collector.url,
        HEADWAY_JOURNAL_DIR=str(tmp_path / "file" / "journal"),
    )

    assert done.stdout.strip() == "True memory {}"
    assert [span.name for span in collector.spans] == ["call"]


def test_a_working_folder_that_is_gone_holds_no_file(collector: StandIn, tmp_path: Path) -> None:
    done = run(
        """
        import os
        import headway
        os.mkdir("gone"); os.chdir("gone"); os.rmdir(os.getcwd())
        headway.init()
        with headway.span("call"): pass
        print(headway.flush())
        """,
        tmp_path,
        HEADWAY_URL=collector.url,
    )

    assert (done.stdout.strip(), done.stderr) == ("True", "")


@pytest.mark.parametrize("key", ["ключ", "key\n", "a\x00b"])
def test_a_key_that_cannot_travel_is_refused_and_not_repeated(
    key: str, make_client: MakeClient
) -> None:
    make_client()
    with pytest.raises(SettingsError, match=r"API key has .* as character") as refusal:
        headway.init(api_key=key)

    assert key not in str(refusal.value)
