"""Suites as pytest items: one a case, one for the gate, and what they do when they run.

``pytest_plugin`` registers this when it meets the first suite marker of a run. The models are
asked when the first case needs its result, after its skip marks and the fixtures before it had
their say: a run that skips its suites pays for none. That case waits for all answers, as the first
user of a fixture does, so a time limit on tests must leave room for them.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn, Self

import pytest

from headway.errors import HeadwayError
from headway_evals.errors import EvalError
from headway_evals.pytest_folders import Finished, SharedFolder
from headway_evals.pytest_marks import GATE, read_plan
from headway_evals.pytest_sessions import SuiteSession
from headway_evals.runs import Result
from headway_evals.suites import Case
from headway_evals.wordings import one_line

_SUITE = pytest.StashKey[SuiteSession]()
_IS_OURS = pytest.StashKey[bool]()
"""Set on a case's item where its outcome is ours, and not that of its body or its fixtures."""


class _GateItem(pytest.Item):
    """An item that stands where a suite's gate does."""

    sibling: pytest.Function

    @classmethod
    def beside(cls, sibling: pytest.Function) -> Self:
        """Return the gate of the test function that made an item."""
        assert sibling.parent is not None  # a function stands in a module or a class
        # The node id is given: one made of the name has no parameters, and --lf looks for them.
        gate: Self = cls.from_parent(
            sibling.parent,
            name=f"{sibling.originalname}[{GATE}]",
            nodeid=f"{_function_id(sibling)}[{GATE}]",
        )
        gate.sibling = sibling
        # The function's markers are the gate's too: -m, skipif, xdist_group.
        gate.own_markers += [each for each in sibling.own_markers if each.name != "parametrize"]
        gate.keywords.update({each.name: each for each in gate.own_markers})
        return gate

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Return the place of the test function."""
        path, line, _ = self.sibling.reportinfo()
        return path, line, self.name


class GateItem(_GateItem):
    """The verdict on a suite as a test."""

    suite: SuiteSession

    @classmethod
    def judging(cls, suite: SuiteSession, sibling: pytest.Function) -> Self:
        """Return the gate of a suite, beside an item of its test function."""
        gate = cls.beside(sibling)
        gate.suite = suite
        gate.stash[_SUITE] = suite
        return gate

    def runtest(self) -> None:
        """Judge the suite."""
        answer = self.suite.judge()
        # ``pytest_plugin`` looks for it in the reports, which xdist and JUnit XML carry on.
        self.user_properties.append(("headway", answer.line))
        if answer.outcome == "skipped":
            _skip(self, answer.report)
        if answer.outcome == "failed":
            pytest.fail(answer.report, pytrace=False)


class FaultItem(_GateItem):
    """What stands for a whole suite that cannot be used: it fails, and says why and where."""

    fault: str

    @classmethod
    def telling(cls, fault: str, sibling: pytest.Function) -> Self:
        """Return what tells of a fault, beside an item of the test function."""
        item = cls.beside(sibling)
        item.fault = fault
        return item

    def runtest(self) -> None:
        """Fail."""
        self.user_properties.append(("headway", f"no verdict: {one_line(self.fault)}"))
        path, line, _ = self.reportinfo()
        pytest.fail(f"{path}:{(line or 0) + 1}: {self.fault}", pytrace=False)


class SuiteItems:
    """The plugin that makes the items of suites and runs them.

    Args:
        config: pytest's.
        folder: shared by the processes of this run.
        worker: the name of this one.
        is_suite: tells our markers from others of that name.
    """

    def __init__(
        self,
        config: pytest.Config,
        folder: Path,
        worker: str,
        is_suite: Callable[[pytest.Mark], bool],
    ) -> None:
        self._config = config
        self._folder = SharedFolder(folder, worker)
        self._is_suite = is_suite
        self._suites: dict[str, SuiteSession] = {}
        self._faults: dict[str, str] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make an item of each case; a suite that cannot be used stops no other test."""
        definition = metafunc.definition
        found = definition.iter_markers_with_node("suite")
        marks = [(node, mark) for node, mark in found if self._is_suite(mark)]
        if not marks:
            return
        try:
            plan = read_plan(definition, marks, self._config)
        except HeadwayError as error:
            self._faults[definition.nodeid] = str(error)
            return
        self._suites[definition.nodeid] = SuiteSession(
            definition.nodeid, plan, self._folder, self._announce
        )
        # pytest parametrises what a function asks for, and this one need not ask.
        if "case" not in inspect.signature(metafunc.function).parameters:
            metafunc.fixturenames.append("case")
        metafunc.parametrize("case", plan.cases, ids=[case.case_id for case in plan.cases])

    def with_gate(self, made: Any) -> Any:
        """Return what was collected, with a gate where it is the items of a suite.

        In place of a suite that cannot be used stands one item that says so.
        """
        if not isinstance(made, list):
            return made
        items = [each for each in made if isinstance(each, pytest.Function)]
        if not items:
            return made
        function = _function_id(items[0])
        if function in self._faults:
            return [FaultItem.telling(self._faults[function], items[0])]
        suite = self._suites.get(function)
        if suite is None:
            return made
        for item in items:
            item.stash[_SUITE] = suite
        return [*made, GateItem.judging(suite, items[0])]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is selected; whatever put the items in order, gates come after their cases."""
        session.items[:] = _gates_last(session.items)
        mine: dict[SuiteSession, list[pytest.Item]] = {}
        for item in session.items:
            if _SUITE in item.stash:
                mine.setdefault(item.stash[_SUITE], []).append(item)
        prompts: dict[str, str] = {}
        for suite, items in mine.items():
            cases = {item.nodeid: _case_id(item) for item in items if not _is_gate(item)}
            suite.choose(cases, has_gate=len(cases) < len(items))
            prompts.update(suite.prompts())
        if prompts:
            self._folder.enter(list(prompts.values()))

    @pytest.fixture
    def result(self, request: pytest.FixtureRequest) -> Result:
        """Return the model's answer to the case, with its scores."""
        return _result(request.node)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Let a gate wait for its cases, before a time limit of another plugin starts to run."""
        if isinstance(item, GateItem):
            item.suite.wait()
        with self._folder.at_work():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Run a case's own assertions, and then see to its scores."""
        if _SUITE not in pyfuncitem.stash:
            return (yield)
        pyfuncitem.stash[_IS_OURS] = False  # it may be a second time
        result = _result(pyfuncitem)
        if result.is_missing:
            _skip(pyfuncitem, result.error or "")
        if result.output is None:
            _fail(pyfuncitem, result)
        returned = yield
        if not result.passed:
            _fail(pyfuncitem, result)
        return returned

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Tell the gate that a case has run."""
        report = yield
        is_last = report.when == "call" or (report.when == "setup" and not report.passed)
        if is_last and _SUITE in item.stash and not _is_gate(item):
            is_ours = item.stash.get(_IS_OURS, False)
            is_skipped = report.skipped and not hasattr(report, "wasxfail")
            finished = Finished(
                nodeid=item.nodeid,
                case_id=_case_id(item),
                is_failed=report.failed and not is_ours,
                is_skipped=is_skipped and not is_ours,
            )
            item.stash[_SUITE].note(finished)
        return report

    def pytest_sessionfinish(self) -> None:
        """Leave in good order."""
        self._folder.leave()

    def _announce(self, line: str) -> None:
        # A worker of xdist has no terminal; there the controller has shown the line.
        plugins = self._config.pluginmanager
        terminal = plugins.get_plugin("terminalreporter")
        capture = plugins.get_plugin("capturemanager")
        if terminal is not None:
            with capture.global_and_fixture_disabled() if capture else nullcontext():
                # The reporter does not know of the dots that it writes under -q.
                terminal.write_line(f"\n{line}" if self._config.get_verbosity() < 0 else line)


def _result(item: pytest.Item) -> Result:
    if _SUITE not in item.stash:
        pytest.fail("the fixture 'result' is for tests under @pytest.mark.suite", pytrace=False)
    suite = item.stash[_SUITE]
    try:
        return suite.answers.after[_case_id(item)]
    except EvalError as error:
        # Said once, by the gate, and not by each case.
        if suite.has_gate:
            _skip(item, "there are no answers, see the gate")
        pytest.fail(str(error), pytrace=False)


def _fail(item: pytest.Item, result: Result) -> NoReturn:
    """Fail by the scorers, or expectedly where the gate lets it pass."""
    item.stash[_IS_OURS] = True
    suite = item.stash[_SUITE]
    standing = suite.standing(result)
    if standing.is_excused:
        # Under --runxfail this does nothing, as it should.
        pytest.xfail(standing.reason)
    pytest.fail(suite.describe(result, standing.reason), pytrace=False)


def _skip(item: pytest.Item, reason: str) -> NoReturn:
    item.stash[_IS_OURS] = True
    raise pytest.skip.Exception(reason, _use_item_location=True)


def _gates_last(items: list[pytest.Item]) -> list[pytest.Item]:
    ahead = Counter(item.stash.get(_SUITE, None) for item in items if not _is_gate(item))
    waiting: dict[SuiteSession, pytest.Item] = {}
    ordered = []
    for item in items:
        suite = item.stash.get(_SUITE, None)
        if suite is not None and isinstance(item, GateItem) and ahead[suite]:
            waiting[suite] = item
            continue
        ordered.append(item)
        ahead[suite] -= 1
        if suite in waiting and not ahead[suite]:
            ordered.append(waiting.pop(suite))
    return ordered


def _is_gate(item: pytest.Item) -> bool:
    return isinstance(item, GateItem)


def _case_id(item: pytest.Item) -> str:
    assert isinstance(item, pytest.Function)
    case = item.callspec.params["case"]
    assert isinstance(case, Case)
    return case.case_id


def _function_id(item: pytest.Function) -> str:
    assert item.parent is not None
    return f"{item.parent.nodeid}::{item.originalname}"
