"""A process that writes batches, rewrites its file meanwhile, and kills itself at a stage of that.

It prints each batch that was acknowledged; ``python -m tests.collector.killed_rewriting DB STAGE``.
"""

import os
import signal
import sys
import threading

from headway.records import Span
from headway_collector.rewriting import Rewriter
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.connections import Store
from headway_collector.writing import Writer

NOW_NS = 1_763_800_000_000_000_000
BATCH_SPANS = 20
FIRST_BATCHES = 5


def make_batch(number: int) -> Batch:
    ids = range(number * BATCH_SPANS, (number + 1) * BATCH_SPANS)
    spans = [
        Span(
            trace_id=f"{each:032x}",
            span_id=f"{each:016x}",
            name="triage",
            kind="llm",
            start_ns=NOW_NS + each * 1000,
            end_ns=NOW_NS + each * 1000 + 5,
            user_id="gone" if each % 4 == 0 else "kept",
        )
        for each in ids
    ]
    return Batch("p", f"batch-{number}", spans, [Derived() for _ in spans])


def main(path: str, last_stage: str) -> None:
    store = Store(path)
    writer = Writer(store)
    writer.start()
    for number in range(FIRST_BATCHES):
        writer.append(make_batch(number)).result()
    writer.perform(
        lambda connection: connection.execute("DELETE FROM store.spans WHERE user_id = 'gone'")
    ).result()
    sys.stdout.write("deleted\n")
    sys.stdout.flush()

    def write() -> None:
        number = FIRST_BATCHES
        while True:
            writer.append(make_batch(number)).result()
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            number += 1

    def die(stage: str) -> None:
        if stage == last_stage:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=write, daemon=True).start()
    outcome = Rewriter(store, writer, on_stage=die).run("test")
    sys.stdout.write(f"survived: {outcome}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
