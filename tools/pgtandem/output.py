"""How results are shown: tables for people, JSON for programs, progress on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import click
import psycopg
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

UNBOUNDED = 10_000  # columns: a pipe or a file has no width, and a line is cut by its reader
GAP = 2  # columns of a terminal between two columns of a table
LAST_COLUMN = 26  # columns that are enough for the last column of a table, which is wrapped
SHOWN = 60  # characters of a value in a table
BAR_COLUMN = 24  # columns of a terminal for the bar, fewer where a name is long
PLAIN_SECONDS = 3.0  # between two lines of progress where standard error is no terminal
STYLES = {
    "ok": "green",
    "pass": "green",
    "warn": "yellow",
    "fail": "bold red",
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


def confirm(question: str, nobody: Exception, as_json: bool = False) -> None:
    """Ask, and abort unless the answer is yes; raise `nobody` where nobody can answer."""
    if as_json or not sys.stdin.isatty():
        raise nobody
    click.confirm(question, abort=True, err=True)


def stdout() -> Console:
    """Where results go."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = UNBOUNDED
    return console


def stderr() -> Console:
    """Where progress and remarks go."""
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = UNBOUNDED
    return console


def cell(value: object) -> Text:
    """A value in a table; what has a meaning of its own has a colour."""
    if value is None:
        return Text("-", "dim")
    if isinstance(value, Text):
        return value
    if isinstance(value, datetime):
        return Text(f"{value.astimezone():%Y-%m-%d %H:%M:%S}")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int | Decimal):
        return Text(f"{value:,}")
    text = str(value)
    return Text(text, STYLES.get(text, ""))


class Listing:
    """Rows under headings; where the terminal is too narrow, a line for each value.

    Only the last column is wrapped, so that a key is never broken. Without any heading there is no
    line of headings.
    """

    def __init__(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        self._headings = headings
        self._rows = [tuple(map(cell, row)) for row in rows]

    def _fits(self, width: int) -> bool:
        columns = zip(self._headings, *self._rows, strict=True)
        widths = [max(cell_len(str(each)) for each in column) for column in columns]
        widths[-1] = min(widths[-1], LAST_COLUMN)
        return sum(widths) + GAP * (len(widths) - 1) <= width

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich asks for it when it knows the width."""
        if self._fits(options.max_width):
            yield self._table()
            return
        for position, row in enumerate(self._rows):
            pairs = zip(self._headings, row, strict=True)
            yield Listing(("", ""), ((name, value) for name, value in pairs if value))._table()
            if position + 1 < len(self._rows):
                yield ""

    def _table(self) -> Table:
        made = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_edge=False)
        made.show_header = any(self._headings)
        for heading in self._headings[:-1]:
            made.add_column(heading, no_wrap=True)
        made.add_column(self._headings[-1], overflow="fold")
        for row in self._rows:
            made.add_row(*row)
        return made


def say(text: str) -> None:
    """Print a sentence on standard output; a terminal gets it in lines, a pipe in one."""
    stdout().print(text)


def show(view: RenderableType) -> None:
    """Print a view on standard output, without the spaces that fill its lines."""
    console = stdout()
    with console.capture() as captured:
        console.print(view)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings on standard output."""
    show(Listing(headings, rows))


def print_to_do(steps: Sequence[tuple[str, str]]) -> None:
    """Print what to do about each thing, line by line, below the table that names them."""
    lines = [
        ("" if n else f"  {name}", line)
        for name, what in steps
        for n, line in enumerate(what.splitlines())
    ]
    if lines:
        say("\nTo do:")
        show(Listing(("", ""), lines))


def quoted(value: str | None, is_json: bool = False) -> str:
    """A column's value so that NULL, spaces and odd characters are seen, cut if it is long.

    JSON shows them by itself.
    """
    if value is None:
        return "NULL"
    return shortened(value if is_json else json.dumps(value, ensure_ascii=False))


def shortened(text: str) -> str:
    """A text of at most SHOWN characters."""
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def counted(number: int, one: str, more: str) -> str:
    """A number of things: 1 key, 2 keys."""
    return f"{number:,} {one if number == 1 else more}"


def failure_lines(failures: Sequence[Mapping[str, Any]]) -> Text:
    """The keys that failed, with their errors, a line each."""
    lines = []
    for failure in failures:
        tried = failure["attempts"]
        tries = f"tried {counted(tried, 'time', 'times')}" if tried else "not tried again yet"
        if failure["not_before"]:
            tries += f", next try {failure['not_before'].astimezone():%H:%M:%S}"
        lines.append(f"  {failure['key']}  {failure['sqlstate']} {failure['message']} ({tries})")
    return Text("\n".join(lines))


def print_failures(failures: Sequence[Mapping[str, Any]], console: Console | None = None) -> None:
    """Print the keys that failed, with their errors."""
    if failures:
        (console or stdout()).print(failure_lines(failures))


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
            self.console.print(text)


class _Bar(Progress):
    """A bar, and below it some words."""

    words = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """What rich shows."""
        yield from super().get_renderables()
        yield Padding(Text(self.words), (0, 0, 0, 2))


class Meter:
    """Progress on standard error: a bar in a terminal, else a line every few seconds.

    with Meter(console, "backfill gear") as meter:
        meter.show(43.2, "4,320 rows, 2,000/s")
    """

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._next = time.monotonic() + PLAIN_SECONDS
        self._progress: _Bar | None = None
        if console.is_terminal:
            self._progress = _Bar(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=None, table_column=Column(max_width=BAR_COLUMN)),
                TextColumn("{task.fields[percent]}"),
                TimeElapsedColumn(),
                console=console,
                transient=True,
            )
            self._task = self._progress.add_task(title, total=None, percent="")

    def show(self, percent: float | None, detail: str) -> None:
        """Show how far it is (None: nobody knows), and some words."""
        done = "" if percent is None else f"{percent:5.1f} %"
        if self._progress:
            total = None if percent is None else 100.0
            self._progress.words = detail
            self._progress.update(self._task, total=total, completed=percent or 0, percent=done)
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
