"""Each form of a report, read back by what will read it."""

import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from xml.etree import ElementTree

import pytest
from rich.console import Console

from headway_evals.annotations import annotations
from headway_evals.averages import Report
from headway_evals.html_reports import html
from headway_evals.junit_reports import junit
from headway_evals.markdown_reports import markdown
from headway_evals.outcomes import judged_slices
from headway_evals.reports import write_report
from headway_evals.runs import Result
from headway_evals.suites import Gate
from tests.evals.made_runs import judged, record, result, results

HOSTILE = (
    "<script src='http://x.example/a.js'>-->\x00\x1b[31m]]>&amp;`|\n::error::no\ufffe <img src=x>"
)
# Half a character, which no file can hold and a model may say.
HALF = "\ud83d"
TWO_MEGABYTES = 2_000_000


def report(
    old: Sequence[Result],
    new: Sequence[Result],
    gate: Gate | Sequence[Gate] = Gate(),  # noqa: B008
) -> Report:
    return Report((record("base", old), record("new", new)), judged(old, new, gate))


def regressed() -> Report:
    old = [
        *results([True] * 100, ["kind:a"]),
        *(result(f"r{i}", True, ["kind:r"]) for i in range(20)),
    ]
    new = [
        *results([True] * 99 + [False], ["kind:a"]),
        *(result(f"r{i}", i > 12, ["kind:r"]) for i in range(20)),
    ]
    return report(old, new)


def hostile() -> Report:
    fields = {"input": HOSTILE, "expected": {"a": HOSTILE}, "output": HOSTILE + HALF}
    old = [result(f"{HOSTILE}{i}", True, [HOSTILE + HALF] * (i % 2), **fields) for i in range(40)]
    new = [result(f"{HOSTILE}{i}", i > 20, [HOSTILE + HALF] * (i % 2), **fields) for i in range(40)]
    return Report((record(HOSTILE, old), record(f"n{HOSTILE}", new)), judged(old, new))


def many_flips(text: str = "x" * 5000) -> Report:
    fields = {"input": text, "output": text, "expected": text}
    tags = [[f"tag-{text[:300]}-{i % 700}"] for i in range(5000)]
    old = [result(f"c{i}-{text[:500]}", True, tags[i], **fields) for i in range(5000)]
    new = [result(f"c{i}-{text[:500]}", False, tags[i], **fields) for i in range(5000)]
    return report(old, new)


