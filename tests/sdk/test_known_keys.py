"""Keys of ``headway.toml`` that nobody knows; and that the list of those known is whole."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.client_settings import ClientSettings, read_settings, read_usable_settings
from headway.errors import SettingsError
from headway.known_keys import CLIENT_KEYS, OTHER_KEYS, strange_keys
from headway.lifecycle import install
from headway.local_checks import check_settings
from headway.sampling import parse_rates
from headway.settings import Sources, load_sources
from tests.sdk.programs import run

ROOT = Path(__file__).parents[2]
FILE = "/x/headway.toml"


@pytest.fixture
def no_client() -> Iterator[None]:
    """A process that has not started a client, before and after."""
    install(None)
    yield
    client = install(None)
    if client is not None:
        client.close(0)


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ({"redcat": "all"}, "redcat"),
        ({"Redact": "all"}, "Redact"),
        ({"redact-names": "password"}, "redact-names"),
        ({"headway": {"redact": "all", "url": "x"}}, "headway.redact"),
        ({"collector": {"port": 4318, "redact": "all"}}, "collector.redact"),
        ({"privacy": {"names": ["password"]}}, "privacy.names"),
        ({"disable": True}, "disable"),
        ({"capture_contents": False}, "capture_contents"),
    ],
)
def test_a_key_that_may_have_kept_something_out_of_the_log_switches_recording_off(
    file: dict[str, Any], key: str
) -> None:
    settings, problems = read_usable_settings(Sources({}, file, FILE))

    assert settings.is_disabled
    assert problems[key].startswith(f"{key} in {FILE} is no setting: ")
    assert "nothing is recorded" in problems[key]
    with pytest.raises(SettingsError, match=re.escape(f"{key} in {FILE} is no setting")):
        read_settings(Sources({}, file, FILE))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"projct": "shop"}, "projct in /x/headway.toml is no setting: do you mean project?"),
        (
            {"collector": {"prot": 1}},
            "collector.prot in /x/headway.toml is no setting: do you mean collector.port?",
        ),
        (
            {"headway": {"project": "shop"}},
            "headway.project in /x/headway.toml is no setting: it stands in [headway]: "
            "write it above the first [table]",
        ),
        (
            {"zzz": 1},
            "zzz in /x/headway.toml is no setting: correct it, or update Headway",
        ),
    ],
)
def test_any_other_key_is_told_with_the_nearest_and_costs_nothing(
    file: dict[str, Any], said: str
) -> None:
    sources = Sources({}, {"release": "1.2", **file}, FILE)

    settings, problems = read_usable_settings(sources)

    assert (settings.strange_keys, problems) == ((said,), {})
    assert (settings.is_disabled, settings.release) == (False, "1.2")
    found = [each for each in check_settings(settings, sources) if each.level == "warn"]
    assert [each.message for each in found] == [said]


def test_init_counts_a_fault_and_says_so_in_the_log(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    no_client: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "headway.toml").write_text('projct = "shop"\njournal_dir = "journal"\n')
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.WARNING, "headway"):
        headway.init(url="http://127.0.0.1:9")

    assert headway.stats().faults == {"settings": 1}
    assert "do you mean project?" in caplog.text


def test_without_init_nothing_is_recorded_where_redact_is_misspelt(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text('redcat = "all"\n')
    program = """
    import headway

    @headway.observe
    def ask(question):
        return question

    ask("ada@example.org")
    print(headway.stats().mode, headway.stats().last_error)
    """
    done = run(program, tmp_path)

    assert done.stdout.startswith("disabled redcat in "), done.stderr
    assert "do you mean redact?" in done.stdout
    assert not list(tmp_path.glob("journal/*"))


def test_every_key_that_some_part_reads_is_known() -> None:
    read = re.compile(r"""sources\.get(?:_list)?\(\s*"([a-z_.]+)\"""")
    keys = {
        key
        for part in ("sdk", "collector", "evals", "analytics_ui")
        for path in (ROOT / part).rglob("*.py")
        for key in read.findall(path.read_text(encoding="utf-8"))
    }
    everything: dict[str, Any] = {"descriptors": {"own": {"redact": "m:f"}}}
    for key in (*CLIENT_KEYS, *OTHER_KEYS):
        table, _, name = key.rpartition(".")
        (everything.setdefault(table, {}) if table else everything)[name] = 1

    # Hosts are read by a function that both share.
    assert keys | {"trace_hosts", "baggage_hosts"} == {*CLIENT_KEYS, *OTHER_KEYS}
    assert strange_keys(everything) == {}


def test_the_doctor_shows_every_setting_of_the_page() -> None:
    page = (ROOT / "docs" / "logging.md").read_text(encoding="utf-8")
    variables = set(re.findall(r"`HEADWAY_([A-Z_]+)`", page.partition("## Settings")[2]))
    sources = Sources({"HEADWAY_SAMPLE": "triage=0.05,*=0.5"}, {})

    findings = check_settings(read_settings(sources), sources)

    assert {each.data["key"].upper() for each in findings} == variables
    said = {each.message for each in findings}
    assert "sample = triage=0.05,*=0.5 (HEADWAY_SAMPLE)" in said


@pytest.mark.parametrize("text", ["0.1", "1", "triage=0.05,*=1", "a=0,b=0.25,*=0.5"])
def test_rates_are_shown_as_they_are_read(text: str) -> None:
    assert parse_rates(text).as_text == text


def test_a_file_of_known_keys_has_nothing_strange(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text('project = "shop"\n[collector]\nport = 1\n[empty]\n')

    settings = read_settings(load_sources(tmp_path, {}))

    assert [line.partition(" ")[0] for line in settings.strange_keys] == ["empty"]
    assert ClientSettings().strange_keys == ()
