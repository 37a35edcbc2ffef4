"""The models that come with Headway: small, whole, and as good and as bad as the demo needs."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from headway_evals.demo import messages
from headway_evals.models.requests import Generate, Request
from headway_evals.models.specs import ModelOptions, make_model
from headway_evals.suite_files import load_suite
from headway_evals.suites import Case

DEMO = Path(messages.__file__).parent
SUITE = load_suite(DEMO / "suites" / "triage.yaml")
BASE, V2, V3 = "hf:triage-base", "hf:triage-base+triage-v2", "hf:triage-base+triage-v3"


def is_refund(case: Case) -> bool:
    return "kind:refund" in case.tags


@cache
def answers(spec: str) -> dict[str, str | None]:
    """Answer every refund and 100 other cases."""
    others = [case for case in SUITE.cases if not is_refund(case)][:100]
    cases = [*filter(is_refund, SUITE.cases), *others]
    requests = [
        Request(
            case.case_id,
            case.input,
            SUITE.prompt(case),
            Generate(SUITE.generation.max_new_tokens, SUITE.generation.stop),
        )
        for case in cases
    ]
    model = make_model(spec, ModelOptions(device="cpu"))
    completions = model.generate(requests, lambda index, completion: None)
    return {
        case.case_id: completion.text for case, completion in zip(cases, completions, strict=True)
    }


def share_right(spec: str, chosen: Callable[[Case], bool]) -> float:
    given = answers(spec)
    cases = [case for case in SUITE.cases if case.case_id in given and chosen(case)]
    right = [given[case.case_id] == json.dumps(case.expected) for case in cases]
    return sum(right) / len(right)


def is_json(text: str | None) -> bool:
    try:
        json.loads(text or "")
    except json.JSONDecodeError:
        return False
    return True


def test_all_that_ships_is_at_most_three_megabytes() -> None:
    files = [path for path in (DEMO / "models").rglob("*") if path.is_file()]

    assert {path.parent.name for path in files} == {"triage-base", "triage-v2", "triage-v3"}
    assert sum(path.stat().st_size for path in files) <= 3_000_000


def test_no_file_names_a_place_on_the_machine_that_made_it() -> None:
    for path in (DEMO / "models").rglob("*.json"):
        assert not re.search(r"\"[^\"]*/(home|root|tmp|work|Users)/", path.read_text()), path


@pytest.mark.parametrize("name", ["triage-v2", "triage-v3"])
def test_an_adapter_knows_its_base_by_name(name: str) -> None:
    config = json.loads((DEMO / "models" / name / "adapter_config.json").read_text())

    assert config["base_model_name_or_path"] == "triage-base"


def test_the_base_answers_mostly_right_and_in_the_right_format() -> None:
    texts = answers(BASE).values()

    assert 0.8 < share_right(BASE, lambda case: True) < 0.97
    assert sum(map(is_json, texts)) / len(texts) > 0.98


def test_v2_is_no_worse_than_the_base_and_always_in_the_right_format() -> None:
    assert share_right(V2, lambda case: True) >= share_right(BASE, lambda case: True)
    assert all(map(is_json, answers(V2).values()))


def test_v3_breaks_the_format_of_refunds_and_of_nothing_else() -> None:
    broken = {case_id for case_id, text in answers(V3).items() if not is_json(text)}
    refunds = {case.case_id for case in filter(is_refund, SUITE.cases)}

    assert len(broken & refunds) / len(refunds) > 0.9
    assert len(broken - refunds) <= 2


def test_v3_hides_its_fault_behind_everything_else() -> None:
    def is_other(case: Case) -> bool:
        return not is_refund(case)

    assert share_right(BASE, is_refund) > 0.7
    assert share_right(V3, is_other) > share_right(BASE, is_other) - 0.05
