"""The server and the databases that everything is measured in."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any

import psycopg
from psycopg import sql

from pgtandem import render, spec
from pgtandem.db import Target
from pgtandem.server import Server, binaries

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "bench"
GEAR = ROOT / "examples" / "gear"

# Commits reach the disk. Checkpoints and autovacuum come between the rounds, by hand, as they
# would otherwise hit one competitor and spare the other.
SETTINGS = {
    "shared_buffers": "1GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "jit": "off",
    "random_page_cost": "1.1",
    "track_commit_timestamp": "on",
}


def script(name: str) -> str:
    """The text of bench/<name>.sql."""
    return (HERE / f"{name}.sql").read_text(encoding="utf-8")


class World:
    """A running server with databases made from gear.

    Attributes:
        server: the server.
        rows: rows of the source.
    """

    def __init__(self, server: Server, rows: int) -> None:
        self.server = server
        self.rows = rows

    def connect(self, database: str, **options: Any) -> psycopg.Connection[Any]:
        """A session in autocommit, as superuser: the bench moves triggers about."""
        return psycopg.connect(
            self.server.dsn(database), autocommit=True, prepare_threshold=None, **options
        )

    def environment(self, database: str) -> dict[str, str]:
        """Of a program that shall work on a database."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "SQITCH_")) and name != "DATABASE_URL"
        }
        environment |= Target(self.server.dsn(database), "bench").environment()
        return environment | {
            "SQITCH_FULLNAME": "bench",
            "SQITCH_EMAIL": "bench@pgtandem.invalid",
            "PGOPTIONS": "-c client_min_messages=warning",
        }

    def run(
        self, program: Sequence[str | Path], database: str, cwd: Path = ROOT, /, **variables: str
    ) -> str:
        """Run psql, sqitch or pgbench on a database and return what it printed.

        Raises:
            RuntimeError: where it fails, with its output.
        """
        environment = self.environment(database) | variables
        done = subprocess.run(
            program, cwd=cwd, env=environment, text=True, check=False, capture_output=True
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def psql(self, file: Path, database: str, **variables: object) -> None:
        """Run a file in psql."""
        settings = [f"--set={name}={value}" for name, value in variables.items()]
        self.run(
            ["psql", "-XqAt", "-o", os.devnull, "-v", "ON_ERROR_STOP=1", *settings, "-f", file],
            database,
        )

    def pgbench(self, *arguments: str | Path, database: str, **variables: str) -> str:
        """Run the server's own pgbench; `variables` are of its environment."""
        program = binaries(self.server.version) / "pgbench"
        return self.run([program, "-n", *arguments], database, ROOT, **variables)

    def database(self, name: str, template: str | None = None) -> str:
        """Make a database, a copy of another one if given."""
        with self.connect("postgres") as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(name), sql.Identifier(template or "template1")
                )
            )
        return name

    def drop(self, *names: str) -> None:
        """Drop databases."""
        with self.connect("postgres") as admin:
            for name in names:
                admin.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))

    def make_gear(self) -> None:
        """The database gear: the engine, the rows, and gear as it is after gear_sync."""
        name = self.database("gear")
        self.run(["sqitch", "deploy", "--target", f"db:pg:{name}"], name)
        self.psql(GEAR / "legacy.sql", name)
        self.psql(GEAR / "generate.sql", name, users=max(10, self.rows // 10), items=self.rows)
        self.run(["sqitch", "deploy", "--to-change", "gear_sync", "--target", f"db:pg:{name}"],
                 name, GEAR)  # fmt: skip
        with self.connect(name) as session:
            session.execute("VACUUM (FREEZE, ANALYZE)")

    def make_synced(self, name: str, **sync: str) -> None:
        """A copy of gear with every row copied; `sync` changes that section of its mapping."""
        self.database(name, "gear")
        if sync:
            self.psql(GEAR / "revert" / "gear_sync.sql", name)
            with TemporaryDirectory() as directory:
                for number, text in enumerate(rendered(GEAR, **sync)):
                    file = Path(directory, f"{number}.sql")
                    file.write_text(text, encoding="utf-8")
                    self.psql(file, name)
        with self.connect(name) as session:
            session.execute(script("backfill"))
            session.execute(script("after_backfill"))
        with self.connect(name) as session:
            session.execute("VACUUM (FREEZE, ANALYZE)")
            session.execute("CHECKPOINT")


def rendered(example: Path, **sync: str) -> list[str]:
    """Scripts expand and sync of an example with other settings of sync, as ways="forward"."""
    name = example.name
    text = (example / "mappings" / f"{name}.yml").read_text(encoding="utf-8")
    for key, value in sync.items():
        text, found = re.subn(rf"(?m)^(  {key}: )\S+$", rf"\g<1>{value}", text)
        if found != 1:
            raise ValueError(f"{key} stands {found} times in {name}.yml")
    with NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        mapping = spec.load(Path(file.name))
    made = render.scripts(mapping, name)
    return [made[Path(f"deploy/{name}_{phase}.sql")] for phase in ("expand", "sync")]


@contextmanager
def start(rows: int) -> Iterator[World]:
    """A server of the bench's own, gone afterwards."""
    with Server.start(settings=SETTINGS, fsync=True) as server:
        yield World(server, rows)