class Page(HTMLParser):
    """What an HTML file holds: its elements with their attributes, and its text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def cases_of(content: bytes) -> dict[str, ElementTree.Element]:
    return {case.attrib["name"]: case for case in ElementTree.fromstring(content).iter("testcase")}


def test_junit_has_a_test_a_case_and_one_for_the_gate() -> None:
    cases = cases_of(junit(regressed()))

    assert len(cases) == 121
    assert cases["gate"].find("failure") is not None
    assert cases["gate"].find("failure").attrib["type"] == "regressed"  # type: ignore[union-attr]
    assert list(cases["r19"]) == []
    assert cases["r0"].find("failure").attrib["message"] == "exact: wrong, passes for the baseline"  # type: ignore[union-attr]


def test_junit_counts_what_it_holds() -> None:
    root = ElementTree.fromstring(junit(regressed()))

    assert dict(root.attrib) == {"tests": "121", "failures": "15", "errors": "0", "skipped": "0"}
    assert len(root.findall(".//failure")) == 15


def test_junit_is_green_where_the_gate_passes() -> None:
    old = [result("c0", False), *results([True] * 300)[1:]]
    new = [result("c0", False), *results([True] * 299 + [False])[1:]]

    content = junit(report([*old, result("both", False)], [*new, result("both", False)]))

    cases = cases_of(content)
    assert b"<failure" not in content
    assert cases["both"].find("skipped").attrib["message"].endswith("the baseline does no better")  # type: ignore[union-attr]
    assert cases["c299"].find("skipped").attrib["message"].endswith("but the verdict is passed")  # type: ignore[union-attr]


def test_junit_says_that_a_gate_cannot_tell() -> None:
    case = cases_of(junit(report(results([True] * 5), results([True] * 5))))["gate"]

    failure = case.find("failure")
    assert failure is not None
    assert failure.attrib["type"] == "inconclusive"
    assert "about 150 cases would tell" in failure.attrib["message"]


def test_junit_of_a_run_alone_fails_nothing() -> None:
    alone = Report((record("m", results([True, False])),))

    content = junit(alone)

    assert b"<failure" not in content
    assert len(cases_of(content)) == 2


def test_junit_bears_any_text() -> None:
    cases = cases_of(junit(hostile()))

    assert len(cases) == 41
    assert any("<script" in name for name in cases)


def test_html_is_one_file_that_refers_to_nothing() -> None:
    content = html(regressed())
    page = Page(content)

    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not {name for name, _ in page.attributes} & {"src", "href", "action", "onload", "style"}
    assert "url(" not in content
    assert "@import" not in content
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_html_tells_the_verdict_then_flips_slices_averages() -> None:
    text = Page(html(regressed())).text

    places = ["s: regressed", "14 passed before, fail now", "Slices", "Averages", "all pass"]
    found = [text.index(each) for each in places]
    assert found == sorted(found)


def test_html_shows_what_models_said_and_runs_none_of_it() -> None:
    page = Page(html(hostile()))

    assert "script" not in page.tags
    assert "img" not in page.tags
    assert "<script src='http://x.example/a.js'>" in page.text
    assert "\x1b" not in page.text


def test_html_is_read_by_day_and_by_night() -> None:
    style = html(regressed())

    assert "color-scheme: light dark" in style
    assert "@media (prefers-color-scheme: dark)" in style


def test_html_of_twenty_thousand_flips_with_many_gates_stays_below_two_megabytes() -> None:
    text = "\"&<'\n" * 600
    fields = {"input": text, "output": text, "expected": text}
    tags = [[f"{text[:200]}{i % 300}"] for i in range(20_000)]
    old = [result(f"{text[:300]}{i}", True, tags[i], **fields) for i in range(20_000)]
    new = [result(f"{text[:300]}{i}", False, tags[i], **fields) for i in range(20_000)]
    gates = [Gate(name=f"{text[:300]}{i}") for i in range(3)]

    content = html(report(old, new, gates))

    assert len(content.encode()) < TWO_MEGABYTES
    assert "20,000 passed before, fail now" in content
    assert Page(content).text.count("Slices") == 3


def test_every_form_tells_the_slices_of_each_gate() -> None:
    old, new = results([True] * 40, ["a"]), results([True] * 40, ["a"])
    both = [*old, result("other", True, ["b"])], [*new, result("other", True, ["b"])]
    told = report(*both, (Gate(), Gate("exact", name="words")))
    terminal = StringIO()
    write_report(Console(file=terminal, width=200), told)

    for text in (terminal.getvalue(), markdown(told), html(told)):
        assert text.count("Slices") == 2
        assert "Slices by gate words" in text


def test_five_identical_cases_are_inconclusive_in_every_form() -> None:
    five = results([True] * 5)
    told = report(five, five)
    terminal = StringIO()
    write_report(Console(file=terminal, width=400), told)
    forms = (terminal.getvalue(), markdown(told), html(told), junit(told).decode())

    for text in (*forms, *annotations(told)):
        assert "INCONCLUSIVE" in text
        assert "about 150 cases would tell, 145 more" in text
        assert "so many cases find a change of" in text


def test_what_a_suite_finds_by_its_history_stands_beside_the_verdict() -> None:
    five = results([True] * 5)
    told = replace(report(five, five), outlook="By its history so and so")
    terminal = StringIO()
    write_report(Console(file=terminal, width=400), told)

    for text in (terminal.getvalue(), markdown(told), html(told)):
        assert "By its history so and so" in text


def test_every_form_can_be_written_whatever_a_model_said() -> None:
    terminal = StringIO()
    write_report(Console(file=terminal, width=200), hostile())
    forms = (terminal.getvalue(), markdown(hostile()), html(hostile()))

    for text in (*forms, *annotations(hostile())):
        assert HALF not in text
        assert text.encode()
    assert HALF.encode("utf-8", "surrogatepass") not in junit(hostile())


def test_html_draws_each_interval() -> None:
    comparison = regressed().comparison
    assert comparison is not None

    tags = Page(html(regressed())).tags

    assert tags.count("svg") == 2
    assert tags.count("circle") == 1 + len(judged_slices(comparison.slices))


@pytest.mark.parametrize("text", ["x" * 5000, "\"&<'" * 1000, "語" * 5000, "\x01" * 5000])
def test_html_of_five_thousand_flips_stays_below_two_megabytes(text: str) -> None:
    content = html(many_flips(text))

    told = Page(content).text
    assert len(content.encode()) < TWO_MEGABYTES
    assert "5,000 passed before, fail now" in told
    shown = Page(content).tags.count("details")
    assert shown > 10
    assert f"and {5000 - shown:,} more" in told


def test_markdown_begins_with_the_verdict_and_counts_what_it_leaves_out() -> None:
    text = markdown(many_flips())

    assert text.startswith("## 🔴 s: regressed\n")
    assert "### 5000 passed before, fail now" in text
    assert "and 4,950 more" in text
    assert len(text.encode()) < 200_000


def test_markdown_folds_slices_that_passed_and_html_shows_them() -> None:
    old = [result(f"c{i:03}", True, [f"kind:{i % 8}"]) for i in range(1600)]
    new = [*old[1:], result("c000", False, ["kind:0"])]
    report = Report((record("base", old), record("new", new)), judged(old, new))

    before, folded = markdown(report).split("<details><summary>8 slices passed</summary>\n\n|")

    assert "`kind:3`" not in before
    assert folded.split("\n\n</details>")[0].count("`kind:") == 8
    assert "kind:3" in Page(html(report)).text


def test_markdown_keeps_what_models_said_in_its_cell() -> None:
    text = markdown(hostile())
    rows = [line for line in text.splitlines() if line.startswith("| ``")]

    assert len(rows) > 20
    # Bars that are not escaped end cells: seven to a row of six.
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows if "x.example" in row} <= {7, 9}
    assert not [line for line in text.splitlines() if line.startswith("::")]
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    assert not re.search(r"(?<!\\)<", outside)


def test_annotations_tell_the_verdict_and_the_first_flips() -> None:
    commands = annotations(regressed(), "suites/s.yaml")

    assert commands[0].startswith("::error file=suites/s.yaml,title=headway%3A s regressed::REGR")
    assert commands[1].startswith("::warning file=suites/s.yaml,title=c099 passed before")
    assert "%0Acandidate: wrong" in commands[1]
    assert len([each for each in commands if each.startswith("::warning")]) == 10
    assert commands[-1].endswith("::5 more cases passed before and fail now")


def test_an_annotation_is_one_line_whatever_a_model_said() -> None:
    commands = annotations(hostile(), "a,b:c.yaml")

    assert all(each.isprintable() for each in commands)
    assert all("file=a%2Cb%3Ac.yaml" in each for each in commands)


@pytest.mark.parametrize(
    ("passes", "level"),
    [(100, "notice"), (5, "error")],
)
def test_annotations_are_as_loud_as_the_exit_code(passes: int, level: str) -> None:
    (command,) = annotations(report(results([True] * passes), results([True] * passes)))

    assert command.startswith(f"::{level} title=")


def test_every_form_tells_each_gate() -> None:
    both = results([True] * 100)
    told = report(both, both, (Gate("exact", name="first"), Gate(name="second")))

    for text in (markdown(told), html(told), junit(told).decode()):
        assert "gate first, by exact: passed" in text
        assert "gate second, by all: passed" in text
