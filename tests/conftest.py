"""One server a run, a template database a project, a fresh copy of it for each test.

Only extensions and roles are made by a superuser; everything else belongs to `pgtandem_owner`,
who is none, so each test also proves that no more is needed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pytest_postgresql.janitor import DatabaseJanitor

from helpers import OWNER, ROLES, ROOT, planned, psql, sqitch
from pgtandem.server import EMBEDDED, Server

GEAR = ROOT / "examples" / "gear"
SETTINGS = {
    "max_connections": "200",
    "max_prepared_transactions": "10",
    "shared_preload_libraries": "pg_stat_statements",
}

# Databases come and go by the thousand, and ext4 is slow to make files where others have just gone.
MEMORY = Path("/dev/shm")
ROOM = 8 << 30  # bytes

_numbers = count(1)


def set_naptime(server: Server, naptime: str) -> None:
    """Say how long autovacuum rests between two looks at a database."""
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(
            sql.SQL("ALTER SYSTEM SET autovacuum_naptime = {}").format(sql.Literal(naptime))
        )
        admin.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The run's server: PGTANDEM_TEST_PG is `embedded` or the number of an installed one."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    version = os.environ.get("PGTANDEM_TEST_PG", EMBEDDED)
    with Server.start(version, SETTINGS, directory=MEMORY if roomy else None) as running:
        with psycopg.connect(running.dsn(), autocommit=True) as admin:
            for role in ROLES:
                admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            # pg_monitor is what doctor asks for: to see whom a backfill waits for.
            admin.execute(sql.SQL("GRANT pg_monitor TO {}").format(sql.Identifier(OWNER)))
        # An autovacuum comes when it likes; the test that wants one asks for it.
        set_naptime(running, "500h")
        yield running


@contextmanager
def fresh_database(server: Server, name: str, template: str | None = None) -> Iterator[str]:
    """A database of its own in which the owner may make schemas; yields its name."""
    janitor = DatabaseJanitor(
        user="postgres", host=str(server.socket_dir), port=server.port, dbname=name,
        template_dbname=template, as_template=False,
    )  # fmt: skip
    with janitor:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute(
                sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(
                    sql.Identifier(name), sql.Identifier(OWNER)
                )
            )
        yield name


@pytest.fixture(scope="session")
def engine_template(server: Server) -> Iterator[str]:
    """The name of a database with the engine deployed by Sqitch."""
    with fresh_database(server, "engine_template") as name:
        sqitch("deploy", dsn=server.dsn(name, OWNER))
        yield name


@pytest.fixture(scope="session")
def gear_template(server: Server, engine_template: str) -> Iterator[str]:
    """The engine, gear's old system and its Sqitch project up to the change gear_sync."""
    if "gear_sync" not in planned(GEAR):
        pytest.skip("examples/gear has no change gear_sync yet")
    with fresh_database(server, "gear_template", engine_template) as name:
        owner = server.dsn(name, OWNER)
        psql(GEAR / "legacy.sql", owner)
        sqitch("deploy", "--to-change", "gear_sync", dsn=owner, project=GEAR)
        yield name


@pytest.fixture(scope="session")
def filled_template(server: Server, engine_template: str) -> Iterator[str]:
    """Like gear_template, with 300 users and 3,000 items that were there before the triggers."""
    with fresh_database(server, "filled_template", engine_template) as name:
        owner = server.dsn(name, OWNER)
        psql(GEAR / "legacy.sql", owner)
        psql(GEAR / "generate.sql", owner, users=300, items=3000)
        sqitch("deploy", "--to-change", "gear_sync", dsn=owner, project=GEAR)
        yield name


@pytest.fixture
def make_database(server: Server) -> Iterator[Callable[..., str]]:
    """Make further databases: make_database(template) returns the owner's connection string."""
    with ExitStack() as stack:

        def make(template: str | None = None) -> str:
            name = stack.enter_context(fresh_database(server, f"test_{next(_numbers)}", template))
            return server.dsn(name, OWNER)

        yield make


@pytest.fixture
def empty_dsn(make_database: Callable[..., str]) -> str:
    """A database with nothing in it, as its owner."""
    return make_database()


@pytest.fixture
def dsn(make_database: Callable[..., str], engine_template: str) -> str:
    """A database with the engine, as its owner. There is no pgTAP in it."""
    return make_database(engine_template)


@pytest.fixture
def gear_dsn(make_database: Callable[..., str], gear_template: str) -> str:
    """A database with the engine and gear up to gear_sync, without rows, as its owner."""
    return make_database(gear_template)


@pytest.fixture
def filled_dsn(make_database: Callable[..., str], filled_template: str) -> str:
    """A database with the engine and gear up to gear_sync, 3,000 items to copy, as its owner."""
    return make_database(filled_template)


@pytest.fixture
def conn(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A session in autocommit on `dsn`."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def gear(gear_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A session in autocommit on `gear_dsn`."""
    with psycopg.connect(gear_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def as_user() -> Callable[[str, str], str]:
    """Change the user of a connection string: as_user(dsn, "old_app"), as_user(dsn, "postgres")."""
    return lambda dsn, user: psycopg.conninfo.make_conninfo(dsn, user=user)
