"""The README tells the truth: its example runs, its commands exist, its picture is there."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import headway
from headway.cli import find_commands
from tests.e2e.processes import CollectorProcess, clean_environment

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LOGGING = (ROOT / "docs" / "logging.md").read_text(encoding="utf-8")
QUICKSTART = re.search(r"<!-- test: quickstart -->\n```python\n(.*?)```", README, re.DOTALL)


def test_the_example_is_short_and_its_trace_arrives(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    assert QUICKSTART is not None
    code = QUICKSTART[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(
            HEADWAY_URL=collector.url,
            HEADWAY_JOURNAL_DIR=str(tmp_path / "journal"),
            HEADWAY_RAISE="1",
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    spans = collector.api.get("/v1/spans", {"project": "support-bot"})["spans"]
    scores = collector.api.get("/v1/scores", {"project": "support-bot"})["scores"]

    assert done.returncode == 0, done.stderr
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    assert {span["name"] for span in spans} == {"search", "answer", "support"}
    assert [(score["name"], score["value"]) for score in scores] == [("helpful", True)]


def test_every_command_it_names_exists() -> None:
    named = set(re.findall(r"`headway (\w+)", README)) | set(
        re.findall(r"^headway (\w+)", README, re.MULTILINE)
    )
    targets = set(re.findall(r"^make (\w+)", README, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert named
    assert named - set(find_commands()) == set()
    assert {"demo", "test"} <= targets
    assert [each for each in targets if not re.search(rf"^{each}:", makefile, re.MULTILINE)] == []


def test_every_local_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_page_on_logging_lists_every_setting_and_its_example_runs(tmp_path: Path) -> None:
    example = re.search(r"<!-- test: capture -->\n```python\n(.*?)```", LOGGING, re.DOTALL)
    assert example is not None
    done = subprocess.run(
        [sys.executable, "-c", example[1]],
        env=clean_environment(HEADWAY_JOURNAL_DIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    arguments = set(inspect.signature(headway.init).parameters) - {"transport", "clock_ns"}
    variables = {f"HEADWAY_{name.removeprefix('is_').upper()}" for name in arguments}
    named = set(re.findall(r"`(HEADWAY_\w+)`", LOGGING))

    assert done.returncode == 0, done.stderr
    assert named == variables | {"HEADWAY_RAISE"}
    assert [name for name in arguments if f"`{name}`" not in LOGGING] == []
