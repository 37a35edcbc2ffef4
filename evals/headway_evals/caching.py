"""Answers kept on disk by what they depend on, so that none is paid for twice.

A file a model, a line an answer, each written at once as it comes: what a killed process was
answered is there for the next one. Once a second and at the end it is synced to the disk, so that
a power cut costs a second's answers at most.

    .headway/cache/9f86d081884c7d65.jsonl
        5f1c2b0a 2c26b46b68ffc68f… {"text":"a refund","output_tokens":2,…}

The first word is a checksum of the rest of the line, the second the key. A line stands between
two ends of line, so that one that was cut short spoils no other. Of two with one key the last
holds.

Of several processes that want the same answer one asks for it, and the others take it from the
file as it comes.
"""

import errno
import os
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec

from headway_evals.claims import Claims
from headway_evals.models.cache_keys import request_key
from headway_evals.models.requests import Completion, Model, Request

DEFAULT_CACHE_FOLDER = ".headway/cache"
DEFAULT_LIMIT_BYTES = 1 << 30
_SUFFIX = ".jsonl"
_SYNC_EVERY_S = 1.0
_LOOK_EVERY_S = 0.2

OnAnswer = Callable[[int, Completion, bool], None]
"""Called with a request's index, its completion, and whether that was kept from earlier."""


