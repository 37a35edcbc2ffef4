"""A finished copy in the place of the database's file, so that a kill finds either file whole.

A log belongs to one file. Beside another one of the same name it would be replayed onto rows that
it knows nothing of, so neither file may have one when the names change.
"""

import os
import shutil
from pathlib import Path

from headway_collector.errors import StoreUnavailableError

_SUFFIX = ".rewrite"


def find_copy_path(path: Path) -> Path:
    """Return where the file's copy is made: on the same disk, so that a rename is enough."""
    return path.with_name(path.name + _SUFFIX)


def put_in_place(copy: Path, path: Path) -> None:
    """Let the copy, which is on the disk already, take the name of the file.

    Neither may be open anywhere: whoever closes a file drops all locks of its process on it.

    Raises:
        StoreUnavailableError: one of them has a log, or the disk refuses; nothing was changed.
    """
    for each in (path, copy):
        logs = list_logs(each)
        if logs:
            raise StoreUnavailableError(f"{logs[0]} is still there after a checkpoint")
    try:
        _copy_owner(path, copy)
        os.replace(copy, path)
        sync_path(path.parent)
    except OSError as error:
        raise StoreUnavailableError(f"{path} cannot be replaced by its copy: {error}") from error


def list_logs(path: Path) -> list[Path]:
    """Return the files in which DuckDB keeps what the database's file does not hold yet."""
    begin = f"{path.name}.wal"
    return sorted(each for each in path.parent.iterdir() if each.name.startswith(begin))


def remove_copy(path: Path) -> None:
    """Remove a copy that is not wanted, or was left by a process that was killed."""
    path.unlink(missing_ok=True)
    for each in list_logs(path):
        each.unlink(missing_ok=True)


def sync_path(path: Path) -> None:
    """Bring a file, or the names in a folder, onto the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _copy_owner(path: Path, copy: Path) -> None:
    found = path.stat()
    shutil.copymode(path, copy)
    if (found.st_uid, found.st_gid) != (copy.stat().st_uid, copy.stat().st_gid):
        os.chown(copy, found.st_uid, found.st_gid)
