"""The functions that headway.toml names: what may be said of them, and what is refused."""

from pathlib import Path

import pytest

from headway.errors import SettingsError
from headway.settings import load_sources
from headway_collector.own_settings import FunctionSetting, read_functions


def read(folder: Path, settings: str) -> tuple[FunctionSetting, ...]:
    (folder / "headway.toml").write_text(settings)
    return read_functions(load_sources(folder, {}))


def test_both_tables_are_read_with_defaults_of_their_own(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        [descriptors.own]
        tone = "pkg.tones:tone"
        length = {function = "pkg.tones:of.length", version = 2, timeout_s = 0.5}
        [descriptors.model.toxicity]
        function = "pkg.models:toxicity"
        budget_s_per_hour = 30
        """,
    )

    assert found == (
        FunctionSetting("tone", "own", "pkg.tones:tone", tmp_path, 1, 1.0, 1.0, 600.0),
        FunctionSetting("length", "own", "pkg.tones:of.length", tmp_path, 2, 1.0, 0.5, 600.0),
        FunctionSetting("toxicity", "model", "pkg.models:toxicity", tmp_path, 1, 0.05, 30.0, 30),
    )


def test_without_settings_there_are_none(tmp_path: Path) -> None:
    assert read(tmp_path, 'project = "p"\n') == ()
    assert read_functions(load_sources(Path("/"), {})) == ()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("descriptors = 3", "descriptors in .* is 3: it has to be a table"),
        ("[descriptors]\nours = 3", "descriptors.ours .* there are own, model"),
        ("[descriptors.own]\ntone = 3", "descriptors.own.tone in .* is 3: it has to be a table"),
        ('[descriptors.own]\ntone = "pkg.tones"', "'pkg.tones': name a function"),
        ('[descriptors.own]\ntone = "pkg tones:x y"', "name a function"),
        ("[descriptors.own]\ntone = {version = 2}", "tone.function .* is None: name a function"),
        ('[descriptors.own]\ntone = {function = "a:b", versoin = 2}', "tone.versoin .* is unknown"),
        ('[descriptors.own]\ntone = {function = "a:b", version = 1.5}', "whole number from 1 to"),
        ('[descriptors.own]\ntone = {function = "a:b", sample = 5}', "is 5: give a number from 0"),
        ('[descriptors.own]\ntone = {function = "a:b", sample = nan}', "is nan: give a number"),
        (
            '[descriptors.own]\ntone = {function = "a:b", timeout_s = true}',
            "is True: give a",
        ),
        ('[descriptors.own]\nanswer_chars = "a:b"', "would hide .* rename 'answer_chars'"),
        ('[descriptors.own]\n"a\'; --" = "a:b"', "is no name"),
        (f'[descriptors.own]\n{"a" * 61} = "a:b"', "is no name: take at most 60"),
        ('[descriptors.own]\nx = "a:b"\n[descriptors.model]\nx = "a:b"', "model.x .* there twice"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(tmp_path: Path, settings: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        read(tmp_path, settings)
