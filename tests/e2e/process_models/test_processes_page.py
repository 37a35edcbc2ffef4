"""The code on docs/processes.md sends what it says it sends, in processes that skip ``atexit``."""

import re
from pathlib import Path

import pytest

from tests.e2e.process_models.worlds import World

PAGE = Path(__file__).parents[3] / "docs" / "processes.md"
BEGINNING = """
import os
from tests.e2e.process_models.ledgers import call, note
"""
USES = {
    "sigterm": "call(); os.kill(os.getpid(), signal.SIGTERM)",
    "uvicorn": """
from starlette.testclient import TestClient
with TestClient(app):
    call()
os._exit(0)
""",
    "celery": "call(); worker_process_shutdown.send(sender=None); os._exit(0)",
    # The question itself notes the call in which it is answered.
    "lambda": """
class Question(str):
    def upper(self):
        note(headway.current_span().span_id)
        return super().upper()
assert handler({"question": Question("where?")}, None) == "WHERE?"
os._exit(0)
""",
}


@pytest.mark.parametrize("name", USES)
def test_an_example_of_the_page_leaves_nothing_behind(world: World, name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(rf"<!-- test: {name} -->\n```python\n(.*?)```", text, re.DOTALL)
    done = world.run("-c", BEGINNING + code + USES[name])

    assert done.returncode == 0, done.stderr
    world.assert_stored_once(1)
