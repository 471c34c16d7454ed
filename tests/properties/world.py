"""Databases for a shape, sessions that may be left waiting, and what is asked of both tables."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader

from helpers import OWNER
from pgtandem.server import Server
from properties.shapes import Row, Shape, Side
from properties.statements import Statement, key_of

Connection = psycopg.Connection[Any]
_numbers = count(1)

# What a transaction may fail with where others are at work: a conflict, a lock, a taken key.
CONFLICTS = {"40001", "40P01", "55P03", "23505", "23503", "57014"}
PATIENCE = (
    0.4  # seconds after which a statement that neither ends nor waits for a lock is left alone
)


class World:
    """One server with a template for each shape: the engine, both tables, phase expand."""

    def __init__(self, server: Server, engine_template: str) -> None:
        self.server = server
        self.engine = engine_template
        self._templates: dict[str, str] = {}

    def _template(self, shape: Shape) -> str:
        script = shape.script("deploy/expand")
        if script not in self._templates:
            name = f"properties_{len(self._templates)}"
            self._create(name, self.engine)
            with connect(self.server.dsn(name, OWNER)) as owner:
                owner.execute(shape.legacy.encode())
                run_script(owner, script)
            self._templates[script] = name
        return self._templates[script]

    def _create(self, name: str, template: str) -> None:
        with connect(self.server.dsn()) as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY wal_log").format(
                    *map(sql.Identifier, (name, template, OWNER))
                )
            )

    @contextmanager
    def database(self, shape: Shape) -> Iterator[str]:
        """A fresh database of a shape in phase expand; yields the owner's connection string."""
        template = self._template(shape)
        name = f"example_{next(_numbers)}"
        self._create(name, template)
        try:
            yield self.server.dsn(name, OWNER)
        finally:
            with connect(self.server.dsn()) as admin:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def close(self) -> None:
        with connect(self.server.dsn()) as admin:
            for name in self._templates.values():
                admin.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def connect(dsn: str, **options: Any) -> Connection:
    """A session in autocommit; json, point and interval arrive as PostgreSQL writes them."""
    connection = psycopg.connect(dsn, autocommit=True, **options)
    for name in ("json", "jsonb", "interval"):
        connection.adapters.register_loader(name, TextLoader)
    return connection


def run_script(connection: Connection, script: str) -> None:
    """Run a rendered script as psql does that meets it for the first time.

    What it asks psql (whether it was run before) is left out; a CALL that commits is a statement of
    its own.
    """
    script = re.sub(r"(?s)\nSELECT [^;]*?\\gset\n.*?\\endif\n", "\n", script)
    try:
        for part in re.split(r"(?m)^(CALL .*;)$", script):
            connection.execute(part.encode())
    except psycopg.Error:
        if not connection.closed:
            connection.rollback()
        raise


def execute(connection: Connection, statement: Statement) -> int:
    """Run a statement; return the number of rows."""
    if not statement.rows:
        return connection.execute(statement.sql.encode(), statement.parameters).rowcount
    with connection.cursor() as cursor:
        with cursor.copy(statement.sql.encode()) as copy:
            for row in statement.rows:
                copy.write_row(row)
        return cursor.rowcount


