"""A function of the user in a process of its own: what hangs or crashes there costs nobody else.

A thread cannot be ended, so a process it is. It lives as long as it answers in time, and is asked
about one call after the other.
"""

import multiprocessing
import threading
from multiprocessing.connection import Connection

from headway_collector.own_calls import FunctionError, Value, serve_function
from headway_collector.own_settings import FunctionSetting

START_S = 120.0
"""How long the import of a function's module may take; a model's libraries take their time."""


class FunctionProcess:
    """The process of one function, started again when it is lost.

    Args:
        setting: which function, and how long it may take.
    """

    def __init__(self, setting: FunctionSetting) -> None:
        self._setting = setting
        self._lock = threading.Lock()
        self._is_closed = False
        self._is_ready = False
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def start(self) -> None:
        """Start the process; it imports its function meanwhile."""
        with self._lock:
            if self._is_closed:
                raise FunctionError("the collector ends", is_lost=True)
            # A fork would take the threads' locks with it as they are.
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(
                target=serve_function,
                args=(self._setting.target, str(self._setting.folder), theirs),
                name=f"headway-own-{self._setting.name}",
                daemon=True,
            )
            self._process.start()
            # Ours has to be closed for the end of the process to be seen.
            theirs.close()

    def wait_until_ready(self, limit_s: float = START_S) -> None:
        """Return once the function is imported.

        Raises:
            FunctionError: it cannot be, or takes too long.
        """
        if self._is_ready:
            return
        try:
            self._receive(limit_s, "its import")
        except FunctionError as error:
            raise self._lose(str(error)) from error
        self._is_ready = True

    def ask(self, prompt: str, answer: str | None) -> Value:
        """Return what the function says of a call.

        Raises:
            FunctionError: it raised, hung, ended its process, or gave what is no value.
        """
        if self._process is None:
            self.start()
        self.wait_until_ready()
        connection = self._find_connection()
        try:
            connection.send((prompt, answer))
        except OSError as error:
            raise self._lose("its process had ended") from error
        value: Value = self._receive(self._setting.timeout_s, "a call")
        return value

    def close(self) -> None:
        """End the process, wherever it is, for good; whoever asks meanwhile is refused."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                self._process.kill()
                self._process.join()

    @property
    def is_closed(self) -> bool:
        """Return whether it was closed."""
        return self._is_closed

    def _receive(self, limit_s: float, what: str) -> Value:
        connection = self._find_connection()
        try:
            if not connection.poll(limit_s):
                raise self._lose(f"{what} took longer than {limit_s:g} s: its process was ended")
            is_value, said = connection.recv()
        except (EOFError, OSError) as error:
            raise self._lose("it ended its process") from error
        if not is_value:
            raise FunctionError(said)
        value: Value = said
        return value

    def _find_connection(self) -> Connection:
        if self._connection is None:
            raise FunctionError("the collector ends", is_lost=True)
        return self._connection

    def _lose(self, why: str) -> FunctionError:
        """End the process, so that the next call starts another one."""
        with self._lock:
            if self._process is not None and self._connection is not None:
                self._process.kill()
                self._process.join()
                self._connection.close()
            self._process, self._connection, self._is_ready = None, None, False
        return FunctionError(why, is_lost=True)
