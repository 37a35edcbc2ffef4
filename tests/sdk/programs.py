"""Small programs in processes of their own, for what can only be seen from outside."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

TIMEOUT_S = 30.0


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Return this environment with no Headway settings but those given."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HEADWAY_")}
    return {**kept, "HEADWAY_JOURNAL_DIR": str(folder / "journal"), **settings}


def run(code: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` to its end in ``folder``."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        cwd=folder,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
