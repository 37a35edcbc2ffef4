"""The Drift page over a small collector that answers as it is told."""

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from headway_ui.commands import APP
from tests.ui.drift_answers import Collector, serving


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A small collector with answers of drift, which the page asks."""
    answers = Collector()
    with serving(answers) as url:
        monkeypatch.setenv("HEADWAY_URL", url)
        yield answers
    st.cache_data.clear()


@pytest.fixture
def open_page(collector: Collector) -> Callable[..., AppTest]:
    """Open the Drift page with what its address says."""

    def run(**query: str) -> AppTest:
        page = AppTest.from_file(str(APP), default_timeout=60).switch_page("views/drift.py")
        for name, value in {"project": "shop", **query}.items():
            page.query_params[name] = value
        return page.run()

    return run
