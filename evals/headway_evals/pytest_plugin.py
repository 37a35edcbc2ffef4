"""What every pytest run of everyone who has Headway loads, so it imports nothing of ours.

    @pytest.mark.suite("triage.yaml", model="hf:base+adapter", baseline="hf:base")
    def test_triage(case, result):
        assert "sorry" not in result.output

The first suite marker of a run brings in the rest: ``pytest_items``. Under xdist the workers do
the work, and the controller gives them a folder to share, shows what is asked, and tidies up.
"""

import inspect
import secrets
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from headway_evals.pytest_items import SuiteItems

PROPERTY = "headway"
"""The gate's line among the properties of its report; xdist and JUnit XML carry it on."""

_MARKER = (
    "suite(path, *, model, baseline=None, device=None, dtype=None, limit=None, margin=None, "
    'inconclusive="fail"): a test for each case of a Headway suite, and one for the verdict'
)
# As ``headway eval run`` has them; ``pytest_options`` reads them. The ini calls them headway_….
_SWITCHES = {
    "no-cache": "neither use nor keep models' answers",
    "refresh": "ask models for every answer anew, and keep them",
    "cache-functions": "keep the answers of python: models too, until the function's file changes",
}
_VALUES = {
    "device": "for hf: models; before what a marker says",
    "dtype": "for hf: models; before what a marker says",
    "batch-tokens": "for hf: models: the most tokens of a batch",
    "self-check": "for hf: models: on how many cases the engine is checked (4)",
    "concurrency": "for openai: models: how many requests are under way at once (16)",
    "retries": "for openai: models: how often a request is tried again (5)",
    "rate": "for openai: models: the most requests, such as 600/min or 10/s",
    "timeout": "for openai: models: the longest wait for an answer in seconds (300)",
}
_FOLDER = pytest.StashKey[Path]()
_IS_SHOWN = pytest.StashKey[bool]()
_ITEMS = "headway-items"
_SUITE_ENDINGS = (".yaml", ".yml", ".jsonl")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let models be asked as ``headway eval run`` lets them be."""
    group = parser.getgroup("headway", "suites of Headway")
    for name, told in _SWITCHES.items():
        group.addoption(f"--headway-{name}", action="store_true", help=told)
        parser.addini(_ini_name(name), told, type="bool", default=False)
    for name, told in _VALUES.items():
        group.addoption(f"--headway-{name}", metavar=name.rpartition("-")[2].upper(), help=told)
        parser.addini(_ini_name(name), told, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and name the folder that the processes of this run share."""
    config.addinivalue_line("markers", _MARKER)
    fresh = Path(tempfile.gettempdir(), f"headway-pytest-{secrets.token_hex(8)}")
    config.stash[_FOLDER] = Path(_worker_input(config).get("headway_folder", fresh))
    config.stash[_IS_SHOWN] = False


@pytest.hookimpl(wrapper=True)
def pytest_pycollect_makeitem(
    collector: pytest.Collector, obj: object
) -> Generator[None, Any, Any]:
    """Make a gate beside the cases of a suite."""
    # Looked up statically: asking whatever a module holds for an attribute can run anything.
    marks = inspect.getattr_static(obj, "pytestmark", None)
    nearest = marks if isinstance(marks, list) else []
    if not any(map(_is_suite, [*nearest, *collector.iter_markers("suite")])):
        return (yield)
    items = _suite_items(collector.config)
    return items.with_gate((yield))


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, object, object]:
    """Remove the folder, once every worker is done with it."""
    try:
        return (yield)
    finally:
        if not _worker_input(session.config):
            shutil.rmtree(session.config.stash[_FOLDER], ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Repeat what the gates said, a line each."""
    lines = {
        report.nodeid: f"{report.nodeid}: {value}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    }
    if lines:
        terminalreporter.write_sep("=", "headway suites")
        for line in lines.values():
            terminalreporter.write_line(line)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the folder is, and how items are handed out."""
    node.workerinput["headway_folder"] = str(node.config.stash[_FOLDER])
    node.workerinput["headway_dist"] = node.config.getoption("dist")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """Show what the workers are going to ask, for they have no terminal."""
    terminal = node.config.pluginmanager.get_plugin("terminalreporter")
    path = node.config.stash[_FOLDER] / "prompts"
    if terminal is not None and not node.config.stash[_IS_SHOWN] and path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            terminal.write_line(line)
        node.config.stash[_IS_SHOWN] = True


def _ini_name(option: str) -> str:
    return f"headway_{option.replace('-', '_')}"


def _is_suite(mark: Any) -> bool:
    """Return whether a marker is ours: others may have one of that name for their own ends."""
    if getattr(mark, "name", None) != "suite":
        return False
    path = mark.args[0] if mark.args else mark.kwargs.get("path")
    is_file = isinstance(path, str | Path) and str(path).endswith(_SUITE_ENDINGS)
    return "model" in mark.kwargs or is_file


def _suite_items(config: pytest.Config) -> "SuiteItems":
    """Return the plugin for suites, which is loaded by the first that is met."""
    items: SuiteItems | None = config.pluginmanager.get_plugin(_ITEMS)
    if items is None:
        given = _worker_input(config)
        if given.get("headway_dist") == "worksteal":
            raise pytest.Collector.CollectError(
                "suites cannot run under --dist worksteal, which may queue a case behind the gate "
                "that waits for it: use --dist load or loadfile"
            )
        try:
            # This brings in numpy and more, which only those who use suites should wait for.
            from headway_evals import pytest_items
        except ModuleNotFoundError as error:
            raise pytest.Collector.CollectError(
                f'suites need {error.name}, which is not installed: pip install "headway[evals]"'
            ) from error
        worker = given.get("workerid", "main")
        items = pytest_items.SuiteItems(config, config.stash[_FOLDER], worker, _is_suite)
        config.pluginmanager.register(items, _ITEMS)
    return items


def _worker_input(config: pytest.Config) -> dict[str, Any]:
    """Return what xdist's controller gave this worker; nothing where this is no worker."""
    given: dict[str, Any] = getattr(config, "workerinput", {})
    return given
