"""The dashboard's entry: the pages, the sidebar, and what to show when the collector is away.

Streamlit runs this file from the top for every interaction. Pages are scripts under ``views/``;
a new one is one more ``st.Page`` in its section here.
"""

from pathlib import Path

import streamlit as st

from headway.errors import ApiError, UnreachableError
from headway_ui import empty_states, links, queries, sidebars

# A Material icon here would be fetched from Google; the file comes with the package.
LOGO, WORDMARK = (Path(__file__).with_name(name) for name in ("logo.svg", "wordmark.svg"))

st.set_page_config(page_title="Headway", page_icon=LOGO, layout="wide", initial_sidebar_state=310)

page = st.navigation(
    {
        "Live traffic": [
            st.Page(links.OVERVIEW, title="Overview", icon=":material/monitoring:", default=True),
            st.Page(links.TRACES, title="Traces", icon=":material/account_tree:"),
            st.Page(links.QUALITY, title="Quality", icon=":material/grade:"),
            st.Page(links.DRIFT, title="Drift", icon=":material/change_history:"),
        ],
        "Models": [
            st.Page(links.EVALS, title="Evals", icon=":material/balance:"),
        ],
    }
)
st.logo(WORDMARK, size="large", icon_image=LOGO)

links.restate()
try:
    sidebars.draw(queries.health(), queries.projects())
    page.run()
except UnreachableError as error:
    empty_states.no_collector(queries.address().url, str(error))
except ApiError as error:
    empty_states.refused(error)
