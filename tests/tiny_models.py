"""A language model small enough to make in a test, with a token for each character."""

from pathlib import Path

import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

START, END, PAD = 1, 2, 0
_SPECIAL = ["<pad>", "<start>", "<end>", "<unknown>"]
CHAT = "{% for each in messages %}{{ each.role }}: {{ each.content }} {% endfor %}"


def make_checkpoint(
    folder: Path, *, chat_template: str | None = None, padding_side: str = "right"
) -> Path:
    """Save a Llama of two layers with random weights, and its tokenizer."""
    tokens = [*_SPECIAL, *map(chr, range(32, 127))]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    raw = Tokenizer(models.WordLevel(vocab=vocabulary, unk_token=_SPECIAL[3]))
    raw.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    raw.decoder = decoders.Fuse()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token=_SPECIAL[PAD],
        bos_token=_SPECIAL[START],
        eos_token=_SPECIAL[END],
        unk_token=_SPECIAL[3],
        padding_side=padding_side,
        chat_template=chat_template,
    ).save_pretrained(folder)
    torch.manual_seed(7)
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.5,
        pad_token_id=PAD,
        bos_token_id=START,
        eos_token_id=END,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder
