"""Children of multiprocessing, however they are started and ended, and pools of them."""

from tests.e2e.process_models.worlds import World, finish

METHODS = ("fork", "spawn", "forkserver")


def test_children_that_live_for_a_moment_lose_nothing(world: World) -> None:
    programs = [world.start("pools.py", "processes", method) for method in METHODS]
    programs.append(world.start("pools.py", "calling_processes", "fork"))
    ends = [finish(program) for program in programs]

    assert [(end.returncode, end.stderr) for end in ends] == [(0, "")] * 4
    # Nobody has to come and adopt: also where the parent itself logs nothing.
    world.assert_stored_once(3 * 2 + 4)


def test_pools_whose_workers_are_killed_and_replaced_lose_nothing(world: World) -> None:
    programs = [world.start("pools.py", "pool", method) for method in METHODS]
    ends = [finish(program) for program in programs]

    assert [(end.returncode, end.stderr) for end in ends] == [(0, "")] * 3
    world.adopt()  # one of the three may have been the last that looked
    world.assert_stored_once(3 * 9)


def test_work_in_a_pool_belongs_to_the_span_that_handed_it_over(world: World) -> None:
    programs = [world.start("pools.py", "executor", method) for method in METHODS]
    ends = [finish(program) for program in programs]
    spans = world.stored()
    parents = {span["span_id"]: span["trace_id"] for span in spans if span["name"] == "open"}
    heirs = [(s["parent_span_id"], s["trace_id"]) for s in spans if s["name"].startswith("work")]

    assert [(end.returncode, end.stderr) for end in ends] == [(0, "")] * 3
    world.assert_stored_once(3 * 5)
    assert sorted(heirs) == sorted(4 * list(parents.items()))
    assert {span["user_id"] for span in spans} == {"u1"}
