"""A tiny model whose calls are recorded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transformers

from headway.instrumenting import instrument, uninstrument
from tests.tiny_models import CHAT, make_checkpoint


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    """Calls of transformers are recorded."""
    instrument("transformers")
    yield
    uninstrument()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return make_checkpoint(folder, chat_template=CHAT, padding_side="left")


@pytest.fixture(scope="session")
def model(tiny: Path) -> Any:
    """The model of the checkpoint."""
    return transformers.AutoModelForCausalLM.from_pretrained(tiny).eval()


@pytest.fixture
def tokenizer(tiny: Path) -> Any:
    """The tokenizer of the checkpoint, loaded while calls are recorded."""
    return transformers.AutoTokenizer.from_pretrained(tiny)
