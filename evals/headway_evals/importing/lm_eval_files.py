"""lm-eval's task files: YAML with ``include``, ``group`` and ``!function``.

A function is kept as a reference, and imported only where code is allowed. A file stands over those
that it includes, key by key.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway.texts import message_of
from headway_evals.documents import Faults, MarkedDict, parse_yaml
from headway_evals.errors import ImportingError, SuiteError
from headway_evals.importing.reports import ImportOptions, ImportReport
from headway_evals.importing.sources import SourceFiles, SourceRefused

_MOST_INCLUDES = 20
# What a module of someone's may raise. An exit is a fault too: as one it would end the command.
_FAULTS = (Exception, SystemExit)


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """A Python function that a file names, such as ``utils.process_docs``, and its folder."""

    name: str
    folder: Path

    def load(self, files: SourceFiles) -> Callable[..., Any]:
        """Import it: from a module beside the file, or of an installed package.

        Raises:
            ImportingError: code is not allowed, or it cannot be imported.
        """
        if not files.allow_code:
            raise ImportingError(
                f"{self.name} is Python of someone's: read it, and give --allow-code to run it"
            )
        module_name, _, function_name = self.name.rpartition(".")
        path = self.folder / f"{module_name.replace('.', '/')}.py"
        try:
            module = _load_module(path) if path.is_file() else importlib.import_module(module_name)
            function: Callable[..., Any] = getattr(module, function_name)
        except _FAULTS as error:
            raise ImportingError(
                f"{self.name} cannot be imported: {type(error).__name__}: {message_of(error)}"
            ) from error
        return function


@dataclass(frozen=True, slots=True)
class TaskFile:
    """A task, or a group of tasks, with what it includes.

    Args:
        path: the file.
        values: its keys; those of included files where it has none itself.
        lines: the line of each key of the file; 0 for those of included files.
    """

    path: Path
    values: Mapping[str, Any]
    lines: Mapping[str, int]

    @property
    def name(self) -> str:
        """Return the task's name; the file's where it has none."""
        name = self.values.get("task")
        return name if isinstance(name, str) and name else self.path.stem

    def line_of(self, key: str) -> int:
        """Return the line of a key; 0 where another file has it."""
        return self.lines.get(key, 0)

    def with_values(self, values: Mapping[str, Any]) -> "TaskFile":
        """Return the task with some keys changed, as a group may."""
        return TaskFile(self.path, {**self.values, **values}, self.lines)


def read_task_file(path: Path, files: SourceFiles, seen: tuple[Path, ...] = ()) -> TaskFile:
    """Read a file and what it includes.

    Raises:
        ImportingError: it cannot be read, is not YAML, or includes itself.
    """
    if path.resolve() in seen or len(seen) >= _MOST_INCLUDES:
        raise ImportingError(f"{path} includes itself, or more than {_MOST_INCLUDES} files in turn")
    own = _parse(path, files)
    values: dict[str, Any] = {}
    includes = own.get("include")
    for name in includes if isinstance(includes, list) else [includes] if includes else []:
        # Included files may lie anywhere below the first one's folder.
        found = files.find(os.path.relpath(path.parent / str(name), files.folder))
        values.update(read_task_file(found, files, (*seen, path.resolve())).values)
    values.update({key: value for key, value in own.items() if key != "include"})
    return TaskFile(path, values, dict(own.lines))


def find_tasks(
    path: Path, options: ImportOptions, report: ImportReport
) -> tuple[list[TaskFile], SourceFiles]:
    """Return the task of a file, or those of its group, which are told apart by name.

    Raises:
        ImportingError: the file cannot be read.
    """
    files = SourceFiles(path.parent, options.allow_code)
    first = read_task_file(path, files)
    listed = first.values.get("task")
    if not isinstance(listed, list):
        if "group" in first.values:
            told = "the task is imported by itself"
            report.omit("key group", told, path.name, first.line_of("group"))
        return [first], files
    for key in first.values:
        if key not in ("group", "group_alias", "task", "metadata"):
            told = "a group's own means are not made; compare the suites one by one"
            report.omit(f"key {key} of a group", told, path.name, first.line_of(key))
    report.note(f"group {first.values.get('group', path.stem)}: a suite for each of its tasks")
    known: dict[str, Path] | None = None
    found: list[TaskFile] = []
    for entry in listed:
        if known is None:
            known = _tasks_beside(path, files, report)
        found += _of_group(entry, path, files, known, report)
    return found, files


def _of_group(
    entry: Any, path: Path, files: SourceFiles, known: Mapping[str, Path], report: ImportReport
) -> list[TaskFile]:
    """Return the tasks that an entry of a group names."""
    changed = dict(entry) if isinstance(entry, Mapping) else {}
    name = changed.get("task") if changed else entry
    if isinstance(name, list):
        return [each for one in name for each in _of_group(one, path, files, known, report)]
    if isinstance(name, str) and name in known:
        return [read_task_file(known[name], files).with_values(changed)]
    if isinstance(name, str) and ("dataset_path" in changed or "include" in changed):
        return [TaskFile(path, changed, {})]
    told = f"no file below {path.parent} has `task: {name}`"
    report.omit("task of a group", told, path.name)
    return []


def _tasks_beside(path: Path, files: SourceFiles, report: ImportReport) -> dict[str, Path]:
    """Return the files below a group's folder by the name of their task."""
    known: dict[str, Path] = {}
    for found in sorted(path.parent.rglob("*.y*ml")):
        if found == path:
            continue
        try:
            task = read_task_file(files.find(str(found.relative_to(path.parent))), files)
        except ImportingError as error:
            report.note(f"{found.name} is passed over: {error}")
            continue
        if isinstance(task.values.get("task"), str):
            known.setdefault(task.name, found)
    return known


def _parse(path: Path, files: SourceFiles) -> MarkedDict:
    faults = Faults()
    folder = path.parent

    def function(name: str) -> FunctionReference:
        return FunctionReference(name, folder)

    try:
        text = files.read_text(path)
        document = parse_yaml(text, str(path), faults, {"!function": function})
    except (SuiteError, SourceRefused) as error:
        raise ImportingError(str(error)) from error
    if faults.found:
        raise ImportingError(str(faults.error()))
    if not isinstance(document, MarkedDict):
        raise ImportingError(f"{path} is no mapping of a task's keys")
    return document


def _load_module(path: Path) -> Any:
    """Import a module by its file, under a name that no other has."""
    name = f"_headway_imported_{path.stem}_{abs(hash(str(path.resolve())))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    # As there: a task's module may import its neighbours.
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except _FAULTS:
        del sys.modules[name]
        raise
    return module
