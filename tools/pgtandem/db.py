"""Which database, and the only place that connects to one.

The rule, the same for every command. The first of these that is given names the database:

1. `--dsn`, a URI or a conninfo string of libpq, or a db: URI of Sqitch
2. `--target`, a target of sqitch.conf or a db: URI
3. the environment variable DATABASE_URL
4. the environment variable SQITCH_TARGET
5. the target of `[engine "pg"]`, else of `[core]`, in sqitch.conf
6. libpq's own defaults

What it leaves out (all of it in case 6) comes from the PG* variables, the service file and the
password file, as in psql and in Sqitch. So `sqitch deploy`, `psql` and `pgtandem` in the same
directory and shell speak to the same database, unless DATABASE_URL or an option says otherwise.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import conninfo, pq, sql

from pgtandem import paths
from pgtandem.errors import PgtandemError, UnreachableError

APPLICATION_NAME = "pgtandem"
PLACES = ("PGSERVICE", "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER")
DEFAULTS = "libpq's defaults"
DB_URI = re.compile(r"^db:(?:pg|postgres|postgresql|pgsql):", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """A database, and who named it.

    Attributes:
        conninfo: libpq's connection string; what it leaves out comes from PG*.
        origin: the option, variable or setting that named it, for people.
    """

    conninfo: str
    origin: str

    def environment(self) -> dict[str, str]:
        """The PG* variables that make psql, Sqitch and pg_prove connect to the same database."""
        options = pq.Conninfo.parse(self.conninfo.encode())
        return {
            option.envvar.decode(): option.val.decode()
            for option in options
            if option.envvar and option.val
        }

    @property
    def named_by(self) -> str:
        """Who named the database, the PG* variables that fill what is left out included."""
        given = self.environment()
        filled = [name for name in PLACES if name in os.environ and name not in given]
        return ", ".join([self.origin, *filled] if given else filled or [DEFAULTS])

    def sqitch_uri(self) -> str:
        """Sqitch's URI of the database; all but its name is in `environment`, passwords too."""
        return "db:pg:" + quote(self.environment().get("PGDATABASE", ""), safe="")


def resolve(
    dsn: str | None = None,
    target: str | None = None,
    environment: Mapping[str, str] = os.environ,
    settings: Callable[[], Mapping[str, str]] | None = None,
) -> Target:
    """Apply the rule at the top of this module.

    Args:
        dsn: what `--dsn` says.
        target: what `--target` says.
        environment: where DATABASE_URL and SQITCH_TARGET are looked up.
        settings: Sqitch's settings by name, `sqitch_settings` if not given; called only if needed.

    Raises:
        PgtandemError: for a string that libpq does not understand, or an unknown target.
    """
    settings = settings or sqitch_settings
    if "" in {dsn, target}:
        # As of an unset variable; what else is set would name a database that nobody meant.
        raise PgtandemError(
            "The option that names the database is empty.",
            hint="Name one, or leave it out.",
        )
    if dsn and target:
        raise PgtandemError("Two options name a database each.", hint="Give one of them.")
    if dsn:
        return _from_string(dsn, "--dsn")
    if target:
        return _from_sqitch(target, "--target", settings)
    if url := environment.get("DATABASE_URL"):
        return _from_string(url, "DATABASE_URL")
    if name := environment.get("SQITCH_TARGET"):
        return _from_sqitch(name, "SQITCH_TARGET", settings)
    configured = settings()
    for setting in ("engine.pg.target", "core.target"):
        if name := configured.get(setting):
            return _from_sqitch(name, f"sqitch.conf, {setting}", lambda: configured)
    return Target("", DEFAULTS)


def _from_string(text: str, origin: str) -> Target:
    info = _from_db_uri(text) if DB_URI.match(text) else text
    try:
        conninfo.conninfo_to_dict(info)
    except psycopg.ProgrammingError as error:
        raise PgtandemError(
            f"{origin} is no connection string.",
            detail=str(error).strip(),
            hint="Write postgresql://user@host/name or 'host=... dbname=...'.",
        ) from error
    return Target(info, origin)


def _from_db_uri(uri: str) -> str:
    """db:pg:name and db:pg://user@host:port/name, as conninfo."""
    rest = DB_URI.sub("", uri)
    return "postgresql:" + rest if rest.startswith("//") else "postgresql:///" + rest


def _from_sqitch(name: str, origin: str, settings: Callable[[], Mapping[str, str]]) -> Target:
    if DB_URI.match(name):
        return _from_string(name, origin)
    configured = settings()
    if uri := configured.get(f"target.{name}.uri"):
        return _from_string(uri, f"{origin} {name}")
    names = (re.fullmatch(r"target\.(.*)\.uri", key) for key in configured)
    known = sorted(match[1] for match in names if match)
    raise PgtandemError(
        f'There is no target "{name}".',
        detail=f"Targets in sqitch.conf: {', '.join(known) or 'none'}.",
        hint=f"sqitch target add {name} db:pg://user@host/database",
    )


def sqitch_settings(directory: Path | None = None) -> dict[str, str]:
    """Sqitch's settings by name, as Sqitch reads them; empty without Sqitch.

    Args:
        directory: whose sqitch.conf counts; the current one if not given.

    Source: `sqitch config --list`, which merges the system's, the user's and ./sqitch.conf.
    """
    try:
        done = subprocess.run(
            ["sqitch", "config", "--list"],
            cwd=directory, capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {name: value for name, _, value in pairs}


@contextmanager
def postgres_errors() -> Iterator[None]:
    """Let PostgreSQL's errors be seen as ours, with their detail, hint and SQLSTATE."""
    try:
        yield
    except psycopg.Error as error:
        raise PgtandemError.from_postgres(error) from error


def connect(target: Target, **options: Any) -> psycopg.Connection[Any]:
    """Connect; autocommit unless told otherwise.

    Args:
        target: the database.
        options: passed to psycopg.connect (autocommit, row_factory, options).

    Raises:
        UnreachableError: where the database cannot be reached.
    """
    options.setdefault("autocommit", True)
    # Who sets an application name of his own, in the string or by PGAPPNAME, keeps it.
    options.setdefault("fallback_application_name", APPLICATION_NAME)
    try:
        return psycopg.connect(target.conninfo, **options)
    except psycopg.OperationalError as error:
        raise UnreachableError(
            "The database cannot be reached.",
            detail=f"{' '.join(str(error).split())} (named by {target.named_by})",
            hint="pgtandem doctor",
        ) from error


@contextmanager
def cut_off(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Cut the line to the server if the block lasts longer, so that it ends with an error.

    A statement_timeout is kept by the server; this is for one that no longer answers.
    """

    def cut() -> None:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        timer = threading.Timer(seconds, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


@cache
def load_query(name: str) -> sql.SQL:
    """The SQL of queries/<name>.sql."""
    text = (paths.queries() / f"{name}.sql").read_text(encoding="utf-8")
    return sql.SQL(text)
