"""pgtandem status: where are we?"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from pgtandem import db, deployed, options, output, recheck, sessions
from pgtandem.parameters import Duration

LISTED = 10  # failures and events
SLOWEST = 5  # statements


def _differences(row: dict[str, Any]) -> object:
    if row["differences"] is None:
        return None
    return f"{row['differences']:,}" + ("" if row["comparison_counts"] else " (other mapping)")


def _minute(time: datetime | None) -> str | None:
    return f"{time.astimezone():%Y-%m-%d %H:%M}" if time else None


def _overview(rows: Iterable[dict[str, Any]]) -> RenderableType:
    return output.Listing(
        ("mapping", "phase", "copy", "%", "queued", "failed", "last comparison", "differing"),
        (
            (
                row["mapping"], row["phase"], row["copy_state"], row["percent"], row["queued"],
                row["failed"], _minute(row["last_comparison"]), _differences(row),
            )
            for row in rows
        ),
    )  # fmt: skip


def _next_step(row: dict[str, Any]) -> str:
    if row["failed"]:
        name = row["mapping"]
        return f"mend what keys failed of; pgtandem retry {name}; pgtandem drain {name}"
    return deployed.next_step(row["mapping"], row["phase"], row["copy_state"])


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
        ("bytes for an undo", row["pre_image_bytes"]),
        ("last comparison", row["last_comparison"]),
        ("differences", _differences(row)),
        ("next", _next_step(row)),
    ]
    return output.Listing(("", ""), facts)


def _short(value: object) -> str:
    """A figure with its thousands apart; of a hash what tells it from others."""
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text[:16] if re.fullmatch("[0-9a-f]{64}", text) else text


def _event(event: dict[str, Any]) -> tuple[object, ...]:
    detail = event["detail"]
    if event["kind"] == "contract":  # the figures of all conditions: --json has them
        detail = {f"{len(detail)} conditions": "proven or overridden"}
    words = [f"{name} {_short(value)}" for name, value in sorted(detail.items())]
    if event["reason"]:
        words.append(f'"{event["reason"]}"')
    return event["happened_at"], event["kind"], event["role"], ", ".join(words)


def _line(query: str) -> str:
    return output.shortened(" ".join(query.split()))


def _areas(rows: list[dict[str, Any]]) -> Iterator[RenderableType]:
    if rows:
        yield Text("\nlast comparison by areas", "bold")
        yield output.Listing(
            ("area", "rows that differ"),
            ((row["area"] or "(other columns)", f"{row['changed']:,}") for row in rows),
        )


def _tables(rows: list[dict[str, Any]]) -> Iterator[RenderableType]:
    figures = ("live_rows", "inserts", "updates", "deletes", "dead_rows")
    yield Text("\ntables", "bold")
    yield output.Listing(
        ("table", "rows", "inserts", "updates", "deletes", "dead", "size"),
        (
            (row["relation"], *(_short(row[name]) for name in figures), row["size"])
            for row in rows
        ),
    )  # fmt: skip


def _triggers(rows: list[dict[str, Any]]) -> Iterator[RenderableType]:
    yield Text("\ntriggers", "bold")
    measured = [row for row in rows if row["calls"] is not None]
    if measured:
        yield output.Listing(
            ("function", "calls", "ms a call", "ms"),
            (
                (row["function"], _short(row["calls"]), row["mean_ms"], row["total_ms"])
                for row in measured
            ),
        )
    else:
        cure = rows[0]["to_measure"] if rows else None
        yield Text("not measured yet" + (f"; as a superuser: {cure}" if cure else ""))


def _indexes(rows: list[dict[str, Any]]) -> Iterator[RenderableType]:
    if rows:
        yield Text("\nindexes", "bold")
        yield output.Listing(
            ("index", "valid", "size", "scans", "its query uses it"),
            (
                (row["name"], row["valid"], row["size"], row["scans"], row["planned"])
                for row in rows
            ),
        )  # fmt: skip


def _statements(rows: list[dict[str, Any]], installed: bool) -> Iterator[RenderableType]:
    yield Text("\nslow statements", "bold")
    if rows:
        yield output.Listing(
            ("ms", "calls", "statement"),
            ((row["mean_ms"], _short(row["calls"]), _line(row["query"])) for row in rows),
        )
    else:
        yield Text("none" if installed else "not known; CREATE EXTENSION pg_stat_statements")


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
    more = {
        about: session.execute(
            db.load_query(f"status_{about}"), {"mapping": name, "limit": SLOWEST}
        ).fetchall()
        for about in ("areas", "tables", "triggers", "indexes", "statements")
    }
    has_statements = session.execute(db.load_query("has_statements")).fetchone()
    document = {
        **mappings[0],
        "failures": [each | {"key": output.key(each)} for each in failures],
        "events": events,
        **more,
    }
    parts: list[RenderableType] = [_details(mappings[0])]
    if failures:
        parts += [Text("\nkeys that failed", "bold"), output.failure_lines(failures)]
    parts += [
        *_areas(more["areas"]),
        *_indexes(more["indexes"]),
        *_triggers(more["triggers"]),
        *_tables(more["tables"]),
        *_statements(more["statements"], bool(has_statements and has_statements["installed"])),
    ]
    parts += [Text("\nlast events", "bold"), output.Listing(("", "", "", ""), map(_event, events))]
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
    """Say where each mapping is, or one of them in detail.

    The details are its progress, its failures, what its triggers, indexes, tables and statements
    cost, and its last events. All of it is in the views pgtandem.status, progress, failures,
    trigger_cost, index_use, table_activity and slow_statements, too, for psql and dashboards.
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
            output.print_json(document) if as_json else output.show(view)
            return
        try:
            if as_json or not console.is_terminal:
                while True:
                    output.print_json(document) if as_json else output.show(view)
                    time.sleep(interval)
                    document, view = _look(session, name)
            with Live(view, console=console, auto_refresh=False) as live:
                while True:
                    time.sleep(interval)
                    live.update(_look(session, name)[1], refresh=True)
        except KeyboardInterrupt:
            return
