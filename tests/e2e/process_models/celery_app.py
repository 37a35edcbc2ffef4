"""A celery application whose tasks log, and the sixth kills its process; the worker sends them."""

import os
import signal
from pathlib import Path

from celery import Celery
from celery.signals import worker_process_shutdown, worker_ready

import headway
from tests.e2e.process_models.ledgers import call

TASKS = 9
FOLDER = Path(os.environ["LEDGER"]).parent

app = Celery("matrix", broker="filesystem://")
app.conf.update(
    broker_transport_options={
        "data_folder_in": str(FOLDER / "queue"),
        "data_folder_out": str(FOLDER / "queue"),
        "control_folder": str(FOLDER / "control"),
        "polling_interval": 0.05,
    },
    task_ignore_result=True,
    worker_lost_wait=0.1,
    worker_prefetch_multiplier=0,
)


@app.task
def work(number: int) -> None:
    call(f"work {number}")
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)


@worker_ready.connect
def send(**_: object) -> None:
    """Send the tasks, from the process whose children do them."""
    for number in range(TASKS):
        work.delay(number)
        call("send")


@worker_process_shutdown.connect
def see_off(**_: object) -> None:
    headway.flush(timeout_s=20)
