"""``langchain_handler``: for programs that name their callbacks themselves.

chain.invoke(question, config={"callbacks": [headway.langchain_handler()]})

``headway.instrument("langchain")`` adds one to all runs.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.callbacks.base import BaseCallbackHandler


def langchain_handler() -> "BaseCallbackHandler":
    """Return a handler for LangChain that records the runs it is passed to, and those inside.

    Raises:
        ImportError: there is no ``langchain-core``.
    """
    from headway.instruments.langchain_calls import make_handler

    return make_handler()
