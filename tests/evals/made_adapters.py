"""Adapters of a checkpoint that tests make: their weights are drawn by a seed."""

import warnings
from pathlib import Path

import peft
import torch
import transformers


def make_adapter(checkpoint: Path, folder: Path, seed: int) -> Path:
    """Write an adapter of a checkpoint with weights by chance, and return its folder."""
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        peft.get_peft_model(model, config).save_pretrained(folder)
    return folder
