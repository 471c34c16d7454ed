"""A server of its own to kill, with gear ready to move."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from chaos.victim import Victim
from conftest import GEAR, SETTINGS
from helpers import OWNER, ROLES, psql, sqitch
from pgtandem.server import EMBEDDED, Server

ITEMS = 20_000

_numbers = count(1)


@pytest.fixture(scope="session")
def mortal() -> Iterator[Server]:
    """A server that the tests may kill: after each, it runs again."""
    with Server.start(os.environ.get("PGTANDEM_TEST_PG", EMBEDDED), SETTINGS) as running:
        with psycopg.connect(running.dsn(), autocommit=True) as admin:
            for role in ROLES:
                admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            admin.execute(sql.SQL("GRANT pg_monitor TO {}").format(sql.Identifier(OWNER)))
            admin.execute(f"CREATE DATABASE engine OWNER {OWNER}")
            sqitch("deploy", dsn=running.dsn("engine", OWNER))
            admin.execute(f"CREATE DATABASE gear TEMPLATE engine OWNER {OWNER}")
        dsn = running.dsn("gear", OWNER)
        psql(GEAR / "legacy.sql", dsn)
        psql(GEAR / "generate.sql", dsn, users=ITEMS // 20, items=ITEMS)
        sqitch("deploy", "--to-change", "gear_tables", dsn=dsn, project=GEAR)
        with psycopg.connect(running.dsn(), autocommit=True) as admin:
            admin.execute("CHECKPOINT")
        yield running


@contextmanager
def _made(mortal: Server, template: str, directory: Path) -> Iterator[Victim]:
    name = f"victim_{next(_numbers)}"
    with psycopg.connect(mortal.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {OWNER}")
    made = Victim(mortal, mortal.dsn(name, OWNER), directory)
    yield made
    made.close()
    with psycopg.connect(mortal.dsn(), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def victim(mortal: Server, tmp_path: Path) -> Iterator[Victim]:
    """A database with gear's old system, its items, and the tables of the new one."""
    with _made(mortal, "gear", tmp_path) as made:
        yield made


@pytest.fixture
def empty(mortal: Server, tmp_path: Path) -> Iterator[Victim]:
    """A database with the engine alone."""
    with _made(mortal, "engine", tmp_path) as made:
        yield made
