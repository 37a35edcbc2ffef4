"""DuckDB's exceptions in our words: what is down for a while, and why a file does not open."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from headway_collector.errors import StoreUnavailableError

# What time or an operator can mend; everything else is the fault of what was asked.
_OUTAGES = (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.FatalException)
# What is said while the file is detached, and while somebody still has hold of the one before.
_REOPENED = ('schema "store" does not exist', "Unique file handle conflict")
_LOCK_HOLDER = re.compile(r"Conflicting lock is held in (.*? \(PID \d+\))")


@contextmanager
def translated() -> Iterator[None]:
    """Say what DuckDB could not do for want of room, or of the file, in our words."""
    try:
        yield
    except _OUTAGES as error:
        raise StoreUnavailableError(f"the database is down: {first_line(error)}") from error
    except duckdb.TransactionException as error:
        raise StoreUnavailableError(f"the commit failed: {first_line(error)}") from error
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        if not any(sign in str(error) for sign in _REOPENED):
            raise
        raise StoreUnavailableError("the database is being reopened: try again") from error


def explain_opening(path: str, error: duckdb.Error) -> str:
    """Return why a database does not open, and what can be done."""
    text = str(error)
    if is_in_use(error):
        holder = _LOCK_HOLDER.search(text)
        who = holder[1] if holder else "this process"
        return f"{path} is in use by {who}: stop that one, or choose another file with --db"
    if os.path.isdir(path):
        return f"{path} is a folder: name a file with --db, for example {path}/headway.duckdb"
    if "not a valid DuckDB database file" in text:
        return f"{path} is not a DuckDB database: choose another file with --db"
    if "Cannot open file" in text:
        reason = text.rsplit(": ", 1)[-1]
        return f"{path} cannot be opened ({reason}): is its folder there, and yours to write to?"
    return f"{path} cannot be opened: {first_line(error)}"


def is_in_use(error: duckdb.Error) -> bool:
    """Return whether somebody else has the file open."""
    text = str(error)
    return _LOCK_HOLDER.search(text) is not None or "already attached" in text


def is_given_up(error: BaseException) -> bool:
    """Return whether DuckDB does nothing more with the database until it is opened again."""
    return "has been invalidated" in str(error)


def first_line(error: duckdb.Error) -> str:
    """Return what is wrong, without the traces that DuckDB writes behind it."""
    return str(error).partition("\n")[0]


def quote(text: str) -> str:
    """Return a text as a literal, for statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"
