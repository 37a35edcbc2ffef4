"""Made-up suites, runs, verdicts and a sweep for the tests of the Evals pages.

Suite ``triage`` of project ``eval-lab``: five runs of two models and two versions, a baseline and
three candidates of a sweep of five, one of which has no run and one was published by hand.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from headway.apis import ApiClient

PROJECT, SUITE = "eval-lab", "triage/lab"
SWEEP_ID = "20261122T101500Z-triage-sweep-3fa9"
COMPARISON_ID = "cmp-lab"
CASES = 60
LONG = "Where is my parcel A48213? It should have been here on Tuesday, and I am leaving."
ANSWER = '{"kind": "delivery", "urgency": "high", "order": "A48213"}'
WRONG = '{"kind": "refund", "urgency": "low", "order": "A48213"}'
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def send(api: ApiClient) -> None:
    """Fill the collector."""
    for number in range(5):
        run = make_run(f"lab-{number}", "triage-base" if number % 2 == 0 else "triage-v2", number)
        api.post("/v1/runs", {"run": run, "results": make_results(number)}, project=PROJECT)
    rows = make_sweep()
    for position, (name, row) in enumerate(rows.items()):
        settings = {"sweep_id": SWEEP_ID} | ({"sweep": row} if row else {})
        run = make_run(f"sweep-{name}", f"base+{name}", 5, settings=settings)
        body = {"run": run, "results": make_results(position + 2)}
        api.post("/v1/runs", body, project=PROJECT)
    api.post("/v1/comparisons", make_comparison(), project=PROJECT)


def make_run(run_id: str, model: str, day: int, **fields: Any) -> dict[str, Any]:
    """Return a run; a run of the third day or later is of the second version of the suite."""
    passed = sum(each["passed"] is True for each in make_results(day))
    started = NOW + timedelta(days=day)
    return {
        "run_id": run_id,
        "suite": SUITE,
        "suite_version": "4f1c9a02b7" if day < 3 else "91d0aa31c4",
        "model": model,
        "model_digest": "sha256:1f0e5c",
        "started_at": text(started),
        "ended_at": text(started + timedelta(seconds=75)),
        "case_count": CASES - 1,
        "passed_count": passed,
        "pass_rate": passed / (CASES - 1),
        "scores": {name: {"mean": 0.9, "count": CASES} for name in ("exact", "json")},
        "settings": {"quarantine": {"t-004": {"until": "2026-12-01"}}, "suite_case_count": CASES},
        "environment": {"python": "3.11"},
    } | fields


def make_results(seed: int) -> list[dict[str, Any]]:
    """Return results in which every eighth case fails, others under each seed; the last of all
    was not asked."""
    results = []
    for number in range(CASES):
        passed = (number + seed) % 8 != 0
        kind = ("delivery", "refund", "damage")[number % 3]
        results.append(
            {
                "case_id": f"t-{number:03d}",
                "input": {"message": LONG, "language": "en"},
                "output": ANSWER if passed else WRONG,
                "expected": {"kind": "delivery"},
                "tags": [f"kind:{kind}", "long"] if number % 2 else [f"kind:{kind}"],
                "passed": passed,
                "scores": {
                    "exact": {"value": float(passed), "passed": passed, "detail": "kind"},
                    "json": {"value": 1.0, "passed": True, "detail": None},
                },
                "latency_ms": 80.5,
            }
        )
    lost: dict[str, Any] = {"passed": None, "scores": {}, "output": None}
    results[-1] |= lost | {"error": "missing: not asked: the verdict was certain before"}
    return results


def make_sweep() -> dict[str, dict[str, Any] | None]:
    """Return the candidates with their rows; the last was published by hand and has none."""
    told = {
        "step-9": (0.93, 0.04, 0.01, 0.07, 0.004, "improved", ""),
        "step-10": (0.85, -0.04, -0.08, 0.0, 0.21, "inconclusive", "regressed if it stood alone"),
        "step-30-with-a-rather-long-name-of-its-own": (
            0.7,
            -0.19,
            -0.26,
            -0.12,
            1e-5,
            "regressed",
            "",
        ),
    }
    rows: dict[str, dict[str, Any] | None] = {}
    for position, (name, (mean, gain, lower, upper, p, verdict, note)) in enumerate(told.items()):
        others = ["lab-4", *(f"sweep-{each}" for each in told if each != name)]
        rows[name] = {
            "sweep_id": SWEEP_ID,
            "position": position,
            "size": 5,
            "candidate": f"hf:base+{name}",
            "baseline_run_id": "lab-4",
            "comparison_id": COMPARISON_ID,
            "mean": mean,
            "baseline_mean": 0.89,
            "difference": gain,
            "lower": lower,
            "upper": upper,
            "scale": 1.0,
            "direction": "up",
            "margin": 0.05,
            "p_value": p / 2,
            "p_adjusted": p,
            "verdict": verdict,
            "note": note,
            "took_s": 3.1 + position,
            "output_tokens": 1200 + position,
            "kept_count": 0,
            "flips": {
                other: {"to_fail": 2 * position + place, "to_pass": place}
                for place, other in enumerate(others)
            },
            "failed": [{"position": 3, "candidate": "hf:base+v9", "error": "it fits no base"}],
        }
    return rows | {"by-hand": None}


def make_comparison() -> dict[str, Any]:
    """Return a verdict with two gates, a case that must pass, warnings and slices."""
    first = outcome("passed", 60, 0.90, 0.92, -0.014, 0.044)
    gates = [
        {"gate": "exact", "scorer": "exact", "p_value": 0.2, "q_value": 0.4} | first,
        {
            "gate": "manners",
            "scorer": "json",
            "p_value": 0.001,
            "q_value": 0.002,
            "slices": [make_slice("kind:damage", "regressed", 20, 0.9, 0.5, -0.6, -0.2)],
        }
        | outcome("regressed", 60, 0.98, 0.80, -0.26, -0.10),
    ]
    flips = [
        {
            "case_id": f"t-{number:03d}",
            "direction": "to_pass" if number == 1 else "to_fail",
            "tags": ["kind:refund"] if number % 2 else ["kind:delivery"],
            "input": LONG,
            "expected": {"kind": "delivery"},
            "baseline_output": WRONG if number == 1 else ANSWER,
            "candidate_output": ANSWER if number == 1 else WRONG,
        }
        for number in range(1, 5)
    ]
    return {
        "comparison_id": COMPARISON_ID,
        "suite": SUITE,
        "suite_version": "91d0aa31c4",
        "baseline_run_id": "lab-4",
        "candidate_run_id": "sweep-step-9",
        "baseline_model": "triage-base",
        "candidate_model": "base+step-9",
        "created_at": text(NOW + timedelta(days=5)),
        "verdict": "regressed",
        "exit_code": 1,
        "margin": 0.05,
        "alpha": 0.05,
        "overall": first
        | {
            "gates": gates,
            "must_pass": ["t-003"],
            "warnings": ["the noise floor, 6.0 points, is not below the margin, 5.0 points"],
            "minimum_detectable_effect": 0.08,
        },
        "slices": [
            make_slice("kind:refund", "regressed", 20, 0.9, 0.4, -0.7, -0.2),
            make_slice("kind:delivery", "passed", 20, 0.9, 0.91, -0.05, 0.07),
        ],
        "flips": flips,
    }


def make_slice(name: str, *told: Any) -> dict[str, Any]:
    """Return the outcome of a slice."""
    return {"slice": name, "p_value": 0.01, "q_value": 0.02} | outcome(*told)


def outcome(
    verdict: str, n: int, baseline: float, candidate: float, lower: float, upper: float
) -> dict[str, Any]:
    """Return an estimate with its verdict."""
    return {
        "verdict": verdict,
        "n": n,
        "baseline": baseline,
        "candidate": candidate,
        "difference": candidate - baseline,
        "lower": lower,
        "upper": upper,
        "margin": 0.05,
        "scale": 1.0,
        "direction": "up",
        "flips_to_fail": 3,
        "flips_to_pass": 1,
        "note": "",
    }


def text(time: datetime) -> str:
    """Return a time as the wire has it."""
    return time.isoformat().replace("+00:00", "Z")
