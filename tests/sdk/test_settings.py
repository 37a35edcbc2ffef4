from pathlib import Path
from typing import Any

import pytest

from headway.client_settings import read_settings, read_usable_settings
from headway.errors import SettingsError
from headway.settings import Sources, load_sources, parse_bool, parse_bytes, parse_port
from headway.transports import Batch


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
        ("HEADWAY_JOURNAL_DIR", "~nobody-of-that-name/x"),
    ],
)
def test_a_setting_of_the_client_that_cannot_be_used_is_told(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
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
        ("journal_limit_bytes", "1 PB", "journal_limit_bytes is '1 PB'"),
        ("capture_limit_bytes", "big", "capture_limit_bytes is 'big'"),
        ("is_disabled", "maybe", "disabled is 'maybe'"),
        ("capture_data", "maybe", "capture_data is 'maybe'"),
        ("release", object(), "release is of type object"),
        ("exit_timeout_s", "x", "exit_timeout_s is 'x'"),
        ("url", 5, "url is of type int"),
        ("project", "", "project is ''"),
        ("journal_dir", 5, "journal_dir cannot be used: .*int"),
        ("journal_dir", "a\x00b", "journal_dir is .*null"),
        ("journal_dir", "~nobody-of-that-name/x", "journal_dir is '~nobody.*absolute"),
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


@pytest.mark.parametrize(
    ("text", "size"),
    [("1000", 1000), ("64KiB", 1 << 16), ("512 mb", 512_000_000), ("1GB", 10**9), ("7B", 7)],
)
def test_a_size_may_have_a_unit(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "0", "-1", "1.5GB", "inf", "1 lot"])
def test_what_is_no_size_is_told_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="500MB or 1GiB"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("content", "kind"), [("[project]\nname = 'shop'", "a table"), ("project = ['shop']", "a list")]
)
def test_a_setting_that_is_no_plain_value_is_told(tmp_path: Path, content: str, kind: str) -> None:
    (tmp_path / "headway.toml").write_text(content)

    with pytest.raises(SettingsError, match=rf"project in .*headway\.toml is {kind}: give a plain"):
        read_settings(load_sources(tmp_path, {}))


def test_one_setting_that_cannot_be_used_costs_only_itself() -> None:
    environment = {
        "HEADWAY_PROJECT": "shop",
        "HEADWAY_JOURNAL_LIMIT_BYTES": "lots",
        "HEADWAY_EXIT_TIMEOUT_S": "soon",
        "HEADWAY_JOURNAL_DIR": "~nobody-of-that-name/x",
        "XDG_STATE_HOME": "/var/state",
    }
    settings, problems = read_usable_settings(Sources(environment, {}))

    assert set(problems) == {"journal_limit_bytes", "exit_timeout_s", "journal_dir"}
    assert problems["exit_timeout_s"].startswith("HEADWAY_EXIT_TIMEOUT_S is 'soon'")
    assert (settings.project, settings.exit_timeout_s) == ("shop", 2.0)
    assert settings.journal_limit_bytes == 512 << 20
    assert settings.journal_dir == Path("/var/state/headway/journal")
    assert (settings.is_disabled, settings.obstacle) == (False, None)


@pytest.mark.parametrize(
    ("variable", "value", "address"),
    [
        ("HEADWAY_URL", "nowhere", ""),
        ("HEADWAY_URL", "http://127.0.0.1:9/\udcff", ""),
        ("HEADWAY_API_KEY", "line\nbreak", "http://127.0.0.1:9"),
    ],
)
def test_without_an_address_or_a_key_that_can_be_used_nothing_is_sent(
    variable: str, value: str, address: str
) -> None:
    environment = {"HEADWAY_URL": "http://127.0.0.1:9", variable: value}
    settings, problems = read_usable_settings(Sources(environment, {}))
    reply = settings.make_transport().send(Batch("shop", "1", [b"{}"]))

    assert list(problems) == [variable.removeprefix("HEADWAY_").lower()]
    assert "calls wait in the journal" in str(problems)
    assert (reply.status, reply.answer, variable in reply.message) == (0, None, True)
    assert (settings.is_disabled, settings.place.url) == (False, address)


def test_who_meant_to_say_something_of_disabled_meant_yes() -> None:
    settings, problems = read_usable_settings(Sources({"HEADWAY_DISABLED": "please"}, {}))

    assert settings.is_disabled
    assert "nothing is recorded" in problems["disabled"]


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
