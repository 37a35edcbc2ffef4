import os
import random
import re
import threading

from headway.identities import Identities

START_NS = 1_763_800_000_123_456_789


def test_a_trace_id_is_a_uuid_of_version_7_that_carries_its_time() -> None:
    trace_id = Identities().trace_id(START_NS)

    assert re.fullmatch(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}", trace_id)
    assert int(trace_id[:12], 16) == START_NS // 1_000_000


def test_a_time_before_1970_still_gives_a_trace_id() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", Identities().trace_id(-1))


def test_ids_do_not_repeat_over_many_draws_and_threads() -> None:
    identities = Identities()
    drawn: list[str] = []

    def draw() -> None:
        drawn.extend([identities.span_id() for _ in range(5000)])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(drawn)) == 20_000
    assert all(re.fullmatch(r"[0-9a-f]{16}", each) for each in drawn)
    assert re.fullmatch(r"[0-9a-f]{32}", identities.score_id())


def test_ids_come_from_the_given_random_bytes() -> None:
    identities = Identities(random_bytes=random.Random(1).randbytes)
    again = Identities(random_bytes=random.Random(1).randbytes)

    assert identities.span_id() == again.span_id()
    assert identities.trace_id(START_NS) == again.trace_id(START_NS)


def test_seeding_the_programs_own_generator_does_not_repeat_ids() -> None:
    random.seed(7)
    first = Identities().span_id()
    random.seed(7)

    assert Identities().span_id() != first


def test_ids_of_a_forked_child_differ_from_its_parents() -> None:
    identities = Identities()
    reading, writing = os.pipe()
    identities.span_id()

    child = os.fork()
    if child == 0:
        identities.forget()
        os.write(writing, identities.span_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        from_child = pipe.read()

    assert len(from_child) == 16
    assert from_child != identities.span_id()
