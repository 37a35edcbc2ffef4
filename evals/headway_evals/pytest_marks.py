"""What ``@pytest.mark.suite(…)`` asks for: read and checked at collection, before anything runs.

    @pytest.mark.suite("triage.yaml", model="hf:triage-base+triage-v2", baseline="hf:triage-base")

The suite's path, and those in specs, start at the folder of the test file. Models are found but
not loaded, so that collecting is quick and a typing error does not cost an hour.
"""

import dataclasses
import difflib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from headway.settings import Sources, load_sources
from headway_evals.errors import EvalError
from headway_evals.models.functions import Function
from headway_evals.models.specs import MakeModel, find_model
from headway_evals.pytest_options import Keeping, read_keeping, read_options
from headway_evals.runs import DEFAULT_FOLDER, RunRecord, load_run
from headway_evals.suite_files import load_suite
from headway_evals.suites import Case, Gate, Suite
from headway_measures.scores import shown

GATE = "gate"
"""The name of a gate's item, ``test_triage[gate]``; no case may have it."""

Inconclusive = Literal["fail", "pass"]


@dataclass(frozen=True, slots=True)
class SuiteMark:
    """The marker's arguments.

    Args:
        path: the suite's file.
        model: the candidate: a spec, or a function from prompt to answer.
        baseline: what it is compared with: the same, or the folder or id of an earlier run.
        device: for ``hf:`` models.
        dtype: for ``hf:`` models.
        limit: only the first cases.
        margin: the drop that still passes, in place of the suite's.
        inconclusive: whether a gate that cannot tell fails, or is skipped.
    """

    path: str | Path
    _: dataclasses.KW_ONLY
    model: str | Callable[..., Any]
    baseline: str | Path | Callable[..., Any] | None = None
    device: str | None = None
    dtype: str | None = None
    limit: int | None = None
    margin: float | None = None
    inconclusive: Inconclusive = "fail"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model that was found and is not loaded; ``key`` tells it from any other of the run."""

    name: str
    key: str
    make: MakeModel


@dataclass(frozen=True, slots=True)
class Plan:
    """What one suite test does; ``keeping`` is None where no answers are kept."""

    suite: Suite
    cases: tuple[Case, ...]
    gate: Gate
    candidate: Contestant
    baseline: Contestant | RunRecord | None
    inconclusive: Inconclusive
    keeping: Keeping | None


def read_plan(
    definition: pytest.Function,
    marks: Sequence[tuple[object, pytest.Mark]],
    config: pytest.Config,
) -> Plan:
    """Read the marker of a test function.

    Args:
        definition: the function.
        marks: its suite markers with the nodes that they stand on, the nearest first.
        config: pytest's; its root folder is where earlier runs and kept answers are looked for.

    Raises:
        HeadwayError: the marker, the suite or a model has faults.
    """
    if len(marks) > 1 and marks[0][0] is marks[1][0]:
        raise EvalError("a test has one suite: write another test for the other one")
    mark = _read_mark(marks[0][1])
    suite = load_suite(definition.path.parent / mark.path)
    if any(case.case_id == GATE for case in suite.cases):
        raise EvalError(f"{mark.path} has a case {GATE!r}, which is the gate's name: rename it")
    margin = suite.gate.margin
    if mark.margin is not None:
        margin = dataclasses.replace(margin, value=mark.margin)
    finder = _Finder(mark, definition, load_sources(definition.path.parent), config)
    return Plan(
        suite=suite,
        cases=suite.cases[: mark.limit],
        gate=dataclasses.replace(suite.gate, margin=margin),
        candidate=finder.find(mark.model),
        baseline=finder.find_baseline(),
        inconclusive=mark.inconclusive,
        keeping=read_keeping(config, finder.sources),
    )


def _read_mark(given: pytest.Mark) -> SuiteMark:
    known = [field.name for field in dataclasses.fields(SuiteMark)]
    for name in given.kwargs:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? It" if near else "it"
            raise EvalError(f"suite(…) has no argument {name!r}; {hint} takes {', '.join(known)}")
    if given.args and "path" in given.kwargs:
        raise EvalError("suite(…) has two suite files: a test has one suite")
    if len(given.args) > 1:
        raise EvalError(
            f"suite(…): {shown(given.args[1])} has no name: write model=…, baseline=… and the "
            "others by name, after the suite's file"
        )
    for name in ("path", "model")[len(given.args) :]:
        if name not in given.kwargs:
            wanted = "a spec or a function" if name == "model" else "the suite's file"
            raise EvalError(f"suite(…) has no {name}: give {name}=, {wanted}")
    mark = SuiteMark(*given.args, **given.kwargs)
    for name, is_good, wanted in (
        ("path", isinstance(mark.path, str | Path), "the suite's file"),
        ("limit", _is_count(mark.limit), "1 or more cases"),
        ("margin", _is_fraction(mark.margin), "a fraction: 0.05 is 5 points"),
        ("inconclusive", mark.inconclusive in get_args(Inconclusive), "'fail' or 'pass'"),
    ):
        if not is_good:
            raise EvalError(f"suite(…): {name} is {shown(getattr(mark, name))}: give {wanted}")
    return mark


@dataclass(frozen=True, slots=True)
class _Finder:
    """Finds what a marker names."""

    mark: SuiteMark
    definition: pytest.Function
    sources: Sources
    config: pytest.Config

    def find(self, model: str | Callable[..., Any]) -> Contestant:
        folder = self.definition.path.parent
        if isinstance(model, str):
            options = read_options(
                self.config, self.sources, folder, device=self.mark.device, dtype=self.mark.dtype
            )
            key = json.dumps([model, str(folder), self.mark.device, self.mark.dtype])
            return Contestant(model, key, find_model(model, options))
        if not callable(model):
            raise EvalError(f"suite(…): {shown(model)} is no model: give a spec or a function")
        function = Function(model, folder=folder)
        # Two lambdas of a file have one name, but not in one place of one test.
        key = json.dumps([function.name, self.definition.nodeid, model is self.mark.model])
        return Contestant(function.name, key, lambda: function)

    def find_baseline(self) -> Contestant | RunRecord | None:
        given = self.mark.baseline
        if given is None:
            return None
        if callable(given):
            return self.find(given)
        if ":" in str(given):
            return self.find(str(given))
        runs_dir = self.config.rootpath / self.sources.get("evals.runs_dir", None, DEFAULT_FOLDER)
        beside = self.definition.path.parent / given
        return load_run(str(beside if beside.is_dir() else given), runs_dir)


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and value is not True and value >= 1)


def _is_fraction(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and 0 <= value < 1)
