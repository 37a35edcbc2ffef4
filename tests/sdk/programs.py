"""Small programs in processes of their own, for what can only be seen from outside."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

TIMEOUT_S = 60.0


def start(code: str, folder: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """Start ``code`` as a program in ``folder``, with no Headway settings but those given."""
    program = folder / "program.py"
    program.write_text(textwrap.dedent(code))
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HEADWAY_")}
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(program), *arguments],
        cwd=folder,
        env={**kept, "HEADWAY_JOURNAL_DIR": str(folder / "journal"), **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    code: str, folder: Path, *arguments: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run ``code`` to its end."""
    with start(code, folder, *arguments, **settings) as process:
        try:
            out, error = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)
