"""Who takes part in a sweep: the specs of its candidates and of its baseline, from arguments."""

import argparse
import re
from pathlib import Path

from headway_evals.errors import RunError
from headway_evals.models.folders import ADAPTER_CONFIG

_DIGITS = re.compile(r"(\d+)")


def candidates_of(arguments: argparse.Namespace) -> list[str]:
    """Return the specs of all candidates, each once: adapters on the base, then other models.

    Raises:
        RunError: there is none, or adapters have no base.
    """
    adapters = [*arguments.adapter, *_adapters_in(arguments.adapters)]
    if adapters and not arguments.base:
        raise RunError("--adapter and --adapters need --base, the model that they are merged into")
    specs = [with_adapter(arguments.base, each) for each in adapters]
    specs = list(dict.fromkeys([*specs, *arguments.model]))
    if not specs:
        raise RunError(
            "there is no candidate: give --base with --adapter or --adapters, or --model"
        )
    return specs


def baseline_of(arguments: argparse.Namespace) -> str:
    """Return what candidates are compared with: as it was given, or the base without an adapter.

    Raises:
        RunError: there is neither.
    """
    if arguments.baseline:
        return str(arguments.baseline)
    if not arguments.base:
        raise RunError("--model needs --baseline, a model or an earlier run to compare with")
    return _spec(arguments.base)


def with_adapter(base: str, adapter: str) -> str:
    """Return the spec of an adapter on a base, which may have options behind a question mark."""
    model, mark, options = _spec(base).partition("?")
    return f"{model}+{adapter}{mark}{options}"


def _spec(base: str) -> str:
    return base if base.startswith(("hf:", "vllm:")) else f"hf:{base}"


def _adapters_in(folder: str | None) -> list[str]:
    """Return the adapters in a folder, ``step-9`` before ``step-10``.

    Raises:
        RunError: it holds none.
    """
    if folder is None:
        return []
    found = [path.parent for path in Path(folder).glob(f"*/{ADAPTER_CONFIG}")]
    if not found:
        raise RunError(f"{folder} holds no adapter: no folder in it has an {ADAPTER_CONFIG}")

    def by_number(path: Path) -> list[tuple[bool, int, str]]:
        parts = _DIGITS.split(path.name)
        return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]

    return [str(path) for path in sorted(found, key=by_number)]
