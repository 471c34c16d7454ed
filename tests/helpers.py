"""What the tests share beside fixtures: sessions that wait, Sqitch, roles."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from pgtandem.db import Target

ROOT = Path(__file__).resolve().parent.parent
OWNER = "pgtandem_owner"
ROLES = (OWNER, "old_app", "new_app")
TIMEOUT = 30.0  # seconds that any statement of a test may take


class Session:
    """A database session whose statements run beside the test: send, see it wait, take its result.

    with Session(dsn) as one, Session(dsn) as two:
        one.run("BEGIN"); one.run("UPDATE t SET a = 1")
        two.send("UPDATE t SET a = 2")
        two.waits_for_lock()
        one.run("COMMIT")
        two.result()
    """

    def __init__(self, dsn: str, **options: Any) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True, **options)
        self.pid = self.connection.info.backend_pid
        self._watcher = psycopg.connect(dsn, autocommit=True)
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._pending: Future[list[tuple[Any, ...]]] | None = None

    def _execute(self, query: str, parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(query.encode(), parameters)
        # Not cursor.description: a SELECT without columns has none, and yet has rows.
        return cursor.fetchall() if cursor.rownumber is not None else []

    def send(self, query: str, parameters: Any = None) -> Self:
        """Start a statement without waiting for it."""
        assert self._pending is None, "take the result of the statement before"
        self._pending = self._pool.submit(self._execute, query, parameters)
        return self

    def result(self) -> list[tuple[Any, ...]]:
        """The rows of the statement that was sent; raises what it raised."""
        assert self._pending is not None, "nothing was sent"
        try:
            return self._pending.result(TIMEOUT)
        finally:
            if self._pending.done():  # else close() still has to cancel it
                self._pending = None

    def run(self, query: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        """Send a statement and wait for its rows."""
        return self.send(query, parameters).result()

    def value(self, query: str, parameters: Any = None) -> Any:
        """The first column of the first row."""
        return self.run(query, parameters)[0][0]

    def is_done(self) -> bool:
        """Whether the statement that was sent has ended, well or not."""
        return self._pending is not None and self._pending.done()

    def blockers(self) -> list[int]:
        """The sessions that this one's statement waits for, by backend pid; empty if for none."""
        row = self._watcher.execute("SELECT pg_blocking_pids(%s)", (self.pid,)).fetchone()
        assert row
        return list(row[0])

    def waits_for_lock(self, holder: Session | None = None, timeout: float = TIMEOUT) -> Self:
        """Return once the statement waits for a lock (of `holder`'s); fail if it ends instead."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            blockers = self.blockers()
            if blockers and (holder is None or holder.pid in blockers):
                return self
            assert not self.is_done(), f"it did not wait: {self._pending!r}"
            time.sleep(0.005)
        raise AssertionError(f"no wait for a lock within {timeout} s")

    def close(self) -> None:
        """End the session, cancelling what runs."""
        if self._pending is not None and not self._pending.done():
            self.connection.cancel_safe()
        self._pool.shutdown()
        self.connection.close()
        self._watcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def environment(dsn: str) -> dict[str, str]:
    """The environment of a program that shall use this database, without the user's settings."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "SQITCH_")) and name != "DATABASE_URL"
    }
    return clean | Target(dsn, "test").environment() | {
        "SQITCH_FULLNAME": "pgtandem developers",
        "SQITCH_EMAIL": "developers@pgtandem.invalid",
        "SQITCH_USER_CONFIG": os.devnull,
        "SQITCH_SYSTEM_CONFIG": os.devnull,
        "PGOPTIONS": "-c client_min_messages=warning",
    }  # fmt: skip


def run(
    arguments: list[str | Path], dsn: str, cwd: Path = ROOT, check: bool = True, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program against a database; what it printed is in the failure."""
    done = subprocess.run(
        arguments, cwd=cwd, env=environment(dsn), text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
    )  # fmt: skip
    if check:
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stdout}"
    return done


def sqitch(*arguments: str, dsn: str, project: Path = ROOT, check: bool = True) -> str:
    """Run Sqitch in a project on a database; return what it printed."""
    target = Target(dsn, "test").sqitch_uri()
    command, *rest = arguments
    return run(["sqitch", command, *rest, "--target", target], dsn, project, check).stdout


def psql(file: Path, dsn: str, **variables: object) -> str:
    """Run a file in psql, stopping at its first error; variables as `psql -v`."""
    settings = [f"--set={name}={value}" for name, value in variables.items()]
    return run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *settings, "-f", file], dsn).stdout


def planned(project: Path) -> list[str]:
    """The changes of a Sqitch project in the order of its plan."""
    lines = (project / "sqitch.plan").read_text().splitlines()
    return [line.split()[0] for line in lines if line and line[0] not in "%@#"]


def install_vector(superuser_dsn: str) -> bool:
    """Put pgvector into a database; False where the server does not have it."""
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        try:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
            return False
    return True
