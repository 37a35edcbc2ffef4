"""``headway backup`` and ``headway restore``: the database as one file, and back again."""

import argparse
import base64
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import urllib3

from headway._version import __version__
from headway.commands import Command
from headway.errors import ApiError, CommandError, UnreachableError
from headway.records import DEFAULT_URL
from headway.settings import load_sources
from headway.transports import bearer
from headway_collector.retention_command import show_rule

if TYPE_CHECKING:
    from headway_collector.restoring import Restored

_CHUNK_BYTES = 1024 * 1024
# The copy is made before the first byte is sent: ten seconds for a million calls, and a rewrite
# that is under way comes first.
_TIMEOUT = urllib3.Timeout(connect=5.0, read=3600.0)
_DIGEST_HEADER = "Repr-Digest"


def fetch_backup(
    url: str,
    path: Path,
    *,
    api_key: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write a backup of the collector's database to a file; return its size in bytes.

    The file appears once its size and SHA-256 are what the collector said; until then a file of
    that name stays as it is.

    Args:
        url: the collector's address.
        path: the file.
        api_key: of the scope admin, for all projects, where the collector asks for keys.
        on_progress: told how many bytes of how many are here.

    Raises:
        ApiError: the collector refused or cannot be reached.
        CommandError: the file cannot be written, or what arrived is not what was sent.
    """
    part = path.with_name(f"{path.name}.part")
    headers = {"User-Agent": f"headway/{__version__}"}
    if api_key:
        headers["Authorization"] = bearer(api_key)
    with urllib3.PoolManager(headers=headers, retries=False, timeout=_TIMEOUT) as pool:
        try:
            response = pool.request("GET", f"{url.rstrip('/')}/v1/backup", preload_content=False)
            if response.status != 200:
                raise _refuse(response)
            size = _receive(response, part, on_progress)
            os.replace(part, path)
            _sync_folder(path.parent)
        except urllib3.exceptions.ProtocolError as error:
            raise CommandError(f"the backup broke off: {error}; nothing was written") from error
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(
                f"no collector answers at {url}: start one with `headway up`, or set HEADWAY_URL"
            ) from error
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error}") from error
        finally:
            part.unlink(missing_ok=True)
    return size


def _receive(
    response: urllib3.BaseHTTPResponse, part: Path, on_progress: Callable[[int, int], None]
) -> int:
    total = int(response.headers.get("Content-Length", 0))
    digest, size = hashlib.sha256(), 0
    # It holds everything that was logged, so nobody else may read it.
    number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(number, "wb") as file:
        for chunk in response.stream(_CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            on_progress(size, total)
        file.flush()
        os.fsync(number)
    found = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    said = response.headers.get(_DIGEST_HEADER)
    if size != total or found != said:
        raise CommandError(
            f"{size} bytes arrived with {found}, and the collector sent {total} with {said}: "
            "nothing was written, try again"
        )
    return size


def _refuse(response: urllib3.BaseHTTPResponse) -> ApiError:
    try:
        answer = msgspec.json.decode(response.data)
        message, code = str(answer["message"]), str(answer.get("code", ""))
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        message, code = f"HTTP {response.status}", ""
    return ApiError(f"GET /v1/backup: {message}", status=response.status, code=code)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _configure_backup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="where the backup is written")
    parser.add_argument(
        "--overwrite", action="store_true", help="a file of that name, once the backup is whole"
    )
    parser.add_argument("--url", help=f"the collector (default {DEFAULT_URL})")


def _run_backup(arguments: argparse.Namespace) -> int:
    # Here and not above: `headway --help` must be quick, and work without the collector's extra.
    from rich.console import Console
    from rich.progress import Progress

    if arguments.file.exists() and not arguments.overwrite:
        raise CommandError(f"{arguments.file} is there already: add --overwrite to replace it")
    sources = load_sources()
    url = sources.get("url", arguments.url, DEFAULT_URL)
    if not url.startswith(("http://", "https://")):
        raise CommandError(f"the collector's URL is {url!r}: give one such as {DEFAULT_URL}")
    with Progress(
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task("copying", total=None)
        size = fetch_backup(
            url,
            arguments.file,
            api_key=sources.get("api_key", None, "") or None,
            on_progress=lambda done, total: progress.update(
                task, description="receiving", completed=done, total=total
            ),
        )
    sys.stdout.write(f"{arguments.file}: {size:,} bytes\n")
    return 0


def _configure_restore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("backup", type=Path, help="as `headway backup` wrote it")
    parser.add_argument(
        "--db", metavar="PATH", type=Path, required=True, help="the database that it replaces"
    )
    parser.add_argument(
        "--discard",
        action="store_true",
        help="remove the database that is there, instead of keeping it as PATH.before",
    )


def _run_restore(arguments: argparse.Namespace) -> int:
    # Here and not above, as for a backup.
    from headway_collector.restoring import restore

    restored = restore(arguments.backup, arguments.db, is_discarding=arguments.discard)
    sys.stdout.write(_describe_restored(restored, arguments.backup, arguments.db))
    return 0


def _describe_restored(restored: "Restored", backup: Path, path: Path) -> str:
    carried = restored.carried
    first = [f"{path} is what {backup} was"]
    if carried.tombstones:
        first.append(f"{carried.tombstones} tombstones of erasures since were kept")
    if restored.erased:
        first.append(f"{restored.erased} users, sessions or traces were erased once more")
    if carried.actions:
        first.append(f"{carried.actions} rows of the audit since were kept")
    if restored.kept is not None:
        first.append(f"the database that was there is {restored.kept}")
    rules = [
        *(f"kept, as it was set since: {show_rule(asdict(rule))}" for rule in carried.kept_rules),
        *(f"removed, as it was since: {show_rule(asdict(r))}" for r in carried.removed_rules),
    ]
    lines = ["; ".join(first), *(f"  rule of retention {rule}" for rule in rules)]
    if rules:
        lines.append("  the next night goes by these: see them with `headway retention list`")
    return "\n".join(lines) + "\n"


BACKUP = Command(
    name="backup",
    summary="Write a backup of the running collector's database.",
    extra="collector",
    configure=_configure_backup,
    run=_run_backup,
)
RESTORE = Command(
    name="restore",
    summary="Put a backup in the place of a database.",
    extra="collector",
    configure=_configure_restore,
    run=_run_restore,
)
