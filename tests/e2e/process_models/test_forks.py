"""``os.fork``: the child logs, the parent goes on, and neither has what is the other's."""

from tests.e2e.process_models.gates import Gate
from tests.e2e.process_models.worlds import DEADLINE_S, World, finish, hear, say


def test_children_of_every_sort_and_their_parent_lose_nothing(world: World) -> None:
    done = world.run("forks.py", "families")

    assert (done.returncode, done.stderr) == (0, "")
    world.assert_stored_once(10)


def test_a_fork_in_a_thread_while_others_log_loses_nothing(world: World) -> None:
    done = world.run("forks.py", "in_a_thread")

    assert (done.returncode, done.stderr) == (0, "")
    world.assert_stored_once(len(world.noted()))
    names = [span["name"] for span in world.stored()]
    assert (names.count("flushed"), names.count("left")) == (3, 3)


def test_what_a_child_logs_belongs_to_the_span_that_was_open_at_the_fork(world: World) -> None:
    done = world.run("forks.py", "in_a_span")
    spans = {span["name"]: span for span in world.stored()}

    assert (done.returncode, done.stderr) == (0, "")
    world.assert_stored_once(3)
    parent = spans["open"]
    for name in ("inside", "inside, too"):
        assert spans[name]["parent_span_id"] == parent["span_id"]
        assert spans[name]["trace_id"] == parent["trace_id"]
        assert spans[name]["session_id"] == "s1"


def test_what_was_open_at_the_fork_is_the_parents_to_record(world: World) -> None:
    done = world.run("forks.py", "out_of_spans")
    spans = {span["name"]: span for span in world.stored()}

    assert (done.returncode, done.stderr) == (0, "")
    assert {span["status"] for span in spans.values()} == {"ok"}
    # The call of ``innermost`` is one that nobody looked at, and so noted nothing.
    assert set(spans) == {"outer", "between", "inner", "innermost", "open", "child", "closed"}
    assert len(world.stored()) == 7
    assert set(world.noted()) == {s["span_id"] for s in world.stored() if s["name"] != "innermost"}
    assert spans["child"]["parent_span_id"] == spans["open"]["span_id"]


def test_a_fork_in_the_middle_of_a_batch_sends_it_once(world: World) -> None:
    with Gate(world.collector.port) as gate:
        program = world.start("forks.py", "in_a_batch", HEADWAY_URL=gate.url)
        with program:
            hear(program, "sending")
            assert gate.has_request.wait(DEADLINE_S)
            say(program, "fork")
            hear(program, "forked")
            gate.open()
            done = finish(program)

    assert (done.returncode, done.stderr) == (0, "")
    world.assert_stored_once(200 + 50 + 1 + 1)


def test_a_parent_sends_what_a_killed_child_left(world: World) -> None:
    done = world.run("forks.py", "killed")

    assert (done.returncode, done.stderr) == (0, "")
    world.assert_stored_once(101)
