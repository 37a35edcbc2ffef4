"""A report as GitHub's workflow commands, which show it beside the code of a pull request.

GitHub shows at most ten annotations of a kind for a step, so the verdict comes first, and what
flipped as far as there is room.
"""

from collections.abc import Iterator

from headway_evals.averages import Report
from headway_evals.outcomes import Comparison
from headway_evals.wordings import one_line
from headway_measures.verdicts import Verdict

_MOST = 10
_LEVELS: dict[Verdict, str] = {
    "improved": "notice",
    "passed": "notice",
    "regressed": "error",
    "inconclusive": "error",
}


def annotations(report: Report, path: str | None = None) -> list[str]:
    """Return the commands, one a line.

    Args:
        report: what to tell.
        path: the suite's file, where the annotations are to stand.
    """
    return list(_commands(report, path))


def _commands(report: Report, path: str | None) -> Iterator[str]:
    suite, comparison = report.candidate.run.suite, report.comparison
    if comparison is None:
        yield _command("notice", path, f"headway: {suite}", one_line(report.sentence, 2000))
        return
    title = f"headway: {suite} {comparison.verdict}"
    sentence = one_line(report.sentence, 2000)
    yield _command(_LEVELS[comparison.verdict], path, title, sentence)
    # Where there are many, the first says enough: places are few.
    for warning in comparison.overall.warnings[:1]:
        yield _command("warning", path, f"headway: {suite}", one_line(warning, 500))
    yield from _flips(comparison, path, _MOST - len(comparison.overall.warnings[:1]))


def _flips(comparison: Comparison, path: str | None, most: int) -> Iterator[str]:
    flips = [flip for flip in comparison.flips if flip.direction == "to_fail"]
    # The last place is for how many there are besides.
    shown = flips if len(flips) <= most else flips[: most - 1]
    for flip in shown:
        told = (
            f"expected: {one_line(flip.expected)}",
            f"baseline: {one_line(flip.baseline_output)}",
            f"candidate: {one_line(flip.candidate_output)}",
        )
        title = f"{one_line(flip.case_id)} passed before and fails now"
        yield _command("warning", path, title, "\n".join(told))
    if len(shown) < len(flips):
        told_rest = f"{len(flips) - len(shown):,} more cases passed before and fail now"
        yield _command("warning", path, f"headway: {comparison.suite}", told_rest)


def _command(level: str, path: str | None, title: str, message: str) -> str:
    place = [] if path is None else [f"file={_property(path)}"]
    properties = [*place, f"title={_property(one_line(title))}"]
    return f"::{level} {','.join(properties)}::{_message(message)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
