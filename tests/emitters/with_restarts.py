"""An application that goes on and on until its stdin ends, and then says how much it has done."""

import sys
import threading

from tests.emitters.exporting import exporting

PAUSE_S = 0.005

if __name__ == "__main__":
    is_over = threading.Event()

    def watch() -> None:
        sys.stdin.read()
        is_over.set()

    threading.Thread(target=watch, daemon=True).start()
    count = 0
    with exporting() as tracers:
        tracer = tracers.get_tracer("shop")
        while not is_over.wait(PAUSE_S):
            tracer.start_span(str(count), attributes={"gen_ai.operation.name": "chat"}).end()
            count += 1
        # An exporter that is shut down no longer tries again.
        tracers.force_flush(60_000)
    sys.stdout.write(f"{count}\n")
