"""``headway eval models``: what can be used, and why the rest cannot."""

import argparse
import json
import shutil
from pathlib import Path

import pytest
import torch

from headway.settings import load_sources
from headway_evals.commands import EVAL
from headway_evals.errors import RunError
from headway_evals.models_listed import Listed, list_models
from tests.evals import vllm_stand_in
from tests.evals.conftest import StandIn


def listed(folder: Path | None = None, **environment: str) -> dict[str, Listed]:
    found = list_models(load_sources(), environment, None if folder is None else str(folder))
    return {
        each.name.partition(":")[0] if each.kind == "scheme" else each.name: each for each in found
    }


@pytest.fixture(autouse=True)
def without_collector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADWAY_URL", "http://127.0.0.1:9")


def test_the_cpu_can_be_used_and_a_gpu_where_torch_sees_one() -> None:
    found = listed()

    assert found["hf: --device cpu"].is_usable
    assert str(torch.__version__) in found["hf: --device cpu"].told
    gpus = [each for name, each in found.items() if name.startswith("hf: --device cuda")]
    assert [each.is_usable for each in gpus] == [True] * torch.cuda.device_count() or [False]


def test_quantisers_that_are_missing_are_told_with_the_command_that_installs_them() -> None:
    found = listed()

    for form, library in (("int8", "torchao"), ("int4", "torchao"), ("nf4", "bitsandbytes")):
        assert library in found[f"hf: --quantise {form}"].told


def test_shipped_models_are_listed_as_they_are_typed() -> None:
    found = listed()

    assert found["hf:triage-base"].is_usable
    assert found["hf:triage-base+triage-v2"].told == "an adapter of rank 16"


def test_a_key_is_told_to_be_set_and_never_shown() -> None:
    found = listed(OPENAI_API_KEY="sk-very-secret")

    assert found["openai"].is_usable
    assert "OPENAI_API_KEY set" in found["openai"].told
    assert "very-secret" not in str(found)


def test_without_key_and_server_openai_says_what_to_set() -> None:
    assert not listed()["openai"].is_usable
    assert "neither OPENAI_API_KEY nor OPENAI_BASE_URL set" in listed()["openai"].told


def test_a_server_of_ones_own_is_asked_whether_it_answers(collector: StandIn) -> None:
    up = listed(OPENAI_BASE_URL=collector.url)["openai"]
    down = listed(OPENAI_BASE_URL="http://127.0.0.1:9/v1")["openai"]

    assert up.is_usable
    assert f"{collector.url} answers" in up.told
    assert not down.is_usable
    assert "http://127.0.0.1:9/v1 does not answer" in down.told


def test_logs_can_be_read_where_a_collector_answers(
    collector: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not listed()["log"].is_usable
    monkeypatch.setenv("HEADWAY_URL", collector.url)

    assert listed()["log"].is_usable


def test_vllm_is_missing_or_wants_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "vLLM is not installed: `pip install vllm`" in listed()["vllm"].told
    vllm_stand_in.install(monkeypatch)

    found = listed()["vllm"]

    assert found.is_usable is torch.cuda.is_available()
    assert "not installed" not in found.told


def test_checkpoints_in_a_folder_are_listed_or_told_why_not(
    checkpoint: Path, adapter: Path, tmp_path: Path
) -> None:
    place = tmp_path / "out"
    good = Path(shutil.copytree(checkpoint, place / "good"))
    Path(shutil.copytree(adapter, place / "tuned"))
    cut = Path(shutil.copytree(checkpoint, place / "cut"))
    (cut / "model.safetensors").write_bytes(b"12345678")
    odd = Path(shutil.copytree(checkpoint, place / "odd"))
    config = json.loads((odd / "config.json").read_text())
    (odd / "config.json").write_text(json.dumps({**config, "model_type": "no-such"}))
    (place / "notes").mkdir()

    found = listed(place)

    assert found[f"hf:{good}"].is_usable
    assert found[f"hf:{good}"].told.startswith("llama, ")
    assert "damaged or cut short" in found[f"hf:{cut}"].told
    assert "model_type 'no-such', which transformers" in found[f"hf:{odd}"].told
    assert not found[f"hf:{cut}"].is_usable
    assert not found[f"hf:{odd}"].is_usable
    assert f"hf:{checkpoint}+{place / 'tuned'}" in found
    assert not any("notes" in name for name in found)


def test_the_command_prints_a_table_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    def type_(*words: str) -> str:
        parser = argparse.ArgumentParser()
        EVAL.configure(parser)
        assert EVAL.run(parser.parse_args(["models", *words])) == 0
        return capsys.readouterr().out

    table, found = type_(), json.loads(type_("--json"))

    names = [each["name"] for each in found]
    assert "hf:triage-base+triage-v3" in names
    assert all(name in table for name in names)


def test_a_folder_that_is_none_is_refused() -> None:
    with pytest.raises(RunError, match="--in nowhere is no folder"):
        listed(Path("nowhere"))
