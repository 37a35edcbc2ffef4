"""A real celery worker with two prefork children, which are replaced, killed and stopped."""

import signal

from tests.e2e.process_models.worlds import World, finish, wait_until

TASKS = 9


def test_a_celery_worker_loses_nothing_of_children_that_come_and_go(world: World) -> None:
    (world.folder / "queue").mkdir()
    command = "-m celery -A tests.e2e.process_models.celery_app worker --loglevel CRITICAL"
    command += " --concurrency 2 --max-tasks-per-child 3 --without-gossip --without-mingle"
    with world.start(*command.split(), "--without-heartbeat") as worker:
        try:
            wait_until(lambda: len(world.noted()) == 2 * TASKS)
            # Warm: what runs is done first.
            worker.send_signal(signal.SIGTERM)
            done = finish(worker)
        finally:
            worker.kill()

    assert done.returncode == 0, done.stderr
    world.assert_stored_once(2 * TASKS)
