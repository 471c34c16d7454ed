"""pgtandem preflight: what has to be so before the next phase."""

from __future__ import annotations

import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import psycopg

from pgtandem import db, deployed, options, output, sessions
from pgtandem.parameters import Duration, Size, Timestamp

FAILED_EXIT = 1
SAMPLE = 10_000  # rows
WORST_FIRST = ("fail", "warn", "pass")


def local_free_disk(session: sessions.Connection) -> int | None:
    """The free bytes of the server's data directory, where it is on this machine and readable.

    A directory of the same name may be another server's, as of a container whose port is
    forwarded: its postmaster.pid must tell of the server that we are connected to.
    """
    row = session.execute(db.load_query("data_directory")).fetchone()
    assert row
    if row["directory"] is None:
        return None
    with suppress(OSError):
        lines = (Path(row["directory"]) / "postmaster.pid").read_text().splitlines()
        # PostgreSQL notes when it began to start; what it reports is some moments later.
        if lines[3].strip() == row["port"] and abs(int(lines[2]) - row["started"]) <= 2:
            return shutil.disk_usage(row["directory"]).free
    return None


def _look(session: sessions.Connection, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    # On one snapshot, or a row that is written meanwhile is tried where it was and where it is.
    session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with session.transaction():
        return session.execute(db.load_query("preflight"), parameters).fetchall()


def _check(target: db.Target, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The checks of a mapping and the worst of them, as JSON has it."""
    with sessions.Team(target, 1) as team:
        session = team.sessions[0]
        deployed.find(session, name).require()
        if parameters["free_disk"] is None:
            parameters = parameters | {"free_disk": local_free_disk(session)}
        with output.Meter(output.stderr(), f"preflight {name}") as meter:
            meter.show(
                None, "trying a sample" if parameters["rows"] is not None else "trying all rows"
            )
            work = team.start(session, _look, parameters | {"mapping": name})
            with deployed.engine_errors(session):
                (checks,) = sessions.results([work], 0.5, lambda: None)
    states = [str(check["state"]) for check in checks]
    verdict = next(state for state in WORST_FIRST if state in states)
    return {"mapping": name, "verdict": verdict, "at": datetime.now(UTC), "checks": checks}


def _show(found: dict[str, Any], more: bool) -> None:
    checks = found["checks"]
    states = [check["state"] for check in checks]
    output.print_table(
        ("", "check", "found"),
        ((check["state"], check["name"], check["figure"]) for check in checks),
    )
    output.print_to_do([(check["name"], check["todo"]) for check in checks if check["todo"]])
    counts = [f"{states.count(state)} {state}" for state in reversed(WORST_FIRST)]
    output.say(f"\n{found['mapping']}: {found['verdict']} ({', '.join(counts)})" + "\n" * more)


@click.command()
@options.mappings
@click.option(
    "--backup-at", metavar="TIME", type=Timestamp(),
    help="When the last backup was made, as 2026-11-25T03:00:00Z; without a zone: of this machine.",
)  # fmt: skip
@click.option(
    "--free-disk", metavar="SIZE", type=Size(),
    help="Free disk of the server, as 200GB; SQL cannot know it.",
)  # fmt: skip
@click.option(
    "--rows", metavar="N", type=click.IntRange(1, 2**31 - 1),
    help="Try the images of about so many rows, of random blocks. [default: 10000]",
)  # fmt: skip
@click.option("--full", is_flag=True, help="Try them of all rows.")
@click.option(
    "--max-transaction", metavar="TIME", type=Duration(), default="5min", show_default=True,
    help="A transaction that is open for longer fails.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Let a warning fail, too.")
@options.as_json
@options.database
@click.pass_context
def command(
    context: click.Context,
    target: db.Target,
    name: str,
    backup_at: datetime | None,
    free_disk: int | None,
    rows: int | None,
    full: bool,
    max_transaction: float,
    strict: bool,
    as_json: bool,
) -> None:
    """Check what has to be so before the next phase of a mapping.

    The images of some rows are tried on temporary copies of the target, with all its types,
    constraints and indexes; with --full of all rows, which takes as much disk as the target will.
    Nothing is changed, and no lock is taken that a writer would notice. The name of the Sqitch
    project in the current directory stands for all its deployed mappings.

    Exit status: 0 all pass, or warn; 1 one fails; 2 error.
    """
    if rows and full:
        raise click.UsageError("--rows and --full contradict each other.")
    parameters = {
        "backup_at": backup_at, "free_disk": free_disk,
        "rows": None if full else rows or SAMPLE, "longest": max_transaction,
    }  # fmt: skip
    documents = []
    with db.postgres_errors(), sessions.interruptible():
        meant = deployed.meant(target, name, Path())
        for mapping in meant.mappings:
            found = _check(target, mapping.name, parameters)
            documents.append(found)
            if not as_json:
                _show(found, mapping is not meant.mappings[-1])
    if as_json:
        output.print_json(meant.form(documents))
    verdicts = [found["verdict"] for found in documents]
    if "fail" in verdicts or (strict and "warn" in verdicts):
        context.exit(FAILED_EXIT)
