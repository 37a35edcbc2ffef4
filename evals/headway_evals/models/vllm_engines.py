"""vLLM's engine, made once for a checkpoint and all adapters that are asked for on it.

Names and shapes are those of vLLM's documentation: ``LLM(...)``, ``LLM.generate`` of token ids,
``SamplingParams``, ``LoRARequest`` and ``RequestOutput``. vLLM is no dependency of Headway: it is
looked for when a ``vllm:`` model is asked for, and imported with its first request.
"""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from headway_evals.errors import ModelError
from headway_evals.models.digests import stamp_of
from headway_evals.models.folders import ADAPTER_CONFIG, read_json
from headway_measures.scores import shortened

PACKAGE = "vllm"
# What vLLM takes as the largest rank; an adapter's own is rounded up to one of them.
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """Tokens to go on from, with the arguments of their ``SamplingParams``."""

    ids: Sequence[int]
    sampling: Mapping[str, Any]


def is_installed() -> bool:
    """Return whether vLLM can be imported, without importing it, which takes seconds."""
    try:
        return importlib.util.find_spec(PACKAGE) is not None
    except (ImportError, ValueError):
        return False


def require_vllm(spec: str) -> None:
    """Check that vLLM is there.

    Raises:
        ModelError: it is not.
    """
    if not is_installed():
        raise ModelError(
            f"{spec} needs vLLM, which is not installed: `pip install vllm` (it wants a GPU, and "
            "its own version of torch), or take hf: in place of vllm:"
        )


@dataclass(eq=False, slots=True, weakref_slot=True)
class VllmEngine:
    """One ``vllm.LLM``, made with the first request.

    Args:
        folder: the checkpoint's.
        options: what ``LLM`` is given besides.
    """

    folder: Path
    options: Mapping[str, Any]
    _adapters: list[Path] = field(default_factory=list)
    _llm: Any = None
    _has_adapters: bool = False

    def expect(self, adapter: Path) -> None:
        """Take note of an adapter, so that there is room for it when the engine is made."""
        if adapter not in self._adapters:
            self._adapters.append(adapter)

    @property
    def adapter_settings(self) -> dict[str, Any]:
        """Return what ``LLM`` is given for the adapters, nothing where there are none."""
        if not self._adapters:
            return {}
        ranks = [read_json(each / ADAPTER_CONFIG).get("r", 0) for each in self._adapters]
        largest = next((rank for rank in _RANKS if rank >= max(ranks)), max(ranks))
        return {"enable_lora": True, "max_loras": 1, "max_lora_rank": largest}

    def generate(self, asked: Sequence[Asked], adapter: Path | None = None) -> list[Any]:
        """Return vLLM's ``RequestOutput`` for each, in their order.

        Raises:
            ModelError: the engine cannot be made, or fails.
        """
        llm, vllm = self._made(), importlib.import_module(PACKAGE)
        given: dict[str, Any] = {"use_tqdm": False}
        if adapter is not None:
            request = importlib.import_module(f"{PACKAGE}.lora.request").LoRARequest
            # A number of its own: the engine knows adapters, and their cached blocks, by it.
            number = self._adapters.index(adapter) + 1
            given["lora_request"] = request(adapter.name, number, str(adapter))
        prompts = [{"prompt_token_ids": list(each.ids)} for each in asked]
        sampling = [vllm.SamplingParams(**each.sampling) for each in asked]
        try:
            outputs = llm.generate(prompts, sampling, **given)
        except (ValueError, RuntimeError, OSError, AssertionError, NotImplementedError) as error:
            raise ModelError(f"vLLM cannot answer with {self.folder}: {_line(error)}") from error
        if len(outputs) != len(asked):
            raise ModelError(
                f"vLLM gave {len(outputs)} answers to {len(asked)} prompts: please report it with "
                f"its version, {version()}"
            )
        return list(outputs)

    def _made(self) -> Any:
        if self._llm is not None and self._adapters and not self._has_adapters:
            self._llm = None  # it was made without room for adapters
        if self._llm is None:
            try:
                vllm = importlib.import_module(PACKAGE)
                self._llm = vllm.LLM(
                    model=str(self.folder), **self.options, **self.adapter_settings
                )
            except (
                *(ValueError, RuntimeError, OSError, ImportError, KeyError, TypeError),
                *(AssertionError, NotImplementedError),
            ) as error:
                told = _line(error)
                raise ModelError(f"vLLM cannot load {self.folder}: {told}") from error
            self._has_adapters = bool(self._adapters)
        return self._llm


def version() -> str:
    """Return vLLM's version, "" where it does not say."""
    return str(getattr(importlib.import_module(PACKAGE), "__version__", ""))


_in_use: WeakValueDictionary[tuple[object, ...], VllmEngine] = WeakValueDictionary()


def find_engine(folder: Path, options: Mapping[str, Any]) -> VllmEngine:
    """Return the engine of a checkpoint: the one in use, if there is one of the same files."""
    files = [path for path in folder.iterdir() if path.is_file()]
    stamp = frozenset((path.name, *stamp_of(path)) for path in files)
    key = (folder.resolve(), tuple(sorted(options.items())), stamp)
    engine = _in_use.get(key)
    if engine is None:
        engine = _in_use[key] = VllmEngine(folder, options)
    return engine


def _line(error: BaseException) -> str:
    return shortened(" ".join(str(error).split()), _LONGEST) or type(error).__name__
