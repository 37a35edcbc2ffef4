"""How pytest's models are asked: what is kept between runs, and the options of flags and ini."""

import pytest

from headway.settings import load_sources
from headway_evals.pytest_options import read_options
from tests.evals.served_models import Asked, Said, serve, upper
from tests.evals.suite_projects import COUNT, TEST, Project, lines_with

# By a spec, as a function of the test itself is another whenever the test is changed.
KEPT = 'model="python:kept_answers:candidate"'
ASKED, ASKED_TWICE = ["candidate 40"], ["candidate 80"]
CACHED = "--headway-cache-functions"


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    made = Project(pytester, mark=KEPT)
    source = (made.folder / "test_it.py").read_text()
    (made.folder / "kept_answers.py").write_text(source.partition("@pytest.mark")[0])
    return made


def served(pytester: pytest.Pytester, url: str) -> Project:
    test = TEST.replace("import pytest", "")
    return Project(pytester, mark=f'model="openai:m@{url}"', test=test)


def test_a_second_run_asks_for_nothing_that_the_first_was_answered(project: Project) -> None:
    first = project.run(CACHED)
    second = project.run(CACHED)

    assert project.asked() == ASKED
    first.assert_outcomes(passed=COUNT, skipped=1)
    second.assert_outcomes(passed=COUNT, skipped=1)
    assert lines_with(second, "were answered") == ["headway: 40 of 40 were answered earlier"]
    first.stdout.no_fnmatch_line("*were answered*")
    assert [path.name for path in (project.folder / ".headway").iterdir()] == ["cache"]


@pytest.mark.parametrize("option", ["--headway-no-cache", "--headway-refresh"])
def test_answers_are_asked_anew_where_that_is_wanted(project: Project, option: str) -> None:
    project.run(CACHED)
    project.run(CACHED, option)

    assert project.asked() == ASKED_TWICE


def test_the_ini_may_say_it_for_every_run(project: Project, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nheadway_cache_functions = true\nheadway_no_cache = true")
    project.run()

    assert project.asked() == ASKED
    assert not (project.folder / ".headway").exists()


def test_a_function_is_asked_each_time_where_nothing_says_otherwise(project: Project) -> None:
    project.run()
    project.run()

    assert project.asked() == ASKED_TWICE


def test_what_headways_settings_say_of_the_cache_holds_here(project: Project) -> None:
    (project.folder / "headway.toml").write_text('[evals]\ncache_dir = "elsewhere"\n')
    project.run(CACHED)

    assert len(list((project.folder / "elsewhere").glob("*.jsonl"))) == 1


def test_workers_share_what_is_kept(project: Project) -> None:
    project.run(CACHED, "-n", "2").assert_outcomes(passed=COUNT, skipped=1)
    project.run(CACHED, "-n", "2").assert_outcomes(passed=COUNT, skipped=1)

    assert project.asked() == ASKED


def test_a_cache_that_cannot_be_kept_costs_a_line_and_no_test(project: Project) -> None:
    (project.folder / ".headway").write_text("a file")

    result = project.run(CACHED)

    result.assert_outcomes(passed=COUNT, skipped=1)
    assert len(lines_with(result, "answers are no longer kept in")) == 1


@pytest.mark.parametrize(
    ("flags", "ini", "tries"),
    [([], "2", 3), (["--headway-retries", "1"], "2", 2), (["--headway-retries=0"], "", 1)],
)
def test_a_flag_comes_before_the_ini(
    pytester: pytest.Pytester, flags: list[str], ini: str, tries: int
) -> None:
    def refuse_one(asked: Asked) -> Said:
        if asked.text == "case-07":
            return Said({}, status=503, headers={"retry-after": "0"})
        return upper(asked)

    pytester.makeini(f"[pytest]\nheadway_retries = {ini}\nheadway_concurrency = 4")
    with serve(refuse_one) as server:
        project = served(pytester, server.url)
        result = project.run(*flags)

    result.assert_outcomes(passed=COUNT - 1, failed=1, skipped=1)
    assert sum(asked.text == "case-07" for asked in server.asked) == tries


@pytest.mark.parametrize(
    ("option", "fault"),
    [
        ("--headway-concurrency=0", "headway_concurrency is '0': give a count of 1 or more"),
        ("--headway-retries=-1", "headway_retries is '-1': give a count of 0 or more"),
        ("--headway-timeout=x", "headway_timeout is 'x': give a count of 1 or more"),
        ("--headway-rate=quick", "cannot be asked at that rate"),
    ],
)
def test_an_option_that_cannot_be_says_so_before_anything_is_asked(
    pytester: pytest.Pytester, option: str, fault: str
) -> None:
    project = served(pytester, "http://127.0.0.1:9")

    result = project.run(option)

    result.assert_outcomes(failed=1)
    assert any(fault in line for line in result.outlines)


@pytest.mark.parametrize(
    ("flags", "marker", "dtype"),
    [
        (["--headway-dtype", "bfloat16"], "float32", "bfloat16"),
        ([], "float32", "float32"),
        ([], None, "float16"),
    ],
)
def test_a_flag_comes_before_the_marker_and_that_before_the_ini(
    pytester: pytest.Pytester, flags: list[str], marker: str | None, dtype: str
) -> None:
    pytester.makeini("[pytest]\nheadway_dtype = float16\nheadway_batch_tokens = 512")
    config = pytester.parseconfig(*flags)

    options = read_options(
        config, load_sources(pytester.path), pytester.path, device="cpu", dtype=marker
    )

    assert (options.device, options.dtype, options.batch_tokens) == ("cpu", dtype, 512)
    # What nothing is said of stays as it is for `headway eval run`.
    assert (options.self_check, options.retries, options.timeout_s) == (4, 5, 300.0)
