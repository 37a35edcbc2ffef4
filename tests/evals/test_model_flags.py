"""The flags of ``headway eval``: unknown values are refused, idle ones told, whatever the model."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from headway_evals.commands import EVAL
from headway_evals.errors import ModelError
from headway_evals.models.specs import ModelOptions, find_model, idle_flags
from tests.evals.served_models import Said, serve, upper

SPECS = ["python:answers:upper", "openai:m@http://127.0.0.1:1/v1", "log:name=triage", "hf:nowhere"]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"device": "gpu"}, "there is no device 'gpu'; give cpu, cuda or cuda:N"),
        ({"device": "cuda:x"}, "there is no device 'cuda:x'"),
        ({"device": ""}, "there is no device ''"),
        ({"dtype": "float8"}, "there is no dtype 'float8'; known: float32, bfloat16, float16"),
        ({"dtype": ""}, "there is no dtype ''"),
    ],
)
def test_no_model_takes_a_device_or_dtype_that_nobody_knows(
    spec: str, options: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError) as caught:
        find_model(spec, ModelOptions(folder=tmp_path, **options))

    assert str(caught.value).startswith(reason)


def test_every_dtype_that_can_be_loaded_may_be_named(tmp_path: Path) -> None:
    from headway_evals.models.loading import DTYPES

    for dtype in DTYPES:
        find_model("openai:m@http://h/v1", ModelOptions(folder=tmp_path, dtype=dtype))


@pytest.mark.parametrize(
    ("spec", "options", "line"),
    [
        ("openai:m", {"device": "cpu", "dtype": "float32"}, "--device and --dtype"),
        ("python:m:f", {"timeout_s": 3.0, "concurrency": 4}, "--timeout"),
        ("hf:m", {"rate": "1/s", "device": "cpu"}, "--rate"),
        ("log:a=b", {"cache_functions": True}, "--cache-functions"),
        ("openai:m", {"concurrency": 3, "retries": 1, "self_check": 0}, None),
        ("hf:m", {"dtype": "float16", "noise_floor": True}, None),
    ],
)
def test_flags_that_a_model_has_no_use_for_are_told(
    spec: str, options: dict[str, Any], line: str | None, tmp_path: Path
) -> None:
    found = idle_flags(spec, ModelOptions(folder=tmp_path, **options))

    assert found == (line and f"{spec} has no use for {line}")


def test_a_command_tells_of_idle_flags_in_a_line_and_names_a_model_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("suite.yaml").write_text(
        "suite: s\nscorers: [exact]\ncases: [{id: a, input: a, expected: A}]\n"
    )
    parser = argparse.ArgumentParser()
    EVAL.configure(parser)
    refused = Said({"error": "too long"}, status=400)
    with serve(upper) as served, serve(lambda asked: refused) as refusing:
        words = ["run", "suite.yaml", "--no-publish", "--device", "cpu", "--model"]
        EVAL.run(parser.parse_args([*words, f"openai:m@{served.url}"]))
        with pytest.raises(ModelError) as caught:
            EVAL.run(parser.parse_args([*words, f"openai:m@{refusing.url}"]))

    told = capsys.readouterr().err.splitlines()
    assert told.count(f"openai:m@{served.url} has no use for --device") == 1
    named = f"openai:m@{refusing.url}"
    assert str(caught.value).startswith(f"{named} answered none of 1 case")
    assert str(caught.value).endswith("; the first: HTTP 400: too long")
