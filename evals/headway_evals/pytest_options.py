"""How pytest's models are asked: the options of ``headway eval run``, from flags and ini.

    pytest --headway-concurrency 64 --headway-no-cache

    [pytest]
    headway_retries = 2

A flag comes before what a marker says, and that before the ini. Answers are kept where those of
``headway eval run`` are, so that a second run asks for nothing that the first was answered.
"""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headway.records import DEFAULT_URL
from headway.settings import Sources, parse_bytes
from headway_evals.caching import DEFAULT_CACHE_FOLDER, DEFAULT_LIMIT_BYTES, AnswerCache
from headway_evals.errors import EvalError
from headway_evals.models.cache_keys import cache_key_of
from headway_evals.models.requests import Model
from headway_evals.models.specs import ModelOptions
from headway_measures.scores import shown


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where answers are kept between runs.

    Args:
        folder: of all models' answers.
        limit_bytes: the most that they may take.
        is_refreshed: whether earlier ones are passed over.
    """

    folder: Path
    limit_bytes: int
    is_refreshed: bool

    @contextmanager
    def cache(self, model: Model, on_fault: Callable[[str], None]) -> Iterator[AnswerCache | None]:
        """Lend the model's cache; None for a model whose answers cannot be kept."""
        key = cache_key_of(model)
        if key is None:
            yield None
            return
        with AnswerCache(
            self.folder,
            key,
            limit_bytes=self.limit_bytes,
            is_refreshed=self.is_refreshed,
            on_fault=on_fault,
        ) as cache:
            yield cache


def read_keeping(config: pytest.Config, sources: Sources) -> Keeping | None:
    """Return where answers are kept, or None where they are not to be.

    Raises:
        EvalError: an option has a value that it cannot have.
        SettingsError: a setting does.
    """
    if _is_set(config, "no_cache"):
        return None
    return Keeping(
        config.rootpath / sources.get("evals.cache_dir", None, DEFAULT_CACHE_FOLDER),
        sources.get("evals.cache_bytes", None, DEFAULT_LIMIT_BYTES, parse_bytes),
        _is_set(config, "refresh"),
    )


def read_options(
    config: pytest.Config, sources: Sources, folder: Path, *, device: str | None, dtype: str | None
) -> ModelOptions:
    """Return what models' specs do not say.

    Args:
        config: pytest's.
        sources: Headway's own settings.
        folder: where relative paths start.
        device: the marker's.
        dtype: the marker's.

    Raises:
        EvalError: an option has a value that it cannot have.
    """
    given: dict[str, Any] = {
        "device": _flag(config, "device") or device or _ini(config, "device"),
        "dtype": _flag(config, "dtype") or dtype or _ini(config, "dtype"),
        "batch_tokens": _count(config, "batch_tokens", least=1),
        "self_check": _count(config, "self_check", least=0),
        "cache_functions": _is_set(config, "cache_functions"),
        "concurrency": _count(config, "concurrency", least=1),
        "retries": _count(config, "retries", least=0),
        "rate": _flag(config, "rate") or _ini(config, "rate"),
        "timeout_s": _count(config, "timeout", least=1),
    }
    plain = ModelOptions(
        folder=folder,
        url=sources.get("url", None, DEFAULT_URL),
        api_key=sources.get("api_key", None, "") or None,
        project=sources.get("project", None, "") or None,
    )
    return dataclasses.replace(plain, **{k: each for k, each in given.items() if each is not None})


def _flag(config: pytest.Config, name: str) -> str | None:
    found: str | None = config.getoption(f"headway_{name}")
    return found


def _ini(config: pytest.Config, name: str) -> str | None:
    return str(config.getini(f"headway_{name}")).strip() or None


def _is_set(config: pytest.Config, name: str) -> bool:
    found: bool = config.getoption(f"headway_{name}") or config.getini(f"headway_{name}")
    return found


def _count(config: pytest.Config, name: str, *, least: int) -> int | None:
    text = _flag(config, name) or _ini(config, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise EvalError(f"headway_{name} is {shown(text)}: give a count of {least} or more")
    return int(text)
