from pathlib import Path
from typing import Any

import pytest

from headway.client_settings import read_settings
from headway.errors import SettingsError
from headway.settings import Sources, load_sources, parse_bool, parse_port


def test_an_argument_beats_the_environment_which_beats_the_file_which_beats_the_default() -> None:
    sources = Sources({"HEADWAY_COLLECTOR_PORT": "2"}, {"collector": {"port": 3}, "url": "file"})

    assert sources.get("collector.port", 1, 4, parse_port) == 1
    assert sources.get("collector.port", None, 4, parse_port) == 2
    assert sources.get("url", None, "default") == "file"
    assert sources.get("collector.host", None, "default") == "default"


def test_the_nearest_file_above_the_working_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text('project = "far"')
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "headway.toml").write_text('project = "near"')
    (tmp_path / "a" / "b").mkdir()

    assert load_sources(tmp_path / "a" / "b", {}).get("project", None, "") == "near"


@pytest.mark.parametrize("content", [b"project = ", b'project = "\xff"'])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "headway.toml").write_bytes(content)

    with pytest.raises(SettingsError, match=r"headway\.toml is not valid TOML"):
        load_sources(tmp_path, {})


def test_a_bad_value_is_told_with_its_source() -> None:
    sources = Sources({"HEADWAY_DISABLED": "maybe"}, {"port": 99999}, "/x/headway.toml")

    with pytest.raises(SettingsError, match="HEADWAY_DISABLED is 'maybe': not one of 1, true"):
        sources.get("disabled", None, False, parse_bool)
    with pytest.raises(SettingsError, match=r"port in /x/headway.toml is '99999': not a port"):
        sources.get("port", None, 1, parse_port)


def test_the_client_reads_everything_from_the_environment(tmp_path: Path) -> None:
    environment = {
        "HEADWAY_PROJECT": "shop",
        "HEADWAY_URL": "https://collector",
        "HEADWAY_API_KEY": "key",
        "HEADWAY_JOURNAL_DIR": str(tmp_path),
        "HEADWAY_JOURNAL_LIMIT_BYTES": "1000",
        "HEADWAY_CAPTURE_LIMIT_BYTES": "2000",
        "HEADWAY_CAPTURE_DATA": "yes",
        "HEADWAY_EXIT_TIMEOUT_S": "0.5",
        "HEADWAY_RAISE": "1",
    }
    settings = read_settings(Sources(environment, {}))

    assert (settings.project, settings.url, settings.api_key) == (
        "shop",
        "https://collector",
        "key",
    )
    assert settings.journal_dir == tmp_path
    assert (settings.journal_limit_bytes, settings.capture_limit_bytes) == (1000, 2000)
    assert (settings.limits.max_bytes, settings.limits.has_data) == (2000, True)
    assert (settings.exit_timeout_s, settings.is_raising) == (0.5, True)
    assert not settings.is_disabled


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HEADWAY_JOURNAL_LIMIT_BYTES", "lots"),
        ("HEADWAY_CAPTURE_LIMIT_BYTES", "0"),
        ("HEADWAY_EXIT_TIMEOUT_S", "-1"),
        ("HEADWAY_EXIT_TIMEOUT_S", "nan"),
        ("HEADWAY_PROJECT", "a\r\nX-Evil: 1"),
    ],
)
def test_a_setting_of_the_client_that_cannot_be_used_is_told(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match="project" if "PROJECT" in variable else variable):
        read_settings(Sources({variable: value}, {}))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("/var/state", Path("/var/state/headway/journal")),
        ("relative", Path.home() / ".local/state/headway/journal"),
        ("", Path.home() / ".local/state/headway/journal"),
    ],
)
def test_the_journal_is_where_the_xdg_specification_wants_it(state: str, expected: Path) -> None:
    assert read_settings(Sources({"XDG_STATE_HOME": state}, {})).journal_dir == expected


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("journal_limit_bytes", "1GB", "journal_limit_bytes is '1GB'"),
        ("capture_limit_bytes", "big", "capture_limit_bytes is 'big'"),
        ("is_disabled", "maybe", "disabled is 'maybe'"),
        ("capture_data", "maybe", "capture_data is 'maybe'"),
        ("release", object(), "release is of type object"),
        ("exit_timeout_s", "x", "exit_timeout_s is 'x'"),
        ("url", 5, "url is of type int"),
        ("project", 5, "project is of type int"),
        ("journal_dir", 5, "journal_dir cannot be used .*int"),
        ("journal_dir", "a\x00b", "journal_dir cannot be used .*null"),
        ("journal_dir", "~nobody-of-that-name/x", "journal_dir cannot be used"),
    ],
)
def test_an_argument_that_cannot_be_used_is_told(name: str, value: object, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_settings(Sources({}, {}), **{name: value})  # type: ignore[arg-type]


def test_an_argument_given_as_text_is_read_like_a_variable() -> None:
    given: Any = {"journal_limit_bytes": "1000", "is_disabled": "no", "exit_timeout_s": "0.5"}
    settings = read_settings(Sources({}, {}), **given)

    assert (settings.journal_limit_bytes, settings.exit_timeout_s) == (1000, 0.5)
    assert settings.is_disabled is False


def test_a_label_of_the_environment_that_is_not_unicode_is_spelled_out() -> None:
    settings = read_settings(Sources({"HEADWAY_RELEASE": "v\udcff"}, {}))

    assert settings.release == "v\\udcff"


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "headway.toml").write_text("")

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(SettingsError, match=r"headway\.toml cannot be read: Permission denied"):
        load_sources(tmp_path, {})
