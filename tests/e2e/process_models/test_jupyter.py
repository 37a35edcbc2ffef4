"""A real IPython kernel: cells, a running event loop, a restart that kills it."""

from collections.abc import Iterator

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.e2e.process_models.worlds import DEADLINE_S, World

OBSERVED = """
import asyncio
import headway
from tests.e2e.process_models.ledgers import call, note

@headway.observe
async def ask(number):
    note(headway.current_span().span_id)
    await asyncio.sleep(0)
    return number
"""
AWAITING = """
assert await ask(0) == 0
assert await asyncio.gather(*(ask(number) for number in range(1, 4))) == [1, 2, 3]
assert headway.flush(20)
assert await asyncio.to_thread(headway.flush, 20)
"""


class Notebook:
    """Runs cells in a kernel of its own."""

    def __init__(self, world: World) -> None:
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(env=world.environment(), cwd=str(world.folder))
        self._client = self._connected()

    def run(self, cell: str) -> None:
        answer = self._client.execute_interactive(
            cell, timeout=DEADLINE_S, output_hook=lambda message: None
        )
        content = answer["content"]
        assert content["status"] == "ok", "\n".join(content["traceback"])

    def restart(self) -> None:
        """Kill the kernel, and start another."""
        self._client.stop_channels()
        self._manager.restart_kernel(now=True)
        self._client = self._connected()

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel()

    def _connected(self) -> BlockingKernelClient:
        client = self._manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=DEADLINE_S)
        return client


@pytest.fixture
def notebook(world: World) -> Iterator[Notebook]:
    notebook = Notebook(world)
    yield notebook
    notebook.close()


def test_a_notebook_loses_nothing_when_its_kernel_is_restarted(
    world: World, notebook: Notebook
) -> None:
    notebook.run(OBSERVED)
    notebook.run("call('in a cell'); await ask(0)")
    notebook.run(AWAITING)
    world.assert_stored_once(6)
    notebook.run("for number in range(50): call('in haste')")
    notebook.restart()
    notebook.run(OBSERVED)
    notebook.run("call('after'); assert headway.flush(20)")

    world.assert_stored_once(57)
    names = [span["name"] for span in world.stored()]
    assert [names.count(name) for name in ("in haste", "after", "ask")] == [50, 1, 5]
