"""How much larger than what is stored a question may make it, counted before it runs.

What DuckDB does not count as memory are the texts and lists that expressions make of a vector of
rows, 2,048 of them, and it looks whether it was interrupted only between two vectors. So a question
that makes much of each text may read only texts that are short enough for it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from headway_collector.errors import InvalidRequestError
from headway_collector.store.sql_arguments import (
    Node,
    check_like,
    check_regular,
    count_of,
    growth_of,
    has_any_in_path,
    length_of,
    pattern_of,
    show,
)
from headway_collector.store.sql_functions import (
    FILTERS,
    GATHERING,
    GROWING,
    JOINING,
    KNOWN,
    LARGEST,
    LIKES,
    PATHS,
    QUANTILES,
    REGULAR,
    REPLACING,
    SPLITTING,
    TEXTS,
)

MAX_TEXT_CHARS = 400_000
"""The most that all texts which a question makes of one may have together."""

_MAX_CALLS = 300
_MAX_GROWTH = 256
_MAX_REGULARS = 10


class Growth:
    """What the expressions of one question make of a text."""

    def __init__(self) -> None:
        self._calls = 0
        self._texts = 0
        self._times = 1.0
        self._regulars = 0
        self._outer_calls: set[int] = set()
        self._outer_names: set[str] = set()
        self._lambdas: set[int] = set()

    @property
    def weight(self) -> float:
        """How many times a text, counted with what is made of it."""
        return self._times * max(self._texts, 1)

    def allow_gathering(self, items: Iterable[Node]) -> None:
        """Let these, which are what comes out of the question, give all values of an aggregate."""
        for item in items:
            if item["class"] == "FUNCTION" and item["function_name"].lower() in GATHERING:
                self._outer_calls.add(id(item))
                self._outer_names.add(str(item["alias"] or item["function_name"]).lower())

    def check(self, is_recursive: bool) -> None:
        """Raise for what makes too much altogether."""
        if self.weight > _MAX_GROWTH:
            raise InvalidRequestError(
                f"{self._texts} expressions that make texts, lengthened up to {self._times:g} "
                "times, may take more memory than there is: join fewer of them"
            )
        if is_recursive and self._times > 2:
            raise InvalidRequestError(
                "a recursive query must not make texts or lists longer and longer: collect ids "
                "and join the texts outside"
            )

    def cast(self, node: Node) -> None:
        """Count a cast."""
        growth = growth_of(node["cast_type"])
        self._texts += growth > 0
        self._times *= max(growth, 1)

    def name(self, node: Node) -> None:
        """Raise for the name of what was gathered of all rows."""
        if len(node["column_names"]) == 1 and node["column_names"][0].lower() in self._outer_names:
            raise InvalidRequestError(
                f"{show(node['column_names'][0])} names what was gathered of all rows, and nothing "
                "can be made of that here: give it another name than a column has"
            )

    def arrow(self, node: Node) -> None:
        """Count ``json -> path``, which is written as a function of one value is."""
        if id(node) not in self._lambdas:
            self._path("->", node["expr"])
            self._texts += 1

    def window(self, node: Node) -> None:
        """Count a function over a window."""
        self._count(node)

    def call(self, node: Node) -> None:
        """Count the call of a function."""
        name, children = self._count(node), node["children"]
        if name in GATHERING and id(node) not in self._outer_calls:
            raise _gathered_inside(name)
        if name in REGULAR:
            self._regulars += 1
            if self._regulars > _MAX_REGULARS:
                raise InvalidRequestError(
                    f"sql has more than {_MAX_REGULARS} regular expressions: join them by |"
                )
            check_regular(name, pattern_of(name, children))
        elif name in LIKES:
            check_like(name, pattern_of(name, children))
        elif name in PATHS:
            for path in children[1:] or [None]:
                self._path(name, path)
        elif name in FILTERS:
            self._lambdas.update(map(id, children))
        self._texts += name in TEXTS
        self._times *= GROWING.get(name, 1)
        if name in JOINING:
            # Only what is no constant makes a row as long as another column is.
            grown = sum(child["class"] != "CONSTANT" for child in children)
            self._times *= max(JOINING[name] * grown, 1)
        elif name in REPLACING:
            self._times *= max(length_of(name, children), 1)

    @contextmanager
    def with_columns(self, columns: int, stars: list[bool]) -> Iterator[None]:
        """Count what the block counts once for each column that a star in it stands for.

        Args:
            columns: so many.
            stars: whether there was one, known at the end of the block.

        Raises:
            InvalidRequestError: texts of all columns are joined.
        """
        texts, times = self._texts, self._times
        yield
        if any(stars):
            self._texts += (self._texts - texts) * columns
            if self._times > times:
                raise InvalidRequestError(
                    "a star cannot stand in what makes texts longer: name the columns"
                )

    def _count(self, node: Node) -> str:
        name = check_function(node, KNOWN, "function")
        self._calls += 1
        if self._calls > _MAX_CALLS:
            raise InvalidRequestError(f"sql has more than {_MAX_CALLS} calls of functions")
        if name in GATHERING and node["class"] == "WINDOW":
            raise _gathered_inside(name)
        if name in LARGEST:
            self._times *= count_of(name, node["children"])
        elif name in QUANTILES:
            shares = node["children"][-1:]
            self._times *= max((len(share.get("children", ())) for share in shares), default=1) or 1
        return name

    def _path(self, name: str, path: Node | None) -> None:
        if has_any_in_path(name, path):
            self._times *= SPLITTING


def check_function(node: Node, allowed: Iterable[str], what: str) -> str:
    """Return the name of what is called.

    Raises:
        InvalidRequestError: it is not one of those that are allowed.
    """
    name = str(node["function_name"]).lower()
    is_qualified = node["catalog"] not in ("", "system") or node["schema"] not in ("", "main")
    if name not in allowed or is_qualified:
        raise InvalidRequestError(
            f"the {what} {show(name)} is not possible here: docs/sql.md says which kinds are, "
            "and what to write in place of others"
        )
    if node.get("export_state"):
        raise InvalidRequestError("EXPORT_STATE is not possible here")
    return name


def _gathered_inside(name: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{name} gives all values of a column, and can only be a column of the answer by itself: "
        "not in an expression, a window, WITH or a subquery, which could copy them for every row"
    )
