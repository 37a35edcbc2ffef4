"""A collector, a fake OpenAI, and programs of an environment of their own that talk to both."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import CollectorProcess, clean_environment
from tests.emitters.fake_openai import fake_openai

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv" / "emitters"

Emit = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def interpreter() -> Path:
    """The Python that has the emitters' packages."""
    if not (ENVIRONMENT / ".installed").exists():
        pytest.skip("the emitters' packages are not installed: run `make emitters`")
    return ENVIRONMENT / "bin" / "python"


@pytest.fixture(scope="session")
def emitters_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One collector for all programs; each has a project of its own."""
    with CollectorProcess(tmp_path_factory.mktemp("emitters") / "headway.duckdb") as process:
        yield process


@pytest.fixture(scope="session")
def openai_url() -> Iterator[str]:
    with fake_openai() as url:
        yield url


@pytest.fixture
def emit(interpreter: Path, emitters_collector: CollectorProcess, openai_url: str) -> Emit:
    """Run a program to its end, and return what the collector holds of it, by start."""

    def run(program: str, project: str, **environment: str) -> list[dict[str, Any]]:
        url = emitters_collector.url
        subprocess.run(
            [interpreter, "-m", f"tests.emitters.{program}"],
            cwd=ROOT,
            env=clean_environment(
                OPENAI_BASE_URL=openai_url,
                OPENAI_API_KEY="none",
                OTEL_EXPORTER_OTLP_ENDPOINT=url,
                OTEL_SERVICE_NAME=project,
                LANGFUSE_BASE_URL=url,
                LANGFUSE_OTEL_TRACES_EXPORT_PATH="v1/traces",
                LANGFUSE_PUBLIC_KEY="pk-lf-none",
                LANGFUSE_SECRET_KEY="sk-lf-none",
                **environment,
            ),
            check=True,
            timeout=120,
        )
        params = {"project": project, "content": "full", "order": "asc"}
        spans: list[dict[str, Any]] = emitters_collector.api.get("/v1/spans", params)["spans"]
        return spans

    return run