class AnswerCache:
    """The kept answers of one model. A fault of the disk switches it off, and nothing else.

    Args:
        folder: of all models' answers.
        model: the model's key.
        limit_bytes: of the whole folder; the models longest out of use make room.
        is_refreshed: whether earlier answers are passed over.
        on_fault: called with a sentence when the cache is switched off.
        on_wait: called with a sentence when another process is waited for, once.
        sync: has the disk keep what a descriptor wrote, whatever happens to the machine.
        clock: seconds, from any start.
    """

    def __init__(
        self,
        folder: Path,
        model: str,
        *,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        is_refreshed: bool = False,
        on_fault: Callable[[str], None] = lambda reason: None,
        on_wait: Callable[[str], None] = lambda reason: None,
        sync: Callable[[int], None] = os.fsync,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self.path = folder / f"{model[:16]}{_SUFFIX}"
        self._limit_bytes = limit_bytes
        self._is_refreshed = is_refreshed
        self._on_fault = on_fault
        self._on_wait = on_wait
        self._sync = sync
        self._clock = clock
        self._descriptor: int | None = None
        self._synced_at = 0.0
        self._is_dirty = False
        self._room = 0
        self._is_off = False
        self._read_to = 0
        self._has_waited = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_on(self) -> bool:
        """Return whether answers are still kept."""
        return not self._is_off

    @property
    def is_shared(self) -> bool:
        """Return whether what other processes keep may stand for an answer."""
        return self.is_on and not self._is_refreshed

    def find(self, keys: Collection[str], *, only_new: bool = False) -> dict[str, Completion]:
        """Return those of the answers that are kept; damaged ones are not.

        Args:
            keys: of the answers.
            only_new: whether those are passed over that were there when this was asked last.
        """
        if not self.is_shared:
            return {}
        wanted = {key.encode(): key for key in keys}
        found: dict[str, bytes] = {}
        try:
            with self.path.open("rb") as file:
                place = file.seek(self._read_to if only_new else 0)
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # its other half is being written, or never was
                    place += len(line)
                    checksum, _, rest = line.rstrip(b"\n").partition(b" ")
                    key, _, content = rest.partition(b" ")
                    if key in wanted and checksum == _checksum(rest):
                        found[wanted[key]] = content
                self._read_to = place
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._switch_off(error)
            return {}
        with suppress(OSError):
            # The last time of use, for whoever makes room.
            os.utime(self.path)
        answers = {key: _decode(content) for key, content in found.items()}
        return {key: answer for key, answer in answers.items() if answer is not None}

    def say_waiting(self, count: int) -> None:
        """Tell once that another process is at so many of the answers."""
        if not self._has_waited:
            self._has_waited = True
            self._on_wait(f"another run is asking for {count:,} of these answers: waiting for it")

    def keep(self, key: str, completion: Completion) -> None:
        """Write an answer down; one that failed is not, for another time it may not."""
        if self._is_off or completion.text is None or completion.error is not None:
            return
        rest = key.encode() + b" " + msgspec.json.encode(completion)
        line = b"\n" + _checksum(rest) + b" " + rest + b"\n"
        try:
            descriptor = self._open()
            self._room -= len(line)
            if self._room < 0:
                self._room += _make_room(self.path, self._limit_bytes, -self._room)
            # Lines of several processes do not mix in append mode, each being one write.
            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._is_dirty = True
            if self._clock() - self._synced_at >= _SYNC_EVERY_S:
                self._sync_now(descriptor)
        except OSError as error:
            self._switch_off(error)

    def close(self) -> None:
        """Sync what was written, and let go of the file."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            if self._is_dirty and not self._is_off:
                self._sync_now(descriptor)
        except OSError as error:
            self._switch_off(error)
        finally:
            os.close(descriptor)

    def _sync_now(self, descriptor: int) -> None:
        self._sync(descriptor)
        self._is_dirty = False
        # Its own time does not count: a slow disk is not synced without a pause.
        self._synced_at = self._clock()

    def _open(self) -> int:
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o644)
            self._synced_at = self._clock()
            self._room = self._limit_bytes - _size(self.path.parent)
        return self._descriptor

    def _switch_off(self, error: OSError) -> None:
        self._is_off = True
        self.close()
        self._on_fault(f"answers are no longer kept in {self.path.parent}: {error.strerror}")


def ask(
    model: Model,
    requests: Sequence[Request],
    cache: AnswerCache | None,
    on_answer: OnAnswer,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Answer requests from what is kept, and ask the model for the rest, equal ones once.

    An answer is kept before ``on_answer`` hears of it. What another process is asking for comes
    from there, and is asked here where it did not come. Without a cache each request is asked.

    Args:
        model: the model.
        requests: what to answer.
        cache: the model's earlier answers.
        on_answer: called with each answer.
        pause: waits that many seconds for other processes.

    Raises:
        ModelError: the model as a whole cannot answer.
    """
    if cache is None:
        model.generate(requests, lambda index, completion: on_answer(index, completion, False))
        return
    by_key: dict[str, list[int]] = {}
    for index, request in enumerate(requests):
        by_key.setdefault(request_key(cache.model, request), []).append(index)

    def tell_kept(keys: Sequence[str], *, only_new: bool) -> list[str]:
        """Tell of those that are kept, and return the others."""
        kept = cache.find(keys, only_new=only_new)
        for key, completion in kept.items():
            for index in by_key[key]:
                on_answer(index, completion, True)
        return [key for key in keys if key not in kept]

    waiting = tell_kept(list(by_key), only_new=False)
    while waiting:
        with Claims(cache.path.parent, is_needed=cache.is_shared) as claims:
            taken = set(claims.take(waiting))
            # Between the look and the claim another process may have come to its end.
            waiting = tell_kept(waiting, only_new=True)
            now = [key for key in waiting if key in taken]
            _ask_now(model, requests, by_key, now, cache, on_answer)
        # With no claims of its own, none waits for one that waits for it.
        waiting = [key for key in waiting if key not in taken]
        waiting = tell_kept(waiting, only_new=True) if waiting else []
        if waiting:
            cache.say_waiting(len(waiting))
        while waiting and not _is_over(cache, waiting[0]):
            pause(_LOOK_EVERY_S)
            waiting = tell_kept(waiting, only_new=True)


def _ask_now(
    model: Model,
    requests: Sequence[Request],
    by_key: Mapping[str, Sequence[int]],
    keys: Sequence[str],
    cache: AnswerCache,
    on_answer: OnAnswer,
) -> None:
    def on_progress(place: int, completion: Completion) -> None:
        cache.keep(keys[place], completion)
        for index in by_key[keys[place]]:
            on_answer(index, completion, False)

    # With nothing left to ask, no weights are loaded.
    if keys:
        model.generate([requests[by_key[key][0]] for key in keys], on_progress)


def _is_over(cache: AnswerCache, key: str) -> bool:
    """Return whether the process that was at an answer is no longer, with or without it."""
    with Claims(cache.path.parent, is_needed=cache.is_shared) as claims:
        return bool(claims.take([key]))


def clear(folder: Path) -> int:
    """Delete all kept answers, and return how many bytes they took.

    Raises:
        OSError: they cannot be deleted.
    """
    freed = _size(folder)
    for path in folder.glob(f"*{_SUFFIX}"):
        path.unlink(missing_ok=True)
    return freed


def _make_room(path: Path, limit_bytes: int, needed: int) -> int:
    """Delete the answers of other models, those longest out of use first; return the bytes freed.

    Raises:
        OSError: there is no room even so.
    """
    freed = 0
    others = [each for each in path.parent.glob(f"*{_SUFFIX}") if each != path]
    for other in sorted(others, key=_last_use):
        with suppress(FileNotFoundError):
            freed += other.stat().st_size
            other.unlink()
        # Room for a while, so that not every answer costs a look at the folder.
        if freed >= needed + limit_bytes // 8:
            break
    if freed < needed:
        raise OSError(
            0,
            f"they take all of the {limit_bytes:,} bytes of evals.cache_bytes; raise that, or "
            "`headway eval cache clear`",
        )
    return freed


def _size(folder: Path) -> int:
    size = 0
    for path in folder.glob(f"*{_SUFFIX}"):
        with suppress(FileNotFoundError):  # another process made room just now
            size += path.stat().st_size
    return size


def _decode(content: bytes) -> Completion | None:
    try:
        return msgspec.json.decode(content, type=Completion)
    except msgspec.ValidationError:  # a number that JSON does not have was kept as null
        return None


def _last_use(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _checksum(content: bytes) -> bytes:
    return b"%08x" % zlib.crc32(content)
