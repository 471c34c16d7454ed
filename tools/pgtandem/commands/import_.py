"""pgtandem import: what another system has exported, into a staging table."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click
import psycopg

from pgtandem import db, deployed, options, output, sessions
from pgtandem.errors import PgtandemError

if TYPE_CHECKING:
    from pgtandem.mongo_import import Import

SHARE = 10  # percent of a table that --full deletes without asking
INTERRUPTED_EXIT = 130
COUNTS = ("documents", "inserted", "updated", "unchanged", "repeated", "deleted", "set_aside")
FORMATS = ("auto", "lines", "array", "bson")


@dataclass(frozen=True)
class Order:
    """What was asked for."""

    files: list[str]
    into: str
    format: str
    jobs: int
    strict: bool
    full: bool
    restart: bool
    yes: bool
    as_json: bool


@click.group()
def command() -> None:
    """Bring exported data into a staging table."""


@command.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--into", metavar="TABLE", required=True, help="The staging table, as schema.table.")
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="auto", show_default=True,
    help="What is in the files: a document a line, an array, or BSON.",
)  # fmt: skip
@click.option(
    "--jobs", "-j", metavar="N", type=click.IntRange(1, 16), default=1, show_default=True,
    help="Sessions that write at once.",
)  # fmt: skip
@click.option("--full", is_flag=True, help="Delete what the files do not have.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before it deletes much.")
@click.option("--strict", is_flag=True, help="Stop at the first bad document.")
@click.option("--dry-run", is_flag=True, help="Check every document, and write nothing.")
@click.option("--restart", is_flag=True, help="Give up an import that is not finished.")
@options.as_json
@options.database
@click.pass_context
def mongo(
    context: click.Context,
    target: db.Target,
    files: Sequence[str],
    into: str,
    format_: str,
    jobs: int,
    full: bool,
    yes: bool,
    strict: bool,
    dry_run: bool,
    restart: bool,
    as_json: bool,
) -> None:
    """Bring documents of MongoDB into a staging table.

    FILE is what mongoexport or mongodump wrote, plain, gzip or zstd; - is standard input. What is
    in already and is the same is not written. Bad documents are set aside in pgtandem.import_bad.
    Stop it with Ctrl-C and run it again as you like: it goes on where it was.

    Exit status: 0 all is in, 1 some documents were set aside, 2 error, 130 stopped by Ctrl-C.
    """
    order = Order([*files], into, format_, jobs, strict, full, restart, yes, as_json)
    if order.files.count("-") > 1:
        raise PgtandemError("Standard input can be read once only.", hint="Name - once.")
    _needs()
    with (
        db.postgres_errors(), _permitted(order), sessions.interruptible(),
        sessions.connect(target) as session,
    ):  # fmt: skip
        good = _dry_run(session, target, order) if dry_run else _run(session, target, order)
    if not good:
        context.exit(1)


def _needs() -> None:
    """Say it where the packages are missing that only this command needs."""
    try:
        from pgtandem import mongo_import  # noqa: F401, PLC0415
    except ModuleNotFoundError as error:
        raise PgtandemError(
            f'An import from MongoDB needs the Python package "{error.name}".',
            hint="pip install 'pgtandem[mongo]'",
        ) from error


@contextmanager
def _permitted(order: Order) -> Iterator[None]:
    """Say it where a privilege is missing."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise PgtandemError(
            f"Your role may not import into {order.into}.",
            detail=error.diag.message_primary,
            hint='docs/mongo.md, "Who may import", has what to grant; or connect as the role that'
            " has deployed the engine.",
            sqlstate=error.sqlstate,
        ) from error


class Watch:
    """Shows how far an import is."""

    def __init__(self, run: Import, files: list[dict[str, Any]], meter: output.Meter) -> None:
        self._run = run
        self._sizes = [each["size"] for each in files]
        self._meter = meter
        self._began = time.monotonic()
        self._first: int | None = None  # bytes on disk when the first chunk was in

    def beat(self) -> None:
        """Look."""
        run = self._run
        counts = run.counts.counts
        done = run.read + sum(size or 0 for size in self._sizes[: run.file - 1])
        seconds = time.monotonic() - self._began
        words = [f"{counts.get('documents', 0):,} documents"]
        if counts:
            if self._first is None:
                self._first, self._began = done, time.monotonic()
            words.append(f"{counts['documents'] / max(seconds, 0.001):,.0f}/s")
        if counts.get("set_aside"):
            words.append(f"{counts['set_aside']:,} set aside")
        percent = None
        if None not in self._sizes and sum(self._sizes):
            percent = min(100.0 * done / sum(self._sizes), 100.0)
            if self._first is not None and done > self._first:
                left = (sum(self._sizes) - done) * seconds / (done - self._first)
                words.append(f"{timedelta(seconds=round(left))} to go")
        self._meter.show(percent, ", ".join(words))


def _write(run: Import, target: db.Target, order: Order, files: list[dict[str, Any]]) -> None:
    console = output.stderr()
    remarks = output.Remarks(console)
    with output.Meter(console, f"import into {order.into}") as meter:
        run.run(target, order.jobs, remarks.listen, Watch(run, files, meter).beat)


