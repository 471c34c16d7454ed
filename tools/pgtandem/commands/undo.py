"""pgtandem undo: take back what a backfill or a repair wrote, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from pgtandem import db, deployed, options, output, sessions
from pgtandem.commands.repair import confirm
from pgtandem.errors import PgtandemError

POLL_SECONDS = 0.3
LISTED = 20  # rows that stay, for people
ACTIONS = {
    "restore": "changed: to become what they were",
    "delete": "created: to be deleted",
    "insert": "deleted: to come back",
    "none": "are what they were already",
}
REASONS = {
    "changed": "changed since",
    "deleted": "deleted since",
    "inserted": "inserted again since",
    "queued": "written since, and the write waits in the queue",
    "referenced": "a foreign key would delete or change rows that refer to it",
}
ROWS = ("row", "rows")


def _kind(each: dict[str, Any]) -> str:
    if each["reason"]:
        return f"stay: {REASONS[each['reason']]}"
    return ACTIONS[each["action"]]


def _show_left(rows: list[dict[str, Any]]) -> None:
    output.print_table(
        ("key", "why it stays"),
        (
            (each["key"], REASONS.get(each["reason"]) or f"{each['sqlstate']} {each['message']}")
            for each in rows[:LISTED]
        ),
    )
    if len(rows) > LISTED:
        output.say(f"and {len(rows) - LISTED:,} more; --json lists them all.")


def _images(session: sessions.Connection, name: str) -> int:
    """How many pre-images there are to go."""
    row = session.execute(db.load_query("undo_to_go"), {"mapping": name}).fetchone()
    assert row
    return int(row["images"])


def _drop(session: sessions.Connection, name: str, as_json: bool) -> dict[str, Any]:
    row = session.execute(db.load_query("drop_pre_images"), {"mapping": name}).fetchone()
    assert row
    if not as_json:
        output.say(f"{name}: the pre-images are dropped; {row['bytes']:,} bytes are free.")
    return {"mapping": name, "dropped_bytes": row["bytes"]}


def _call(session: sessions.Connection, name: str, force: bool) -> None:
    session.execute(db.load_query("undo"), {"mapping": name, "force": force})


def _run(target: db.Target, name: str, force: bool, remarks: output.Remarks) -> None:
    """Undo in a session of its own, and show how far it is."""
    with (
        sessions.connect(target) as watcher,
        # The work is done in a thread, so that Ctrl-C is taken at once.
        sessions.Team(target, 1) as team,
        output.Meter(remarks.console, f"undo {name}") as meter,
    ):
        total, next_look = _images(watcher, name), 0.0

        def look() -> None:
            nonlocal next_look
            began = time.monotonic()
            if began < next_look:
                return
            images = _images(watcher, name)
            meter.show(100 * (1 - images / max(total, 1)), f"{images:,} pre-images to go")
            # Where there are many, to count them takes a while.
            next_look = began + 10 * (time.monotonic() - began)

        session = team.sessions[0]
        remarks.listen(session)
        sessions.results([team.start(session, _call, name, force)], POLL_SECONDS, look)


def _left(session: sessions.Connection, name: str, force: bool) -> list[dict[str, Any]]:
    """The rows that an undo has left; none where nothing is recorded any more."""
    if not _images(session, name):
        return []
    return session.execute(db.load_query("undo_left"), {"mapping": name, "force": force}).fetchall()


def _undo(
    target: db.Target,
    session: sessions.Connection,
    mapping: deployed.Mapping,
    force: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    remarks: output.Remarks,
) -> dict[str, Any]:
    """Show what an undo would do, do it if asked, and say what is left; the JSON document."""
    name = mapping.name
    counts = session.execute(
        db.load_query("undo_preview"), {"mapping": name, "force": force}
    ).fetchall()
    to_do = sum(each["rows"] for each in counts if not each["reason"])
    if not as_json:
        output.say(f"{name}: of the rows that its backfill and its repairs wrote")
        output.print_table(("rows", ""), ((each["rows"], _kind(each)) for each in counts))
    left = sum(each["rows"] for each in counts if each["reason"])
    rows: list[dict[str, Any]] = []
    if to_do and not dry_run:
        mapping.require("undo_key")
        confirm(yes, as_json)
        _run(target, name, force, remarks)
        rows = _left(session, name, force)
        left = len(rows)
    elif left:
        rows = [each for each in _left(session, name, force) if each["reason"]]
    undone = 0 if dry_run else sum(each["rows"] for each in counts) - left
    if not as_json:
        output.say(
            "Nothing was changed (--dry-run)."
            if dry_run
            else f"{name}: {output.counted(undone, *ROWS)} undone, {left:,} left as they are."
        )
        if rows:
            _show_left(rows)
        if not force and any(each["reason"] for each in rows):
            remarks.say(f"To undo these, too: pgtandem undo {name} --force-changed")
        elif rows:
            remarks.say(f"Mend what it says of these, then again: pgtandem undo {name}")
        elif undone and not left:
            remarks.say(f"Next: pgtandem backfill {name}, or revert its sync: sqitch revert")
    return {
        "mapping": name, "dry_run": dry_run, "force_changed": force, "preview": counts,
        "undone": undone, "left": left,
        "rows_left": [each | {"key": output.key(each)} for each in rows],
    }  # fmt: skip


@click.command()
@options.mappings
@click.option(
    "--force-changed", "force", is_flag=True,
    help="Also rows that the application has changed since: they become what they were before.",
)  # fmt: skip
@click.option("--drop", is_flag=True, help="Undo nothing: drop what is stored for it.")
@click.option("--dry-run", is_flag=True, help="Show what it would do, and change nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@options.as_json
@options.database
@click.pass_context
def command(
    context: click.Context,
    target: db.Target,
    name: str,
    force: bool,
    drop: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Take back what the backfill and repairs of a mapping wrote.

    Each row becomes exactly what it was before; rows that they created are deleted. What the
    application has changed since stays and is listed. It shows first what it would do, and asks.
    Stop it with Ctrl-C and run it again as you like. Then the copy is open, and "pgtandem backfill"
    begins anew. A mapping stores what it needs with backfill.undo: true. The name of the Sqitch
    project in the current directory stands for all its mappings, the last one first.

    Exit status: 0 all is undone, 1 rows stay (or, with --dry-run, would), 2 error.
    """
    if drop and (force or dry_run):
        raise click.UsageError("--drop undoes nothing, so it goes with no other option.")
    remarks = output.Remarks(output.stderr())
    with db.postgres_errors(), sessions.interruptible():
        meant = deployed.meant(target, name, Path())
        documents = []
        with sessions.connect(target) as session:
            # The last first, as the next may have built on what it wrote.
            for mapping in reversed(meant.mappings):
                if not meant.alone and not _images(session, mapping.name):
                    continue
                if drop:
                    documents.append(_drop(session, mapping.name, as_json))
                else:
                    found = deployed.find(session, mapping.name)
                    documents.append(
                        _undo(target, session, found, force, dry_run, yes, as_json, remarks)
                    )
    if not documents:
        raise PgtandemError(
            f'No mapping of the project "{name}" has anything to undo.',
            hint="backfill.undo: true in a mapping stores what its backfill overwrites.",
        )
    if as_json:
        output.print_json(meant.form(documents))
    if any(each.get("left") for each in documents):
        context.exit(1)
