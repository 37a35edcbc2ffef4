"""A backup in the place of a database that nobody serves.

All is made ready in a file beside it and takes its name in one step, so that a kill leaves either
the old database or the new one.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from headway.errors import CommandError
from headway_collector.erasing import reapply_tombstones
from headway_collector.store.privacy import keep_private
from headway_collector.store.restores import (
    Carried,
    carry_over,
    check_backup,
    holding,
    sign_restore,
)
from headway_collector.store.swaps import list_logs, remove_copy, sync_path


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it.

    Args:
        carried: what the replaced database decided that the backup had not.
        erased: how many users, sessions and traces were erased once more.
        kept: where the replaced database is now, if there was one and it was not discarded.
    """

    carried: Carried
    erased: int
    kept: Path | None


def restore(
    backup: Path,
    path: Path,
    *,
    is_discarding: bool = False,
    clock_ns: Callable[[], int] = time.time_ns,
) -> Restored:
    """Put a copy of the backup in the place of a database.

    Args:
        backup: as `headway backup` made it; it is not touched.
        path: the database, which may be missing.
        is_discarding: whether the replaced database is removed instead of kept beside it.
        clock_ns: the time that stands in the audit.

    Raises:
        StoreError: the backup is none, or is damaged, or the database is in use.
        CommandError: a file cannot be written.
    """
    keep_private()
    path = Path(os.path.realpath(path.expanduser()))
    part, before = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.before")
    if not backup.is_file():
        raise CommandError(f"there is no file {backup}")
    if backup.resolve() in (path, part, before):
        raise CommandError(f"{backup} is the database itself: choose another file with --db")
    if list_logs(backup):
        raise CommandError(
            f"{list_logs(backup)[0]} lies beside {backup}, which was thus served or copied with cp:"
            " make the backup with `headway backup`"
        )
    check_backup(backup)
    with ExitStack() as stack:
        is_there = path.exists()
        try:
            held = stack.enter_context(holding(path)) if is_there else None
            remove_copy(part)
            stack.callback(remove_copy, part)
            shutil.copyfile(backup, part)
            os.chmod(part, path.stat().st_mode & 0o777 if is_there else 0o600)
            carried = Carried() if held is None else carry_over(held, part)
            erased = reapply_tombstones(part) if carried.tombstones else 0
            sign_restore(part, _tell(carried, erased), clock_ns())
            sync_path(part)
            kept = before if is_there and not is_discarding else None
            if kept is not None:
                kept.unlink(missing_ok=True)
                os.link(path, kept)
            os.replace(part, path)
            sync_path(path.parent)
        except OSError as error:
            raise CommandError(f"{path} cannot be restored: {error}") from error
    return Restored(carried, erased, kept)


def _tell(carried: Carried, erased: int) -> dict[str, int]:
    return {
        "tombstones": carried.tombstones,
        "erased": erased,
        "actions": carried.actions,
        "kept_rules": len(carried.kept_rules),
        "removed_rules": len(carried.removed_rules),
    }
