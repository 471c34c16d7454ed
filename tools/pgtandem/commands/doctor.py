"""pgtandem doctor: what is missing, on this machine and in the database."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import click
from psycopg import sql
from psycopg.rows import dict_row

from pgtandem import __version__, db, options, output, sqitch, sqltext
from pgtandem.errors import PgtandemError

OLDEST_SERVER = 140000  # server_version_num: TID range scans, which the chunks need


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        name: what.
        state: ok; warn, where pgtandem works without it; fail, where it does not.
        found: what is there.
        cure: what to do about it; empty if ok.
    """

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    cure: str = ""


def _judge(
    good: object, name: str, found: str, cure: str, otherwise: Literal["warn", "fail"] = "fail"
) -> Check:
    return Check(name, "ok", found) if good else Check(name, otherwise, found, cure)


def _program(
    name: str, arguments: list[str], cure: str, otherwise: Literal["warn", "fail"] = "fail"
) -> Check:
    """Whether a program runs; the first thing in its output that looks like a version."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    except OSError:
        return Check(name, otherwise, "not installed", cure)
    version = re.search(r"\d+(\.\d+)+", done.stdout)
    return _judge(
        done.returncode == 0 and version,
        name, version[0] if version else "does not run", cure, otherwise,
    )  # fmt: skip


def check_machine() -> Iterator[Check]:
    """What must be installed here."""
    yield Check("pgtandem", "ok", __version__)
    yield Check("Python", "ok", sys.version.split()[0])
    yield _program("psql", ["psql", "--version"], "apt-get install postgresql-client")
    yield _program("Sqitch", ["sqitch", "--version"], "apt-get install sqitch")
    yield _program(
        "DBD::Pg", ["perl", "-MDBD::Pg", "-e", "print $DBD::Pg::VERSION"],
        "apt-get install libdbd-pg-perl",
    )  # fmt: skip
    yield _program(
        "pg_prove", ["pg_prove", "--version"],
        "apt-get install libtap-parser-sourcehandler-pgtap-perl, to run tests written in SQL",
        otherwise="warn",
    )  # fmt: skip


def check_database(target: db.Target) -> Iterator[Check]:
    """What must hold in the database, and what would help."""
    try:
        connection = db.connect(target, row_factory=dict_row)
    except PgtandemError as error:
        yield Check("connection", "fail", error.detail or error.message, "see --dsn and --target")
        return
    with connection:
        registry = sqitch.registry()
        facts = connection.execute(db.load_query("doctor"), {"registry": registry}).fetchone()
        assert facts
        role = sqltext.ident(facts["role_name"])
        yield Check(
            "connection", "ok",
            f"{facts['database_name']} as {facts['role_name']}, named by {target.named_by}",
        )  # fmt: skip
        yield _judge(
            facts["server_version_num"] >= OLDEST_SERVER,
            "server", facts["server_version"], "pgtandem needs PostgreSQL 14 or later",
        )  # fmt: skip
        yield _judge(
            not facts["is_standby"],
            "primary", "a standby" if facts["is_standby"] else "yes",
            "only pgtandem verify works on a standby", otherwise="warn",
        )  # fmt: skip
        engine = _check_engine(facts, _deployed(connection, facts, registry))
        yield engine
        yield _judge(
            facts["may_create"] or engine.state == "ok",
            "CREATE on the database", "yes" if facts["may_create"] else "no",
            f"GRANT CREATE ON DATABASE {sqltext.ident(facts['database_name'])} TO {role}",
        )  # fmt: skip
        yield _judge(
            facts["may_monitor"],
            "pg_monitor", "yes" if facts["may_monitor"] else "no",
            f"GRANT pg_monitor TO {role}, to see whom a backfill waits for",
            otherwise="warn",
        )  # fmt: skip
        yield _judge(
            facts["connection_check"] not in {"0", "0ms"},
            "client_connection_check_interval", facts["connection_check"],
            "set it to 2s, so that a CALL in psql ends when its client is killed", otherwise="warn",
        )  # fmt: skip
        yield _judge(
            facts["statement_timeout"] in {"0", "0ms"},
            "statement_timeout", facts["statement_timeout"],
            f"ALTER ROLE {role} SET statement_timeout = 0; it bounds CALL as a whole",
            otherwise="warn",
        )  # fmt: skip


def _deployed(connection: Any, facts: dict[str, Any], registry: str) -> set[str]:
    if not facts["may_read_registry"]:
        return set()
    query = db.load_query("deployed_changes").format(registry=sql.Identifier(registry))
    return {row["change_id"] for row in connection.execute(query)}


def _check_engine(facts: dict[str, Any], deployed: set[str]) -> Check:
    if facts["has_registry"] and not facts["may_read_registry"]:
        return Check("engine", "warn", "unknown", "GRANT SELECT on Sqitch's registry to see it")
    try:
        planned = sqitch.plan()
    except PgtandemError as error:
        return Check("engine", "fail", error.message, error.hint or "")
    missing = [name for identity, name in planned.items() if identity not in deployed]
    if not deployed:
        return Check("engine", "fail", "not deployed", "pgtandem init")
    if missing:
        return Check("engine", "fail", f"lacks {', '.join(missing)}", "pgtandem init")
    return _judge(
        deployed <= planned.keys(),
        "engine", f"{len(deployed)} changes", "it is newer than this pgtandem: upgrade that",
    )  # fmt: skip


def _show(checks: list[Check]) -> None:
    output.print_table(("", "", ""), ((each.state, each.name, each.found) for each in checks))
    output.print_to_do([(each.name, each.cure) for each in checks if each.cure])


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
@options.database
@click.pass_context
def command(context: click.Context, target: db.Target, as_json: bool) -> None:
    """Say what is missing, on this machine and in the database.

    Exit status: 0 if pgtandem can work, 1 if not.
    """
    with db.postgres_errors():
        checks = [*check_machine(), *check_database(target)]
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        _show(checks)
    if any(check.state == "fail" for check in checks):
        context.exit(1)