def _run(session: sessions.Connection, target: db.Target, order: Order) -> bool:
    """Import; whether no document was set aside."""
    from pgtandem import mongo_files, mongo_import  # noqa: PLC0415

    remarks = output.Remarks(output.stderr())
    remarks.listen(session)
    files = mongo_files.describe(order.files)
    # Nothing is made where it cannot begin.
    with deployed.engine_errors(session), _permitted(order), session.transaction():
        staging = mongo_import.find_staging(session, order.into, make=True)
        row = session.execute(
            db.load_query("import_begin"),
            {
                "staging": staging.identifier.as_string(session), "files": json.dumps(files),
                "full": order.full, "restart": order.restart,
            },
        ).fetchone()  # fmt: skip
    assert row
    number = row["id"]
    place = mongo_files.Place(
        row["chunks"], row["file"], row["line"], row["position"], row["bytes"], row["digest"]
    )
    if place.chunk:
        remarks.say(
            f"Import {number} goes on after byte {place.position:,}, line {place.line:,} of"
            f" {files[place.file - 1]['name']}; {row['documents']:,} documents were read."
        )
    began = time.monotonic()
    reader = mongo_files.Reader(order.files, order.format)
    run = mongo_import.Import(staging, number, row["fresh"], reader, place, order.strict)
    try:
        _write(run, target, order, files)
        refused = _delete_absent(session, number, order, remarks)
    except KeyboardInterrupt:
        remarks.say(
            f"Interrupted after {run.counts.counts.get('documents', 0):,} documents. What is"
            " committed stays; run the same command again, and it goes on from there."
        )
        raise
    session.execute(db.load_query("import_finish"), {"import": number})
    state = session.execute(db.load_query("import_state"), {"import": number}).fetchone()
    reasons = session.execute(db.load_query("import_reasons"), {"import": number}).fetchall()
    assert state
    _report(order, state, reasons, time.monotonic() - began, run, remarks)
    if refused:
        remarks.say(refused)
    return not state["set_aside"]


def _delete_absent(
    session: sessions.Connection, number: int, order: Order, remarks: output.Remarks
) -> str | None:
    """With --full, delete what the files lack; returns why not."""
    if not order.full:
        return None
    parameters: dict[str, Any] = {"import": number}
    try:
        row = session.execute(db.load_query("import_absent"), parameters).fetchone()
    except psycopg.Error as error:
        if error.sqlstate != "TD083":
            raise
        return (
            "Nothing was deleted (--full), as documents were set aside: it would look as if the"
            " files did not have them."
        )
    assert row
    if not row["absent"]:
        return None
    share = 100 * row["absent"] / row["present"]
    said = (
        f"{row['absent']:,} of {row['present']:,} documents in {order.into} are not in the files"
        f" ({share:.1f} %)"
    )
    remarks.say(f"{said}.")
    if share > SHARE and not order.yes:
        nobody = PgtandemError(
            f"{said}, and nobody is there to be asked. None was deleted.",
            detail=f"Over {SHARE} % it asks first. All documents of the files are in.",
            hint="Are these all the files? Then the same command with --yes deletes them.",
        )
        output.confirm("Delete them?", nobody, order.as_json)
    parameters["after"] = ""
    while parameters["after"] is not None:
        deleted = session.execute(db.load_query("import_delete"), parameters).fetchone()
        assert deleted
        parameters["after"] = deleted["last"]
    return None


def _report(
    order: Order,
    state: dict[str, Any],
    reasons: list[dict[str, Any]],
    seconds: float,
    run: Import,
    remarks: output.Remarks,
) -> None:
    if order.as_json:
        output.print_json(
            {
                "import": state.get("id"), "into": order.into, "files": state["files"],
                **{name: state[name] for name in COUNTS}, "seconds": round(seconds, 3),
                "reasons": reasons,
            }
        )  # fmt: skip
        return
    words = [
        f"{state[name]:,} {said}"
        for name, said in (
            ("inserted", "inserted"), ("updated", "updated"), ("unchanged", "unchanged"),
            ("repeated", "there twice and the same"), ("deleted", "deleted"),
            ("set_aside", "set aside"),
        )
        if state[name]
    ]  # fmt: skip
    read = run.counts.counts.get("documents", 0)
    output.say(
        f"{order.into}: {output.counted(state['documents'], 'document', 'documents')}"
        f"{': ' if words else ''}{', '.join(words)}."
        f" {read:,} in {seconds:,.1f} s ({read / max(seconds, 0.001):,.0f}/s)."
    )
    if reasons:
        output.say("\nSet aside, with the first of each:")
        output.print_table(
            ("reason", "documents", "file", "line", "byte", "message"),
            (
                (
                    each["reason"], each["documents"], each["name"], each["line"],
                    each["position"], output.shortened(each["message"]),
                )
                for each in reasons
            ),
        )  # fmt: skip
        if state.get("id"):
            remarks.say(
                "They are in the table pgtandem.import_bad, with their bytes,"
                f" under import {state['id']}."
            )


def _dry_run(session: sessions.Connection, target: db.Target, order: Order) -> bool:
    """Check all; whether no document would be set aside."""
    from pgtandem import mongo_files, mongo_import  # noqa: PLC0415

    remarks = output.Remarks(output.stderr())
    files = mongo_files.describe(order.files)
    with deployed.engine_errors(session), _permitted(order):
        staging = mongo_import.find_staging(session, order.into, make=False)
    began = time.monotonic()
    alone = replace(order, jobs=1)  # of the sessions only one could see what came before
    reader = mongo_files.Reader(order.files, order.format)
    run = mongo_import.Import(staging, None, False, reader, mongo_files.Place(), order.strict)
    _write(run, target, alone, files)
    state = dict.fromkeys(COUNTS, 0) | run.counts.counts | {"files": files}
    reasons = [run.reasons[reason] for reason in sorted(run.reasons)]
    _report(order, state, reasons, time.monotonic() - began, run, remarks)
    remarks.say("Nothing was written (--dry-run).")
    return not reasons
