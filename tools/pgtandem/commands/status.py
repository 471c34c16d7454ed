"""pgtandem status: where are we?"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from pgtandem import db, deployed, options, output, recheck, sessions
from pgtandem.parameters import Duration

LISTED = 10  # failures and events


def _differences(row: dict[str, Any]) -> object:
    if row["differences"] is None:
        return None
    return f"{row['differences']:,}" + ("" if row["comparison_counts"] else " (other mapping)")


def _overview(rows: Iterable[dict[str, Any]]) -> RenderableType:
    return output.table(
        ("mapping", "phase", "copy", "%", "queued", "failed", "last comparison", "differences"),
        (
            (
                row["mapping"], row["phase"], row["copy_state"], row["percent"], row["queued"],
                row["failed"], row["last_comparison"], _differences(row),
            )
            for row in rows
        ),
    )  # fmt: skip


def _details(row: dict[str, Any]) -> RenderableType:
    facts: list[tuple[str, object]] = [
        ("source", row["source"]),
        ("target", row["target"]),
        ("phase", row["phase"]),
        ("mapping", f"SHA-256 {row['hash'][:16]}"),
        ("copy", row["copy_state"]),
        ("copied", f"{row['percent'] or 0} %, {row['rows_done']:,} rows"),
        ("workers", row["workers"]),
        ("rows a second", row["rows_per_second"]),
        ("to go", row["eta"]),
        ("waits for", row["waiting_for"]),
        ("queued", row["queued"]),
        ("failed", row["failed"]),
        ("last comparison", row["last_comparison"]),
        ("differences", _differences(row)),
    ]
    return output.table(("", ""), facts)


def _event(event: dict[str, Any]) -> tuple[object, ...]:
    words = [f"{name} {value}" for name, value in event["detail"].items()]
    if event["reason"]:
        words.append(f'"{event["reason"]}"')
    return event["happened_at"], event["kind"], event["role"], ", ".join(words)


def _look(session: sessions.Connection, name: str | None) -> tuple[dict[str, Any], RenderableType]:
    """What there is to see, as a document and for people."""
    mappings = session.execute(db.load_query("status"), {"mapping": name}).fetchall()
    document: dict[str, Any] = {"mappings": mappings}
    if name is None:
        if not mappings:
            return document, Text("No mapping is deployed here.")
        return document, _overview(mappings)
    failures = recheck.failures(session, name, LISTED)
    events = session.execute(
        db.load_query("events"), {"mapping": name, "limit": LISTED}
    ).fetchall()  # fmt: skip
    document = {
        **mappings[0],
        "failures": [each | {"key": output.key(each)} for each in failures],
        "events": events,
    }
    parts: list[RenderableType] = [_details(mappings[0])]
    if failures:
        parts += [Text("\nkeys that failed", "bold"), output.failure_lines(failures)]
    parts += [Text("\nlast events", "bold"), output.table(("", "", "", ""), map(_event, events))]
    return document, Group(*parts)


@click.command()
@click.argument("name", metavar="[MAPPING]", required=False)
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--interval", metavar="TIME", type=Duration(), default="2s", show_default=True,
    help="Time between two looks of --watch.",
)  # fmt: skip
@options.as_json
@options.database
def command(
    target: db.Target, name: str | None, watch: bool, interval: float, as_json: bool
) -> None:
    """Say where each mapping is, or one of them with its failures and last events.

    All of it is in the views pgtandem.status, progress and failures, too, for psql and dashboards.
    """
    console = output.stdout()
    with db.postgres_errors(), sessions.interruptible(), sessions.connect(target) as session:
        if name is None:
            for mapping in deployed.all_mappings(session):
                mapping.require_primary()
        else:
            deployed.find(session, name)
        document, view = _look(session, name)
        if not watch:
            output.print_json(document) if as_json else console.print(view)
            return
        try:
            if as_json or not console.is_terminal:
                while True:
                    output.print_json(document) if as_json else console.print(view)
                    time.sleep(interval)
                    document, view = _look(session, name)
            with Live(view, console=console, auto_refresh=False) as live:
                while True:
                    time.sleep(interval)
                    live.update(_look(session, name)[1], refresh=True)
        except KeyboardInterrupt:
            return
