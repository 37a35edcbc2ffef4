"""The dashboard's entry: the pages, the sidebar, and what to show when the collector is away.

Streamlit runs this file from the top for every interaction. Pages are scripts under ``views/``;
a new one is one more ``st.Page`` in its section here.
"""

import streamlit as st

from headway.errors import ApiError, UnreachableError
from headway_ui import empty_states, links, queries, sidebars

st.set_page_config(page_title="Headway", page_icon=":material/conversion_path:", layout="wide")

page = st.navigation(
    {
        "Live traffic": [
            st.Page(links.OVERVIEW, title="Overview", icon=":material/monitoring:", default=True),
            st.Page(
                links.TRACES, title="Traces", icon=":material/account_tree:", url_path="traces"
            ),
            st.Page(links.TRACE, title="Trace", url_path="trace", visibility="hidden"),
        ],
        "Models": [
            st.Page(links.EVALS, title="Evals", icon=":material/balance:", url_path="evals"),
        ],
    }
)
st.logo(":material/conversion_path:", size="large")

try:
    sidebars.draw(queries.health(), queries.projects())
    page.run()
except UnreachableError as error:
    empty_states.no_collector(queries.address().url, str(error))
except ApiError as error:
    empty_states.refused(str(error))
