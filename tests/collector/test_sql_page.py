"""docs/sql.md: every question on it is one that the collector answers."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from headway_collector.store.sql_views import VIEWS

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"<!-- test: sql -->\n```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("sql", QUESTIONS, ids=range(len(QUESTIONS)))
def test_every_question_on_the_page_is_answered(client: TestClient, sql: str) -> None:
    answer = client.post("/v1/sql", json={"sql": sql})

    assert answer.status_code == 200, answer.text


def test_every_view_is_on_the_page() -> None:
    assert {f"`{view}`" for view in VIEWS} <= set(re.findall(r"`\w+`", PAGE))
