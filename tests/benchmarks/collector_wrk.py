"""wrk as the source of the load: it shares no event loop with us and leaves the cores to them."""

import itertools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.benchmarks.collector_requests import RUN_SLOTS, Template, save_templates

SCRIPT = Path(__file__).with_name("collector_load.lua")
# wrk leaves out of its percentiles what took longer.
_TIMEOUT_S = 30

_runs = itertools.count()


class Load(msgspec.Struct, frozen=True):
    """What wrk saw: answers, those among them that were a no, broken connections, latencies."""

    requests: int
    refused: int
    broken: int
    took_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float

    @property
    def acknowledged(self) -> int:
        """How many requests were answered with a yes."""
        return self.requests - self.refused

    @property
    def per_s(self) -> float:
        """How many of those a second."""
        return self.acknowledged / self.took_s


def is_here() -> bool:
    """Return whether wrk is installed."""
    return shutil.which("wrk") is not None


def run_wrk(
    url: str,
    templates: Sequence[Template],
    folder: Path,
    *,
    connections: int,
    seconds: int,
    pause_ms: int = 0,
) -> Load:
    """Send the templates in turn, with ids that no run before has used.

    Args:
        folder: where the templates are laid down for wrk.
        pause_ms: how long a connection rests before each request, on average.
    """
    save_templates(templates, folder)
    first = 1 + next(_runs) * RUN_SLOTS
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={_TIMEOUT_S}s"]
    command += ["-s", str(SCRIPT), url, "--", str(folder), str(first), str(pause_ms)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    _, found, figures = done.stdout.partition("FIGURES ")
    if not found:
        raise RuntimeError(f"{command} said: {done.stdout}{done.stderr}")
    return msgspec.json.decode(figures, type=Load)
