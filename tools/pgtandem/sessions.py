"""Sessions of a command: with the settings that long work needs, one or several at once.

Ctrl-C and SIGTERM end them all: what they run is cancelled in the database, too.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import psycopg
from psycopg.rows import DictRow, dict_row

from pgtandem import db

CANCEL_TIMEOUT = 10.0  # seconds that a cancelled statement may take to end

Connection = psycopg.Connection[DictRow]
P = ParamSpec("P")
T = TypeVar("T")


def connect(target: db.Target) -> Connection:
    """A session in autocommit whose rows are dictionaries, without timeouts of its own."""
    connection: Connection = db.connect(target, row_factory=dict_row)
    connection.execute(db.load_query("session"))
    return connection


def is_lost(error: BaseException) -> bool:
    """Whether an error means that the session has ended, not that its statement failed."""
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does: raise KeyboardInterrupt in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Team:
    """Sessions that work at once, each in a thread of its own.

    Leaving the context cancels what still runs, waits for its end and closes the sessions.
    """

    def __init__(self, target: db.Target, size: int) -> None:
        self.sessions: list[Connection] = []
        self._running: dict[Connection, Future[Any]] = {}
        try:
            for _ in range(size):
                self.sessions.append(connect(target))
        except BaseException:
            self.close()
            raise

    def start(
        self,
        session: Connection,
        work: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Future[T]:
        """Call work(session, ...) in a thread; the session must be one of `sessions`, and idle."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                result = work(session, *args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._running[session] = future
        # A daemon: where even a cancel has no effect, the program still ends.
        threading.Thread(target=run, daemon=True).start()
        return future

    def cancel(self) -> None:
        """Cancel what runs, and return when it has ended, or did not within CANCEL_TIMEOUT."""
        deadline = time.monotonic() + CANCEL_TIMEOUT
        while running := {s: f for s, f in self._running.items() if not f.done()}:
            if time.monotonic() > deadline:
                return
            # Again and again: a cancel that comes before its statement cancels nothing.
            for session in running:
                with contextlib.suppress(psycopg.Error):
                    session.cancel_safe(timeout=2)
            wait(running.values(), timeout=0.2)

    def close(self) -> None:
        """Cancel what runs, and close every session that has nothing to do."""
        self.cancel()
        for session in self.sessions:
            future = self._running.get(session)
            if future is None or future.done():
                session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def results(futures: Sequence[Future[T]], every: float, beat: Callable[[], object]) -> list[T]:
    """The results in order; calls `beat` every so many seconds until all are there.

    Raises what the first of them that failed raised, at once.
    """
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=every, return_when="FIRST_EXCEPTION")
        for future in done:
            future.result()
        beat()
    return [future.result() for future in futures]