class Actor:
    """A session whose statements may be left waiting while others go on."""

    def __init__(self, name: str, dsn: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.connection = connect(dsn, application_name=name)
        self.connection.execute("SET lock_timeout = '400ms'")
        self.connection.execute("SET client_min_messages = error")
        self.savepoints = 0
        self.last_error: psycopg.Error | None = None
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._pending: Future[Any] | None = None

    @property
    def status(self) -> psycopg.pq.TransactionStatus:
        return self.connection.info.transaction_status

    @property
    def is_free(self) -> bool:
        """Whether it can take a statement; takes note of one that has ended meanwhile."""
        if self._pending is not None and self._pending.done():
            self._take()
        return self._pending is None

    @property
    def in_transaction(self) -> bool:
        return self.status != psycopg.pq.TransactionStatus.IDLE

    def send(self, statement: Statement | str, monitor: Connection | None = None) -> Any:
        """Start a statement, and return its result once it ends; None once it is seen to wait.

        An error that a conflict may cause ends the transaction; any other is raised.
        """
        if isinstance(statement, str):
            statement = Statement(statement.replace("%", "%%"))
        self.log.append(f"{self.name}: {statement!r}")
        self._pending = self._pool.submit(self._execute, statement)
        deadline = time.monotonic() + (PATIENCE if monitor else 30)
        while not self._pending.done():
            time.sleep(0.001)
            if time.monotonic() > deadline:
                assert monitor, "a statement that nobody holds up takes 30 s"
                break
            if monitor and self._waits(monitor):
                break
        if self._pending.done():
            return self._take()
        self.log.append(f"    {self.name} waits")
        return None

    def _execute(self, statement: Statement) -> Any:
        if statement.rows:
            return execute(self.connection, statement)
        cursor = self.connection.execute(statement.sql.encode(), statement.parameters)
        return cursor.fetchone() if cursor.description else cursor.rowcount

    def _waits(self, monitor: Connection) -> bool:
        row = monitor.execute(
            "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s",
            (self.connection.info.backend_pid,),
        ).fetchone()
        return bool(row and row[0])

    def _take(self) -> Any:
        assert self._pending is not None
        pending, self._pending = self._pending, None
        self.last_error = None
        try:
            return pending.result(30)
        except psycopg.Error as error:
            self.last_error = error
            self.log.append(
                f"    {self.name} failed: {error.sqlstate} {error.diag.message_primary}"
            )
            if self.status == psycopg.pq.TransactionStatus.INERROR:
                back = f"ROLLBACK TO s{self.savepoints}" if self.savepoints else "ROLLBACK"
                self.connection.execute(back.encode())
            return None

    def finish(self, commit: bool = True) -> None:
        """Wait for the statement that is under way, then end the transaction."""
        if self._pending is not None:
            self._pending.exception(30)
            self._take()
        if self.in_transaction:
            self.send("COMMIT" if commit else "ROLLBACK")
        self.savepoints = 0

    def close(self) -> None:
        if self._pending is not None and not self._pending.done():
            self.connection.cancel_safe(timeout=5)
        self._pool.shutdown()
        self.connection.close()


def content(connection: Connection, side: Side, table: str | None = None) -> dict[Any, Row]:
    """The rows of a side, by key."""
    columns = ", ".join(side.columns)
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(f"SELECT {columns} FROM {table or side.table}".encode())
        rows = [dict(zip(side.columns, row.values(), strict=True)) for row in cursor]
    found = {key_of(side, row): row for row in rows}
    assert len(found) == len(rows), "two rows with one key"
    return found


def naive_differences(connection: Connection, shape: Shape) -> dict[Any, str]:
    """What the comparison should find, by comparing the two tables in Python."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        source, target = (content(connection, side) for side in (shape.source, shape.target))
    images = {key: shape.image(row) for key, row in source.items()}
    found = {}
    for key in images.keys() | target.keys():
        image, row = images.get(key), target.get(key)
        if image is None and row is not None:
            found[key] = "extra"
        elif image is not None and row is None:
            found[key] = "missing"
        elif image is not None and row is not None and any(row[c] != v for c, v in image.items()):
            found[key] = "changed"
    return found


def differences(connection: Connection, shape: Shape) -> dict[Any, str]:
    """What the comparison finds."""
    rows = connection.execute(
        f"SELECT ARRAY(SELECT jsonb_array_elements_text(key)), in_source, in_target "
        f"FROM {shape.schema}.compared() WHERE changed OR NOT in_source OR NOT in_target".encode()
    ).fetchall()
    kinds = {(True, False): "missing", (False, True): "extra", (True, True): "changed"}
    keys = {tuple(map(str, key)): key for key in shape.source.keys}
    found = {}
    for key, in_source, in_target in rows:
        assert keys[tuple(key)] not in found, "a key was reported twice"
        found[keys[tuple(key)]] = kinds[in_source, in_target]
    return found


def drain(connection: Connection, shape: Shape) -> None:
    """Drain until nothing is left, and fail where something cannot be settled."""
    connection.execute("SELECT pgtandem.retry(%s)", (shape.name,))
    for _ in range(20):
        connection.execute(f"CALL pgtandem.drain('{shape.name}')".encode())
        left = connection.execute(
            "SELECT key, reason, sqlstate, message FROM pgtandem.recheck "
            "WHERE mapping = %s AND side = 'target'",
            (shape.name,),
        ).fetchall()
        if not left:
            return
        time.sleep(0.05)
    raise AssertionError(f"the queue does not drain: {left}")


def finish_copy(connection: Connection, shape: Shape, script: str | None = None) -> None:
    """Backfill to its end, or run a script that does; rows of the target alone are repaired.

    Where there was a time without sync, the target may still have rows deleted from the source:
    the backfill refuses to close the copy until a repair has taken them away.
    """
    for _ in range(2):
        try:
            run_script(connection, script or f"CALL pgtandem.backfill('{shape.name}');")
            return
        except psycopg.Error as error:
            if error.sqlstate != "TD026":
                raise
        connection.execute(
            f"SELECT pgtandem.queue('{shape.name}', key, 'difference') "
            f"FROM {shape.schema}.compared() WHERE NOT in_source".encode()
        )
        connection.execute(f"CALL pgtandem.drain('{shape.name}', 'difference')".encode())
    raise AssertionError("the backfill still finds rows of the target alone")
