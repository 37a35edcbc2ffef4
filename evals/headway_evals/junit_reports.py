"""A report as JUnit XML, as build servers read it: a test a case, and one for each gate.

It is green where the exit code is 0, so that a build has one opinion. A case that fails is a
failure where it is evidence against the candidate: it flipped, and the verdict is regressed.
Otherwise it is skipped, with the reason. A gate that cannot tell is a failure that says so.
"""

import re
from xml.etree import ElementTree

from headway_evals.averages import Report
from headway_evals.outcomes import EXIT_PASSED, Comparison
from headway_evals.runs import Result
from headway_evals.wordings import gate_sentence, one_line
from headway_measures.scores import shortened

_GATE = "gate"
_MOST_CHARACTERS = 2000

# All that XML 1.0 cannot hold, even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> bytes:
    """Return the report as a document of one test suite."""
    run, comparison = report.candidate.run, report.comparison
    suite = ElementTree.Element("testsuite", name=_clean(run.suite), timestamp=run.started_at[:19])
    if comparison is not None:
        _add_gates(suite, report, comparison)
    flipped = set()
    if comparison is not None:
        flipped = {flip.case_id for flip in comparison.flips if flip.direction == "to_fail"}
    for result in report.candidate.results:
        _add_case(suite, result, comparison, is_flip=result.case_id in flipped)
    for kind in ("failure", "skipped"):
        name = "failures" if kind == "failure" else kind
        suite.set(name, str(len(suite.findall(f"testcase/{kind}"))))
    suite.set("tests", str(len(suite)))
    suite.set("errors", "0")
    root = ElementTree.Element("testsuites", {key: suite.attrib[key] for key in _COUNTS})
    root.append(suite)
    ElementTree.indent(root)
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


_COUNTS = ("tests", "failures", "errors", "skipped")


def _add_gates(suite: ElementTree.Element, report: Report, comparison: Comparison) -> None:
    """Add the gate, which stands for the verdict as a whole, and those that it is made of."""
    case = ElementTree.SubElement(suite, "testcase", classname=_clean(comparison.suite), name=_GATE)
    warnings = (f"warning: {each}" for each in comparison.overall.warnings)
    _output(case, "\n".join([report.sentence, *warnings]))
    if comparison.exit_code != EXIT_PASSED:
        _fault(case, "failure", report.sentence, comparison.verdict)
    for gate in comparison.overall.gates:
        name = _clean(f"{_GATE} {gate.gate}")
        case = ElementTree.SubElement(
            suite, "testcase", classname=_clean(comparison.suite), name=name
        )
        _output(case, gate_sentence(gate))
        if gate.verdict in ("regressed", "inconclusive") and comparison.exit_code != EXIT_PASSED:
            _fault(case, "failure", gate_sentence(gate), gate.verdict)


def _add_case(
    suite: ElementTree.Element, result: Result, comparison: Comparison | None, *, is_flip: bool
) -> None:
    attributes = {"classname": suite.attrib["name"], "name": _clean(result.case_id)}
    if result.latency_ms is not None:
        attributes["time"] = f"{result.latency_ms / 1000:.6f}"
    case = ElementTree.SubElement(suite, "testcase", attributes)
    if result.passed:
        return
    reason = _reason(result)
    if result.is_missing:
        _fault(case, "skipped", reason)
    elif comparison is None:
        _fault(case, "skipped", f"{reason}; without a baseline there is no verdict")
    elif not is_flip:
        _fault(case, "skipped", f"{reason}; it is no flip: the baseline does no better")
    elif comparison.verdict != "regressed":
        _fault(case, "skipped", f"{reason}; flipped, but the verdict is {comparison.verdict}")
    else:
        _fault(case, "failure", f"{reason}, passes for the baseline", "flip")
    shown = {"input": result.input, "expected": result.expected, "output": result.output}
    _output(case, "\n".join(f"{name}: {_text(value)}" for name, value in shown.items()))


def _reason(result: Result) -> str:
    if result.output is None:
        return f"no answer: {one_line(result.error or 'for no reason given')}"
    failed = [name for name, score in result.scores.items() if score.passed is False]
    told = [result.scores[name].error or result.scores[name].detail for name in failed]
    reasons = [f"{name}: {one_line(each)}" for name, each in zip(failed, told, strict=True)]
    if result.weighing is not None and result.weighing.threshold is not None:
        score, least = result.weighing.score, result.weighing.threshold
        reasons.insert(0, f"score {score:.4g} is less than the threshold {least:g}")
    return "; ".join(reasons)


def _fault(case: ElementTree.Element, tag: str, message: str, kind: str = "") -> None:
    fault = ElementTree.SubElement(case, tag, message=_clean(message))
    if kind:
        fault.set("type", kind)


def _output(case: ElementTree.Element, text: str) -> None:
    ElementTree.SubElement(case, "system-out").text = _clean(text)


def _text(value: object) -> str:
    return shortened(value if isinstance(value, str) else repr(value), _MOST_CHARACTERS)


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
