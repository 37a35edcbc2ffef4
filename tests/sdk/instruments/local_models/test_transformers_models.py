"""Which local model ran: its adapters, the fingerprint of its checkpoint, batches of requests."""

import warnings
from pathlib import Path
from typing import Any

import peft
import torch
import transformers

from headway.instruments.checkpoints import fingerprint, fingerprint_of
from headway.instruments.local_models import active_adapters
from headway.testing import Captured
from tests.sdk.instruments.local_models.spans import LENGTH, only, read, settings_of, texts
from tests.tiny_models import PAD


def test_active_adapters_are_named(tiny: Path, captured: Captured) -> None:
    base = transformers.AutoModelForCausalLM.from_pretrained(tiny)
    config = peft.LoraConfig(r=2, target_modules=["q_proj"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        tuned = peft.get_peft_model(base, config, adapter_name="refunds")
    ids = {"input_ids": torch.tensor([[5, 6, 7]])}

    tuned.generate(**ids, **LENGTH)
    with tuned.disable_adapter():
        tuned.generate(**ids, **LENGTH)

    with_it, without = (read(span.attributes) for span in captured.spans)
    assert with_it["transformers.adapters"] == ["refunds"]
    assert "transformers.adapters" not in without
    tuned.merge_adapter()
    assert active_adapters(base) == ["refunds"]


def test_the_checkpoint_is_told_once_it_is_read(
    model: Any, tokenizer: Any, tiny: Path, captured: Captured
) -> None:
    expected = fingerprint_of(model, str(tiny)).wait(10)

    model.generate(**tokenizer("abc", return_tensors="pt"), **LENGTH)

    assert expected is not None
    assert read(only(captured).attributes)["transformers.checkpoint"] == expected
    assert expected == fingerprint(tiny)


def test_another_training_of_one_architecture_has_another_fingerprint(
    tiny: Path, tmp_path: Path
) -> None:
    other = transformers.AutoModelForCausalLM.from_pretrained(tiny)
    with torch.no_grad():
        other.model.layers[1].mlp.up_proj.weight += 0.01
    other.save_pretrained(tmp_path / "tuned")
    sizes = {(path / "model.safetensors").stat().st_size for path in (tiny, tmp_path / "tuned")}

    assert len(sizes) == 1
    assert fingerprint(tmp_path / "tuned") != fingerprint(tiny)


def test_a_model_whose_files_are_gone_or_broken_has_no_fingerprint(
    model: Any, tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 8)
    broken = transformers.LlamaForCausalLM(model.config.__class__(**settings_of(model)))
    nowhere = transformers.LlamaForCausalLM(model.config.__class__(**settings_of(model)))

    assert fingerprint_of(broken, str(tmp_path)).wait(10) is None
    assert fingerprint_of(nowhere, "no/such-model").wait(10) is None


def test_continuous_batching_is_one_span_for_all_of_its_requests(
    model: Any, tokenizer: Any, captured: Captured
) -> None:
    prompts = [tokenizer("abc")["input_ids"], tokenizer("de")["input_ids"]]
    settings = transformers.GenerationConfig(
        max_new_tokens=4, eos_token_id=-1, pad_token_id=PAD, do_sample=False
    )

    # Small, since it fills the machine's memory otherwise.
    small = transformers.ContinuousBatchingConfig(num_blocks=8, max_batch_tokens=32, page_size=32)
    results = model.generate_batch(
        prompts,
        generation_config=settings,
        continuous_batching_config=small,
        record_timestamps=True,
        warmup=False,
    )

    span = only(captured)
    assert texts(span.input) == ["abc", "de"]
    assert texts(span.output) == [
        tokenizer.decode(each.generated_tokens, skip_special_tokens=True)
        for each in results.values()
    ]
    assert (span.input_tokens, span.output_tokens) == (5, 8)
    assert span.finish_reasons == ["length", "length"]
    assert span.ttft_ms is not None
