"""``headway eval sweep`` with people's labels: the table is by what they correct."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from headway_evals.comparisons import change_by, compare
from headway_evals.errors import RunError, SuiteError
from headway_evals.judges.labels import read_labels
from headway_evals.label_corrections import Labels
from headway_evals.suites import Gate
from headway_measures.verdicts import Margin
from tests.evals.judges.judge_projects import SUITE
from tests.evals.judges.sweep_projects import Project


def write_labels(project: Project, of: Callable[[int, str], int]) -> None:
    """Label the first forty answers of each model."""
    rows = set()
    for i in range(40):
        for is_polite in {True, i % 2 > 0, i % 3 > 0}:
            output = f"q{i} please" if is_polite else f"q{i}!"
            rows.add(json.dumps({"id": f"c{i}", "output": output, "label": of(i, output)}))
    (project.path / "labels.jsonl").write_text("\n".join(sorted(rows)) + "\n")


def test_the_tables_p_values_are_those_that_labels_correct(project: Project) -> None:
    project.make("js_j", n=100)
    # People find answers without a please less bad than the judge does.
    write_labels(project, lambda i, text: 5 if "please" in text else 4 - i % 3)

    project.sweep("--labels", "labels.jsonl")

    sweep, gate = project.last, Gate(scorer="rubric", margin=Margin(0.1))
    baseline = project.record(sweep.baseline_run_id)
    labels = Labels(read_labels(Path("labels.jsonl")))
    for row in sweep.rows:
        record = project.record(row.run_id)
        overall = compare(baseline, record, gate, labels=labels).overall
        assert (row.difference, row.lower, row.upper) == (
            *(overall.difference, overall.lower, overall.upper),
        )
        corrected = change_by(baseline, record, gate, labels=labels).p_value
        assert row.p_value == corrected != change_by(baseline, record, gate).p_value
    kind = sweep.rows[1]
    assert kind.p_adjusted == max(row.p_adjusted for row in sweep.rows)
    assert "corrected by people's labels of 40 cases" in project.said
    assert "kappa" in project.said


def test_labels_in_the_suite_are_used_without_a_flag(project: Project) -> None:
    project.make("js_k", f"{SUITE}labels: labels.jsonl\n")
    write_labels(project, lambda i, text: 5 if "please" in text else 4 - i % 3)

    project.sweep()

    assert "corrected by people's labels of 40 cases" in project.said


def test_a_damaged_file_of_labels_is_told_before_anything_is_asked(project: Project) -> None:
    project.make("js_l")
    (project.path / "labels.jsonl").write_text('{"id": "c1"}\n')

    with pytest.raises(SuiteError, match=r"labels\.jsonl:1: has no id, or no label"):
        project.sweep("--labels", "labels.jsonl")

    assert not (project.path / "judged.txt").exists()


def test_a_label_that_the_judge_could_not_give_is_told_before_candidates_run(
    project: Project,
) -> None:
    project.make("js_m")
    (project.path / "labels.jsonl").write_text('{"id": "c1", "label": 9}\n')

    with pytest.raises(RunError, match=r"labels\.jsonl:1: the label 9 is not one of 1 to 5"):
        project.sweep("--labels", "labels.jsonl")

    assert project.calls == 60
