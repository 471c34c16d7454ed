"""How results are shown: tables for people, JSON for programs, progress on standard error."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import click
import psycopg
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

UNBOUNDED = 10_000  # columns: a pipe or a file has no width, and a line is cut by its reader
NEVER_WRAPPED = 20  # characters: names and verdicts stay whole on a narrow terminal
SHOWN = 60  # characters of a value in a table
PLAIN_SECONDS = 3.0  # between two lines of progress where standard error is no terminal
STYLES = {
    "go on": "green",
    "equal": "green",
    "complete": "green",
    "met": "green",
    "hold": "yellow",
    "overridden": "yellow",
    "open": "yellow",
    "roll back": "bold red",
    "not met": "bold red",
}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} in a JSON document")


def print_json(document: object) -> None:
    """Print a JSON document; times in ISO 8601, intervals in seconds."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=_plain))


def stdout() -> Console:
    """Where results go."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = UNBOUNDED
    return console


def stderr() -> Console:
    """Where progress and remarks go."""
    console = Console(stderr=True, highlight=False, markup=False)
    if not console.is_terminal:
        console.width = UNBOUNDED
    return console


def cell(value: object) -> Text:
    """A value in a table; what has a meaning of its own has a colour."""
    if value is None:
        return Text("-", "dim")
    if isinstance(value, datetime):
        return Text(f"{value.astimezone():%Y-%m-%d %H:%M:%S}")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int | Decimal):
        return Text(f"{value:,}")
    text = str(value)
    return Text(text, STYLES.get(text, ""))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Rows under headings; without a line of headings where all are empty."""
    made = Table(box=None, pad_edge=False, show_header=any(headings))
    cells = [tuple(map(cell, row)) for row in rows]
    for position, heading in enumerate(headings):
        widest = max((row[position].cell_len for row in cells), default=0)
        made.add_column(heading, overflow="fold", no_wrap=widest <= NEVER_WRAPPED)
    for row in cells:
        made.add_row(*row)
    return made


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings on standard output."""
    stdout().print(table(headings, rows))


def quoted(value: str | None) -> str:
    """A column's value so that NULL, spaces and odd characters are seen, cut if it is long."""
    return "NULL" if value is None else shortened(json.dumps(value, ensure_ascii=False))


def shortened(text: str) -> str:
    """A text of at most SHOWN characters."""
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def failure_lines(failures: Sequence[Mapping[str, Any]]) -> Text:
    """The keys that failed, with their errors, a line each."""
    lines = []
    for failure in failures:
        tries = f"{failure['attempts']} tries" if failure["attempts"] else "not tried again yet"
        if failure["not_before"]:
            tries += f", next try {failure['not_before'].astimezone():%H:%M:%S}"
        lines.append(f"  {failure['key']}  {failure['sqlstate']} {failure['message']} ({tries})")
    return Text("\n".join(lines))


def print_failures(failures: Sequence[Mapping[str, Any]], console: Console | None = None) -> None:
    """Print the keys that failed, with their errors."""
    if failures:
        (console or stdout()).print(failure_lines(failures), soft_wrap=True)


def key(row: Mapping[str, Any]) -> Any:
    """The key of a row, which comes as the text of a JSON array, as Python has it."""
    return json.loads(row["key"])


class Remarks:
    """What the database says beside results (INFO, NOTICE, WARNING): each once, on stderr."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._said: set[str] = set()

    def listen(self, connection: psycopg.Connection[Any]) -> None:
        """Show what this session is told from now on."""
        connection.add_notice_handler(self._notice)

    def _notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        parts = (diagnostic.message_primary, diagnostic.message_detail, diagnostic.message_hint)
        self.say("\n".join(part for part in parts if part))

    def say(self, text: str) -> None:
        """Show a remark, unless it was shown before."""
        if text not in self._said:
            self._said.add(text)
            self.console.print(text, soft_wrap=True)


class Meter:
    """Progress on standard error: a bar in a terminal, else a line every few seconds.

    with Meter(console, "backfill gear") as meter:
        meter.show(43.2, "4,320 rows, 2,000/s")
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._next = time.monotonic() + PLAIN_SECONDS
        self._progress: Progress | None = None
        if console.is_terminal:
            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[percent]}"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[detail]}", markup=False),
                console=console,
                transient=True,
            )
            self._task = self._progress.add_task(title, total=None, percent="", detail="")

    def show(self, percent: float | None, detail: str) -> None:
        """Show how far it is (None: nobody knows), and some words."""
        done = "" if percent is None else f"{percent:5.1f} %"
        if self._progress:
            total = None if percent is None else 100.0
            self._progress.update(
                self._task, total=total, completed=percent or 0, percent=done, detail=detail
            )
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + PLAIN_SECONDS
            words = "  ".join(filter(None, (self._title, done, detail)))
            self._console.print(words, soft_wrap=True)

    def __enter__(self) -> Self:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._progress:
            with suppress(KeyboardInterrupt):
                self._progress.stop()
